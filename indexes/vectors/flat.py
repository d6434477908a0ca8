"""Segments of unit vectors on disk: a flat half-precision FAISS index, mapped lazily, with a coarse one beside it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from indexes.errors import DamagedError, KBError, UsageError
from indexes.file_array import FileArray
from indexes.vectors.coarse import CoarseVectors

if TYPE_CHECKING:
    from indexes.embedding import Vectors

Halves = NDArray[np.float16]

# As many passages as this are searched exactly in about 2 ms; the coarse index is quicker from here on.
COARSE_FROM = 50_000
# In a file of so many vectors, single ones are read: a place touched in a mapped file counts as 64 KiB of memory.
READ_FROM = 50_000
# How many of the coarse index's best are looked at exactly, and as many for each hit beyond ten: measured in
# docs/decisions/0008-vectors.md.
_RESCORED = 400
_RESCORED_PER_HIT = 40
# Where FAISS's file of a flat index holds the number of vectors; that of bytes stands just before the codes.
_COUNT_AT = 8
_BLOCK_ROWS = 4096


def write_vectors(path: Path, dimension: int, batches: Iterable[NDArray[np.floating[Any]]]) -> int:
    """Write unit vectors, batches of shape (n, dimension), to a new FAISS file at `path` and return how many there are.

    Only one batch is held in memory: the codes of a flat half-precision index are the vectors one after the other, so
    they are laid behind the head of an empty one. Half precision loses about 0.001 of recall against single precision
    and halves file and search time. The caller makes the file durable (fsync) and never writes over one that a reader
    may have mapped. Raise UsageError for a wrong shape, NaN or infinity.
    """
    import faiss

    if dimension < 1:
        raise UsageError(f"vectors must have one dimension or more, not {dimension}")
    empty = faiss.IndexScalarQuantizer(dimension, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT)
    head = faiss.serialize_index(empty).tobytes()
    count = 0
    with path.open("wb") as file:
        file.write(head)
        for batch in batches:
            if batch.ndim != 2 or batch.shape[1] != dimension:
                raise UsageError(f"vectors must have the shape (n, {dimension}), not {batch.shape}")
            halves = batch.astype("<f2")
            if not np.isfinite(halves).all():
                raise UsageError("vectors hold NaN or infinity; the embedder is broken")
            file.write(halves.tobytes())
            count += len(batch)
        for value, place in ((count, _COUNT_AT), (count * dimension * 2, len(head) - 8)):
            file.seek(place)
            file.write(value.to_bytes(8, "little"))
    if VectorSegment.open(path).count != count:
        raise KBError("this version of FAISS writes flat indexes in another way; install the pinned one")
    return count


def read_halves(path: Path, dimension: int, count: int) -> Iterable[Halves]:
    """Yield the vectors of a file in blocks (n, dimension), read and not mapped: they do not stay in memory."""
    with path.open("rb") as file:
        file.seek(path.stat().st_size - count * dimension * 2)
        for first in range(0, count, _BLOCK_ROWS):
            rows = min(_BLOCK_ROWS, count - first)
            yield np.frombuffer(file.read(rows * dimension * 2), dtype="<f2").reshape(rows, dimension)


def read_at(path: Path, dimension: int, count: int, positions: NDArray[np.int64]) -> Vectors:
    """Return the vectors (m, dimension) at `positions` (m,) of a file of `count`, read and not mapped."""
    size = dimension * 2
    with path.open("rb") as file:
        begin = path.stat().st_size - count * size
        rows = []
        for position in positions.tolist():
            file.seek(begin + position * size)
            rows.append(file.read(size))
    return np.frombuffer(b"".join(rows), dtype="<f2").reshape(-1, dimension).astype(np.float32)


class VectorSegment:
    """A vector file opened for searching. Only open files whose hash the manifest vouches for."""

    def __init__(self, index: Any, halves: FileArray | None = None, coarse: CoarseVectors | None = None) -> None:
        self._index = index
        self._halves = halves
        self._coarse = coarse

    @classmethod
    def open(cls, path: Path, coarse: Path | None = None) -> VectorSegment:
        """Map the file at `path` without reading it, and `coarse` beside it. DamagedError where one cannot be."""
        import faiss

        try:
            index = faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC)
            count, dimension = int(index.ntotal), int(index.d)
            halves = None
            if count >= READ_FROM:
                begin = path.stat().st_size - count * dimension * 2
                halves = FileArray(path, np.dtype("<f2"), begin, count * dimension)
        except (RuntimeError, OSError) as error:
            raise DamagedError(f"the vector file {path} cannot be opened: run `kb verify`") from error
        return cls(index, halves, CoarseVectors.open(coarse, count) if coarse is not None else None)

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

        `query` is one unit vector (dimension,). `live` (count,) admits positions; None admits all. With a coarse
        index, and unless few positions are admitted, a few in a hundred of the best may be missed; products are exact.
        """
        self._check(query)
        admitted = self.count if live is None else int(np.count_nonzero(live))
        k = min(k, admitted)
        if k <= 0:
            return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float32)
        if self._coarse is not None and admitted >= COARSE_FROM:
            wanted = max(_RESCORED, _RESCORED_PER_HIT * k)
            positions = self._coarse.nearest(query, min(wanted * self.count // admitted, self.count))
            if live is not None:
                positions = positions[live[positions]]
            if positions.size >= k:
                return self._best(query, np.sort(positions), k)
        return self._scan(query, k, live if admitted < self.count else None)

    def scores(self, query: NDArray[np.float32], positions: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the inner products (m,) of `query` (dimension,) with the vectors at `positions` (m,)."""
        self._check(query)
        products: NDArray[np.float32] = self.vectors(positions) @ query.astype(np.float32)
        return products

    def vectors(self, positions: NDArray[np.int64]) -> Vectors:
        """Return the vectors (m, dimension) at `positions` (m,), at half precision."""
        if not positions.size:
            return np.empty((0, self.dimension), dtype=np.float32)
        if self._halves is not None:
            begins = positions.astype(np.int64) * self.dimension
            read = self._halves.parts(zip(begins.tolist(), (begins + self.dimension).tolist(), strict=True))
            return read.reshape(-1, self.dimension).astype(np.float32)
        found: Vectors = self._index.reconstruct_batch(np.ascontiguousarray(positions, dtype=np.int64))
        return found

    def _best(
        self, query: NDArray[np.float32], positions: NDArray[np.int64], k: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        products = self.scores(query, positions)
        order = np.argsort(-products, kind="stable")[:k]
        return positions[order], products[order]

    def _scan(
        self, query: NDArray[np.float32], k: int, live: NDArray[np.bool_] | None
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        import faiss

        # One question is one thread's work: waking others costs more than they save. The setting is per thread.
        faiss.omp_set_num_threads(1)
        parameters = None
        if live is not None:
            # FAISS keeps a pointer into this array: it must outlive the search.
            bits = np.packbits(live, bitorder="little")
            selector = faiss.IDSelectorBitmap(bits.size, faiss.swig_ptr(bits))
            parameters = faiss.SearchParameters(sel=selector)  # type: ignore[call-arg]  # added by its Python layer
        scores, positions = self._index.search(query[None, :].astype(np.float32), k, params=parameters)
        found = positions[0] >= 0
        return positions[0][found].astype(np.int64), scores[0][found].astype(np.float32)

    def _check(self, query: NDArray[np.float32]) -> None:
        if query.shape != (self.dimension,):
            raise UsageError(f"the query vector has shape {query.shape}, the index holds {self.dimension} dimensions")
