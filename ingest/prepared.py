"""Documents on their way into the store: split, keyed, and given their vectors in batches across documents."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field

import numpy as np

from indexes.embedding import Embedder, Vectors
from indexes.records import Chunk, Document, EmbeddingIdentity
from ingest.records import SourceItem
from ingest.stopping import check

# A call of the embedder should take about this long (seconds): long enough to be efficient, short enough to stop.
_CALL_SECONDS = 0.5
_FIRST_CALL = 16
_LONGEST_CALL = 1024
# Keys that are looked up in the store at once.
_LOOKUP = 2048


@dataclass(slots=True)
class Prepared:
    """A document that only lacks its vectors. `keys[i]` and `texts[i]` belong to `chunks[i]`."""

    item: SourceItem
    document: Document
    chunks: list[Chunk]
    texts: list[str]
    keys: list[str]
    original: bytes | None
    is_new: bool
    timings: dict[str, float] = field(default_factory=dict)


def fingerprint(identity: EmbeddingIdentity) -> str:
    """Return the SHA-256 (hex) of what made a vector."""
    return hashlib.sha256(json.dumps(asdict(identity), sort_keys=True).encode()).hexdigest()


def embedding_keys(identity: EmbeddingIdentity, texts: Sequence[str]) -> list[str]:
    """Return for each text the key under which its vector is stored: equal exactly where the vectors are."""
    start = hashlib.sha256(fingerprint(identity).encode())
    keys: list[str] = []
    for text in texts:
        digest = start.copy()
        digest.update(text.encode("utf-8", "surrogatepass"))
        keys.append(digest.hexdigest())
    return keys


class BatchEmbedder:
    """Gives documents their vectors: from the store where it has them, once where texts are equal, else embedded."""

    def __init__(self, embedder: Embedder, cancel: threading.Event) -> None:
        self._embedder = embedder
        self._cancel = cancel
        self._call = _FIRST_CALL
        self.embedded = 0

    def vectors(
        self, batch: Sequence[Prepared], stored: Callable[[Sequence[str]], Mapping[str, Vectors]] | None
    ) -> list[Vectors]:
        """Return for each document its vectors, of shape (chunks, dimension), in the order of its chunks.

        `stored` looks vectors up by key; None means that all are to be made anew. Raise IngestInterrupted between
        two calls of the embedder when cancelled.
        """
        texts: dict[str, str] = {}
        for one in batch:
            texts.update(zip(one.keys, one.texts, strict=True))
        rows = {key: row for row, key in enumerate(texts)}
        matrix = np.empty((len(texts), self._embedder.identity.dimension), dtype=np.float32)
        missing = list(texts)
        if stored is not None:
            missing = self._look_up(missing, rows, matrix, stored)
        # Texts of like length together: models pad a batch to its longest text.
        missing.sort(key=lambda key: len(texts[key]))
        begin = 0
        while begin < len(missing):
            check(self._cancel)
            keys = missing[begin : begin + self._call]
            begun = time.monotonic()
            matrix[[rows[key] for key in keys]] = self._embedder.embed_documents([texts[key] for key in keys])
            begin += len(keys)
            self.embedded += len(keys)
            self._adapt(time.monotonic() - begun)
        return [matrix[[rows[key] for key in one.keys]] for one in batch]

    def _look_up(
        self,
        keys: list[str],
        rows: Mapping[str, int],
        matrix: Vectors,
        stored: Callable[[Sequence[str]], Mapping[str, Vectors]],
    ) -> list[str]:
        """Fill in what the store has, and return the keys that it lacks."""
        missing: list[str] = []
        for begin in range(0, len(keys), _LOOKUP):
            part = keys[begin : begin + _LOOKUP]
            found = stored(part)
            for key in part:
                if key in found:
                    matrix[rows[key]] = found[key]
                else:
                    missing.append(key)
        return missing

    def _adapt(self, seconds: float) -> None:
        if seconds < _CALL_SECONDS / 2:
            self._call = min(self._call * 2, _LONGEST_CALL)
        elif seconds > _CALL_SECONDS * 2:
            self._call = max(self._call // 2, 1)
