"""An embedder that remembers what it was given: the real hash embedder, with a list beside it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

from indexes.embedders.hash import HashEmbedder
from indexes.embedding import Vectors
from indexes.records import EmbeddingIdentity


class CountingEmbedder:
    """Embeds as `HashEmbedder` does. `texts` holds every text that was embedded, in order.

    `seconds` is how long each call takes at least; `before` runs at the start of each.
    """

    def __init__(self, dimension: int = 64, seconds: float = 0.0, before: Callable[[], None] = lambda: None) -> None:
        self.texts: list[str] = []
        self.begun = threading.Event()
        self._hash = HashEmbedder(dimension)
        self.seconds = seconds
        self._before = before

    @property
    def identity(self) -> EmbeddingIdentity:
        return self._hash.identity

    @property
    def fusion_weight(self) -> float:
        return self._hash.fusion_weight

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return self._hash.count_tokens(texts)

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        self.begun.set()
        self._before()
        time.sleep(self.seconds)
        self.texts += texts
        return self._hash.embed_documents(texts)

    def embed_query(self, text: str) -> Vectors:
        return self._hash.embed_query(text)
