"""A segment of keyword statistics on disk.

A segment is an inverted index in compressed sparse rows, one NumPy file an array:

    terms.npy      (t,) uint64   distinct terms, ascending
    offsets.npy    (t + 1,) int64   the postings of term i are [offsets[i], offsets[i + 1])
    postings.npy   (p,) uint32   positions of passages, ascending within a term
    counts.npy     (p,) uint8    how often the term occurs in the passage, at most 255
    lengths.npy    (n,) uint32   terms in each passage, repeats included
    units.npy      (u,) uint32   units of all passages in order, as indexes into terms
    unit_flags.npy (u,) uint8    bit 0: a sentence begins here; bit 1: makes a bigram with the unit before
    unit_offsets.npy (n + 1,) int64   the units of passage i are [unit_offsets[i], unit_offsets[i + 1])

Whatever is mapped and touched counts as memory of the process, 64 KiB around each place. So only what is searched in
is mapped; the units of a passage and, in a large segment, whole lists of postings are read.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from indexes.errors import DamagedError
from indexes.file_array import FileArray
from indexes.keywords.writer import FILES

Ids = NDArray[np.uint64]
_READ = ("postings", "counts", "units", "unit_flags")
_ONLY_READ = ("units", "unit_flags")
# In a segment of so many postings lists are not read but taken as they are mapped: it has not the memory to save.
_MAPPED_POSTINGS = 1 << 24


class KeywordSegment:
    """A folder of keyword files opened for searching."""

    def __init__(self, mapped: dict[str, NDArray[Any]], read: dict[str, FileArray]) -> None:
        self.terms: Ids = mapped["terms"]
        self.offsets: NDArray[np.int64] = mapped["offsets"]
        self.lengths: NDArray[np.uint32] = mapped["lengths"]
        self.unit_offsets: NDArray[np.int64] = mapped["unit_offsets"]
        self._mapped = mapped
        self._read = read

    @classmethod
    def open(cls, folder: Path) -> KeywordSegment:
        """Open the files in `folder`. DamagedError where one is missing, cut short or inconsistent."""
        try:
            mapped = {name: _map(folder / f"{name}.npy") for name in FILES if name not in _ONLY_READ}
            read = {name: FileArray.npy(folder / f"{name}.npy") for name in _READ}
        except (OSError, ValueError) as error:
            raise DamagedError(f"the keyword files in {folder} cannot be opened: run `kb verify`") from error
        segment = cls(mapped, read)
        if (
            segment.offsets.size != segment.terms.size + 1
            or segment.unit_offsets.size != segment.count + 1
            or read["postings"].size != int(segment.offsets[-1])
            or read["counts"].size != read["postings"].size
            or read["units"].size != int(segment.unit_offsets[-1])
            or read["unit_flags"].size != read["units"].size
        ):
            raise DamagedError(f"the keyword files in {folder} do not fit together: run `kb verify`")
        return segment

    @property
    def count(self) -> int:
        """The number of passages."""
        return int(self.lengths.size)

    def locate(self, terms: Ids) -> NDArray[np.int64]:
        """Return the index into `self.terms` of each of `terms` (m,), or -1 where the segment lacks it."""
        if not self.terms.size:
            return np.full(terms.size, -1, dtype=np.int64)
        places = np.searchsorted(self.terms, terms)
        places[places == self.terms.size] = 0
        return np.where(self.terms[places] == terms, places, -1).astype(np.int64)

    def postings_of(self, places: NDArray[np.int64]) -> tuple[NDArray[np.uint32], NDArray[np.uint8], NDArray[np.int64]]:
        """Return the positions that hold the terms at `places` (m,), how often each does, and how many each term has.

        The positions ascend within a term; the terms come behind each other. To go through all of them.
        """
        begins, ends = self.offsets[places], self.offsets[places + 1]
        extents = list(zip(begins.tolist(), ends.tolist(), strict=True))
        if self._mapped["postings"].size <= _MAPPED_POSTINGS and extents:
            positions, counts = (
                np.concatenate([self._mapped[name][begin:end] for begin, end in extents])
                for name in ("postings", "counts")
            )
        else:
            positions, counts = (self._read[name].parts(extents) for name in ("postings", "counts"))
        return positions, counts, ends - begins

    def mapped_postings_of(self, place: int) -> tuple[NDArray[np.uint32], NDArray[np.uint8]]:
        """Return the same of one term without reading it, to look a few positions up in a long list."""
        extent = slice(int(self.offsets[place]), int(self.offsets[place + 1]))
        return self._mapped["postings"][extent], self._mapped["counts"][extent]

    def units_of(self, positions: NDArray[np.int64]) -> tuple[NDArray[np.uint32], NDArray[np.uint8], NDArray[np.int64]]:
        """Return the units of passages, each in order, as indexes into `terms`, with their flags, and their numbers.

        The units of all passages come behind each other, in the order of `positions` (m,).
        """
        begins, ends = self.unit_offsets[positions], self.unit_offsets[positions + 1]
        extents = list(zip(begins.tolist(), ends.tolist(), strict=True))
        return self._read["units"].parts(extents), self._read["unit_flags"].parts(extents), ends - begins


def _map(path: Path) -> NDArray[Any]:
    return np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))
