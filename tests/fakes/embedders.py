"""Embedders for tests of search: one that knows what words mean, and one that knows nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from indexes.embedding import Vectors
from indexes.records import EmbeddingIdentity
from indexes.text.matching import fold
from indexes.text.token_count import count_simple_tokens

DIMENSION = 64


class ConceptEmbedder:
    """Stands for a good embedding model: words of one concept share a direction, whatever their letters.

    `concepts` is a list of groups of synonyms. A text's vector is the sum of one fixed random direction for each
    concept whose words it holds, with a little of the text's own noise; texts without any concept are noise alone.
    """

    fusion_weight = 0.5

    def __init__(self, concepts: Sequence[Sequence[str]]) -> None:
        self._concepts = [[fold(word) for word in words] for words in concepts]

    @property
    def identity(self) -> EmbeddingIdentity:
        return EmbeddingIdentity("concepts", f"{len(self._concepts)}-concepts", "1", DIMENSION, "sum", "", 512)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return count_simple_tokens(texts)

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        return np.array([self.embed_query(text) for text in texts], dtype=np.float32).reshape(-1, DIMENSION)

    def embed_query(self, text: str) -> Vectors:
        folded = fold(text)
        vector = 0.3 * direction("noise " + folded)
        for words in self._concepts:
            if any(word in folded for word in words):
                vector = vector + direction("concept " + words[0])
        return unit(vector)


class RandomEmbedder:
    """Stands for a model that understands nothing: every text has a random direction of its own.

    Its `fusion_weight` is that of a real model, so that what protects the ranking is the search and not the weight.
    """

    fusion_weight = 0.5

    def __init__(self, dimension: int = DIMENSION) -> None:
        self._dimension = dimension

    @property
    def identity(self) -> EmbeddingIdentity:
        return EmbeddingIdentity("random", "random", "1", self._dimension, "none", "", 512)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return count_simple_tokens(texts)

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        return np.array([self.embed_query(text) for text in texts], dtype=np.float32).reshape(-1, self._dimension)

    def embed_query(self, text: str) -> Vectors:
        return unit(direction(text, self._dimension))


def direction(name: str, dimension: int = DIMENSION) -> NDArray[np.float64]:
    """Return the random unit vector that belongs to `name`, the same in every process."""
    seed = int.from_bytes(hashlib.sha256(name.encode("utf-8", "surrogatepass")).digest()[:8], "little")
    vector = np.random.default_rng(seed).normal(size=dimension)
    return vector / np.linalg.norm(vector)


def unit(vector: NDArray[np.float64]) -> Vectors:
    return (vector / np.linalg.norm(vector)).astype(np.float32)
