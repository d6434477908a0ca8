"""Segments of unit vectors on disk: a flat half-precision FAISS index, searched exactly, mapped lazily."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from indexes.errors import DamagedError, UsageError

if TYPE_CHECKING:
    from indexes.embedding import Vectors


def write_vectors(path: Path, vectors: Vectors) -> None:
    """Write unit `vectors`, shape (n, dimension), n may be 0, to a new file at `path`.

    Half precision loses about 0.001 of recall against single precision and halves file and search time. The caller
    makes the file durable (fsync) and never writes over one that a reader may have mapped.
    """
    import faiss

    if vectors.ndim != 2 or vectors.shape[1] < 1:
        raise UsageError(f"vectors must have the shape (n, dimension), not {vectors.shape}")
    if not np.isfinite(vectors).all():
        raise UsageError("vectors hold NaN or infinity; the embedder is broken")
    index = faiss.IndexScalarQuantizer(
        vectors.shape[1], faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT
    )  # fmt: skip
    if len(vectors):
        index.add(np.ascontiguousarray(vectors, dtype=np.float32))
    faiss.write_index(index, str(path))


class VectorSegment:
    """A vector file opened for searching. Only open files whose hash the manifest vouches for."""

    def __init__(self, index: Any) -> None:
        self._index = index

    @classmethod
    def open(cls, path: Path) -> VectorSegment:
        """Map the file at `path` without reading it. DamagedError where it is no vector file."""
        import faiss

        try:
            return cls(faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC))
        except RuntimeError as error:
            raise DamagedError(f"the vector file {path} cannot be opened: run `kb verify`") from error

    @property
    def count(self) -> int:
        """The number of vectors."""
        return int(self._index.ntotal)

    @property
    def dimension(self) -> int:
        """The length of each vector."""
        return int(self._index.d)

    def search(
        self, query: NDArray[np.float32], k: int, live: NDArray[np.bool_] | None = None
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return positions (m,) and inner products (m,) of the best m <= k vectors, best first.

        `query` is one unit vector (dimension,). `live` (count,) admits positions; None admits all.
        """
        import faiss

        self._check(query)
        # One question is one thread's work: waking others costs more than they save. The setting is per thread.
        faiss.omp_set_num_threads(1)
        admitted = self.count if live is None else int(np.count_nonzero(live))
        k = min(k, admitted)
        if k <= 0:
            return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float32)
        parameters = None
        if live is not None and admitted < self.count:
            # FAISS keeps a pointer into this array: it must outlive the search.
            bits = np.packbits(live, bitorder="little")
            selector = faiss.IDSelectorBitmap(bits.size, faiss.swig_ptr(bits))
            parameters = faiss.SearchParameters(sel=selector)  # type: ignore[call-arg]  # added by its Python layer
        scores, positions = self._index.search(query[None, :].astype(np.float32), k, params=parameters)
        found = positions[0] >= 0
        return positions[0][found].astype(np.int64), scores[0][found].astype(np.float32)

    def scores(self, query: NDArray[np.float32], positions: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the inner products (m,) of `query` (dimension,) with the vectors at `positions` (m,)."""
        self._check(query)
        products: NDArray[np.float32] = self.vectors(positions) @ query.astype(np.float32)
        return products

    def vectors(self, positions: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the vectors (m, dimension) at `positions` (m,), at half precision."""
        if not positions.size:
            return np.empty((0, self.dimension), dtype=np.float32)
        found: NDArray[np.float32] = self._index.reconstruct_batch(np.ascontiguousarray(positions, dtype=np.int64))
        return found

    def _check(self, query: NDArray[np.float32]) -> None:
        if query.shape != (self.dimension,):
            raise UsageError(f"the query vector has shape {query.shape}, the index holds {self.dimension} dimensions")
