"""A coarse index beside the vectors of a large segment: a product quantiser of 2 bits a component, scanned by SIMD.

Product quantisation: Jégou, Douze and Schmid, 2011. Look-up tables in registers: André, Kermarrec and Le Scouarnec,
2015, as in FAISS's `IndexPQFastScan`. It only chooses which vectors are looked at exactly, so its error costs recall
and never a wrong score.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from indexes.errors import DamagedError

# Two components a sub-quantiser of 16 centroids: at four components, 400 candidates find less than 200 do here.
_COMPONENTS = 2
_BITS = 4
# The centroids of so many planes are found well by this many vectors; more only cost time.
_TRAINED_ON = 20_000
_SEED = 1


def suits(dimension: int) -> bool:
    """Return whether vectors of this dimension can have a coarse index."""
    return dimension % _COMPONENTS == 0


def write_coarse(path: Path, count: int, blocks: Iterable[NDArray[np.float16]], sample: NDArray[np.float32]) -> None:
    """Write the coarse index of `blocks` (n, dimension), `count` vectors in all, to a new file at `path`.

    `sample` (s, dimension) are vectors spread over all of them, to train on. Memory: `count` x dimension / 4 bytes.
    """
    import faiss

    # With several threads, sums come in another order and the same vectors make other files.
    faiss.omp_set_num_threads(1)
    dimension = sample.shape[1]
    index = faiss.IndexPQFastScan(dimension, dimension // _COMPONENTS, _BITS, faiss.METRIC_INNER_PRODUCT)
    index.pq.cp.seed = _SEED
    index.pq.cp.max_points_per_centroid = _TRAINED_ON
    index.train(sample)
    for block in blocks:
        index.add(block.astype(np.float32))
    if index.ntotal != count:
        raise DamagedError(f"a vector file holds {index.ntotal} of {count} vectors")
    faiss.write_index(index, str(path))


def sampled_positions(count: int) -> NDArray[np.int64]:
    """Return the positions of the vectors to train on, spread evenly over `count`."""
    return np.unique(np.linspace(0, count - 1, min(count, _TRAINED_ON)).astype(np.int64))


class CoarseVectors:
    """A coarse index, mapped when opened and loaded at the first question that needs it. Safe to share."""

    def __init__(self, content: NDArray[np.uint8], path: Path, count: int) -> None:
        self._content: NDArray[np.uint8] | None = content
        self._path = path
        self._count = count
        self._index: Any = None
        self._loading = threading.Lock()

    @classmethod
    def open(cls, path: Path, count: int) -> CoarseVectors:
        """Map the file at `path`; it goes on being readable when its name is removed. DamagedError where it is not."""
        try:
            return cls(np.memmap(path, dtype=np.uint8, mode="r"), path, count)
        except (OSError, ValueError) as error:
            raise DamagedError(f"the coarse vector file {path} cannot be opened: run `kb verify`") from error

    def nearest(self, query: NDArray[np.float32], k: int) -> NDArray[np.int64]:
        """Return the positions (k,) of the vectors with about the highest inner products, best first."""
        import faiss

        index = self._loaded()
        # One question is one thread's work. The setting is per thread.
        faiss.omp_set_num_threads(1)
        _, positions = index.search(query[None, :].astype(np.float32), k)
        found: NDArray[np.int64] = positions[0][positions[0] >= 0]
        return found

    def _loaded(self) -> Any:
        with self._loading:
            if self._index is None:
                import faiss

                try:
                    index = faiss.deserialize_index(np.asarray(self._content))
                except RuntimeError as error:
                    raise DamagedError(f"the coarse vector file {self._path} is damaged: run `kb verify`") from error
                if index.ntotal != self._count:
                    raise DamagedError(f"the coarse vector file {self._path} has {index.ntotal} of {self._count} rows")
                self._index, self._content = index, None
            return self._index
