"""The embedder protocol: what turns texts into vectors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from indexes.records import EmbeddingIdentity

Vectors = NDArray[np.float32]


class Embedder(Protocol):
    """Turns texts into unit vectors. Implementations load their model on first use, not at construction."""

    @property
    def identity(self) -> EmbeddingIdentity:
        """What the manifest records; may read the model's configuration but not its weights."""
        ...

    @property
    def fusion_weight(self) -> float:
        """How much of the fused score dense search may have with this embedder, in [0, 1]."""
        ...

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Return the number of tokens of each text by the model's own tokenizer, special tokens included."""
        ...

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        """Return unit vectors of shape (len(texts), dimension). Raise UsageError over `identity.max_tokens`."""
        ...

    def embed_query(self, text: str) -> Vectors:
        """Return one unit vector of shape (dimension,); a query longer than the model's window is cut."""
        ...
