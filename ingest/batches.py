"""Vectors for documents, in batches across documents: known ones reused, equal texts embedded once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from indexes.embedding import Embedder, Vectors
from ingest.prepared import Prepared
from ingest.stopping import check

# A call of the embedder should take about this long (seconds): long enough to be efficient, short enough to stop.
_CALL_SECONDS = 0.5
_FIRST_CALL = 16
_LONGEST_CALL = 1024
# Keys that are looked up in the store at once.
_LOOKUP = 2048

Stored = Callable[[Sequence[str]], Mapping[str, Vectors]]


class BatchEmbedder:
    """Gives documents their vectors. `embedded` counts the texts that were embedded so far."""

    def __init__(self, embedder: Embedder, cancel: threading.Event) -> None:
        self.embedded = 0
        self._embedder = embedder
        self._dimension = embedder.identity.dimension
        self._cancel = cancel
        self._call = _FIRST_CALL

    def vectors(self, batch: Sequence[Prepared], stored: Stored | None) -> list[Vectors]:
        """Return the vectors of each document, of shape (chunks, dimension), in the order of its chunks.

        `stored` returns the vectors that are known among some keys; None means that all are to be made anew. Raise
        IngestInterrupted between two calls of the embedder when cancelled.
        """
        texts: dict[str, str] = {}
        for one in batch:
            texts.update(zip(one.keys, one.texts, strict=True))
        rows = {key: row for row, key in enumerate(texts)}
        matrix: Vectors = np.empty((len(texts), self._dimension), dtype=np.float32)
        missing = list(texts) if stored is None else _look_up(rows, matrix, stored)
        # Texts of like length together: models pad a batch to its longest text.
        missing.sort(key=lambda key: len(texts[key]))
        while missing:
            check(self._cancel)
            keys, missing = missing[: self._call], missing[self._call :]
            begun = time.monotonic()
            matrix[[rows[key] for key in keys]] = self._embedder.embed_documents([texts[key] for key in keys])
            self.embedded += len(keys)
            self._adapt(time.monotonic() - begun)
        return [matrix[[rows[key] for key in one.keys]] for one in batch]

    def _adapt(self, seconds: float) -> None:
        if seconds < _CALL_SECONDS / 2:
            self._call = min(self._call * 2, _LONGEST_CALL)
        elif seconds > _CALL_SECONDS * 2:
            self._call = max(self._call // 2, 1)


def _look_up(rows: Mapping[str, int], matrix: Vectors, stored: Stored) -> list[str]:
    """Fill in the vectors that are known, and return the keys of the others."""
    keys, missing = list(rows), []
    for begin in range(0, len(keys), _LOOKUP):
        found = stored(keys[begin : begin + _LOOKUP])
        for key in keys[begin : begin + _LOOKUP]:
            if key in found:
                matrix[rows[key]] = found[key]
            else:
                missing.append(key)
    return missing
