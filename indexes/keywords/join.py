"""Joining inverted batches into one keyword segment: read and written in pieces, never mapped or held whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

FILES = ("terms", "offsets", "postings", "counts", "lengths", "units", "unit_flags", "unit_offsets")

# A range of term ids has about so many postings, or distinct terms counted once a batch: some 60 bytes each.
_RANGE_POSTINGS = 1 << 21
_RANGE_TERMS = 1 << 19

_COLUMNS: dict[str, np.dtype[Any]] = {
    "terms": np.dtype("<u8"), "sizes": np.dtype("<i8"), "joined": np.dtype("<u4"), "postings": np.dtype("<u4"),
    "counts": np.dtype("u1"), "lengths": np.dtype("<u4"), "units": np.dtype("<u4"), "unit_flags": np.dtype("u1"),
    "unit_sizes": np.dtype("<i8"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class BatchPlace:
    """Where a batch begins in the columns and how much of them is its own: terms, postings, passages and units."""

    first: Mapping[str, int]
    terms: int
    postings: int
    passages: int
    units: int


class ScratchColumns:
    """The arrays of all batches, one file for each kind, laid end to end. Plain files: no page of them stays mapped."""

    def __init__(self, folder: Path) -> None:
        self._files: dict[str, BinaryIO] = {name: (folder / name).open("w+b", buffering=0) for name in _COLUMNS}
        self.sizes = dict.fromkeys(_COLUMNS, 0)

    def __enter__(self) -> ScratchColumns:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for file in self._files.values():
            file.close()

    def append(self, arrays: Mapping[str, NDArray[Any]]) -> BatchPlace:
        """Add the arrays of a batch, one for each column but `joined`, at the ends."""
        first = dict(self.sizes)
        for name, array in arrays.items():
            self.write(name, self.sizes[name], array)
        self.sizes["joined"] = self.sizes["terms"]
        return BatchPlace(
            first, arrays["terms"].size, arrays["postings"].size, arrays["lengths"].size, arrays["units"].size
        )

    def write(self, name: str, start: int, array: NDArray[Any]) -> None:
        """Write `array` into a column from element `start` on."""
        file, dtype = self._files[name], _COLUMNS[name]
        file.seek(start * dtype.itemsize)
        content = memoryview(array.astype(dtype, copy=False).tobytes())
        while content:
            content = content[file.write(content) :]
        self.sizes[name] = max(self.sizes[name], start + array.size)

    def read(self, name: str, start: int, stop: int) -> NDArray[Any]:
        """Return the elements [start, stop) of a column."""
        file, dtype = self._files[name], _COLUMNS[name]
        file.seek(start * dtype.itemsize)
        return np.fromfile(file, dtype, stop - start)


def join(folder: Path, scratch: ScratchColumns, batches: Sequence[BatchPlace]) -> None:
    """Write the files of a segment into `folder`: passages and units in the order of the batches, postings by term."""
    np.save(folder / "lengths.npy", scratch.read("lengths", 0, scratch.sizes["lengths"]))
    unit_sizes = scratch.read("unit_sizes", 0, scratch.sizes["unit_sizes"])
    np.save(folder / "unit_offsets.npy", np.concatenate(([0], np.cumsum(unit_sizes))))
    _join_postings(folder, scratch, batches)
    with (
        _npy(folder / "units.npy", _COLUMNS["units"], scratch.sizes["units"]) as units,
        _npy(folder / "unit_flags.npy", _COLUMNS["unit_flags"], scratch.sizes["unit_flags"]) as flags,
    ):
        for batch in batches:
            begin = batch.first["units"]
            joined = scratch.read("joined", batch.first["terms"], batch.first["terms"] + batch.terms)
            units.write(joined[scratch.read("units", begin, begin + batch.units)].tobytes())
            flags.write(scratch.read("unit_flags", begin, begin + batch.units).tobytes())


def _join_postings(folder: Path, scratch: ScratchColumns, batches: Sequence[BatchPlace]) -> None:
    """Write terms, offsets, postings and counts, and fill `joined`: the place of each batch's terms among all."""
    total = scratch.sizes["postings"]
    ranges = 1 + max(total // _RANGE_POSTINGS, scratch.sizes["terms"] // _RANGE_TERMS)
    cuts = [_cuts(scratch, batch, ranges) for batch in batches]
    terms: list[NDArray[np.uint64]] = [np.empty(0, np.uint64)]
    sizes: list[NDArray[np.int64]] = [np.zeros(1, np.int64)]
    before = 0
    with (
        _npy(folder / "postings.npy", _COLUMNS["postings"], total) as postings,
        _npy(folder / "counts.npy", _COLUMNS["counts"], total) as counts,
    ):
        for number in range(ranges):
            extents = [cut[number] for cut in cuts if cut[number].terms]
            if not extents:
                continue
            found = np.concatenate([extent.read(scratch, "terms") for extent in extents])
            held = np.concatenate([extent.read(scratch, "sizes") for extent in extents])
            distinct, places = np.unique(found, return_inverse=True)
            goes_to = _targets(places, held)
            positions = [extent.read(scratch, "postings") + np.uint32(extent.passages) for extent in extents]
            postings.write(_laid(positions, goes_to).tobytes())
            counts.write(_laid([extent.read(scratch, "counts") for extent in extents], goes_to).tobytes())
            begins = np.cumsum([extent.terms for extent in extents])[:-1]
            for extent, placed in zip(extents, np.split(before + places, begins), strict=True):
                scratch.write("joined", extent.first_term, placed)
            terms.append(distinct)
            sizes.append(np.bincount(places, weights=held, minlength=distinct.size).astype(np.int64))
            before += distinct.size
    np.save(folder / "terms.npy", np.concatenate(terms))
    np.save(folder / "offsets.npy", np.cumsum(np.concatenate(sizes)))


def _targets(places: NDArray[np.intp], held: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return where each posting goes: by term, and within a term by batch. `held` counts those of each entry."""
    order = np.argsort(places, kind="stable")
    begins = np.empty(held.size, dtype=np.int64)
    begins[order] = np.cumsum(held[order]) - held[order]
    targets: NDArray[np.int64] = np.repeat(begins - (np.cumsum(held) - held), held)
    targets += np.arange(targets.size)
    return targets


def _laid(parts: Sequence[NDArray[Any]], goes_to: NDArray[np.int64]) -> NDArray[Any]:
    laid = np.empty(goes_to.size, dtype=parts[0].dtype)
    laid[goes_to] = np.concatenate(parts)
    return laid


class _Extent(NamedTuple):
    """The terms of one batch in one range of ids, and their postings; `passages` come before the batch's own."""

    first_term: int
    terms: int
    first_posting: int
    postings: int
    passages: int

    def read(self, scratch: ScratchColumns, name: str) -> NDArray[Any]:
        """Return what a column has for these terms or postings."""
        if name in ("postings", "counts"):
            return scratch.read(name, self.first_posting, self.first_posting + self.postings)
        return scratch.read(name, self.first_term, self.first_term + self.terms)


def _cuts(scratch: ScratchColumns, batch: BatchPlace, ranges: int) -> list[_Extent]:
    """Return what a batch has in each of `ranges` equal ranges of term ids; ids are hashes, so they fill evenly."""
    begin = batch.first["terms"]
    terms, sizes = (scratch.read(name, begin, begin + batch.terms) for name in ("terms", "sizes"))
    width = (1 << 64) // ranges
    bounds = np.array([width * number for number in range(1, ranges)], dtype=np.uint64)
    cuts = np.concatenate(([0], np.searchsorted(terms, bounds), [terms.size]))
    held = np.concatenate(([0], np.cumsum(sizes)))[cuts]
    return [
        _Extent(begin + low, high - low, batch.first["postings"] + first, last - first, batch.first["lengths"])
        for (low, high), (first, last) in zip(pairwise(cuts.tolist()), pairwise(held.tolist()), strict=True)
    ]


@contextmanager
def _npy(path: Path, dtype: np.dtype[Any], size: int) -> Iterator[BinaryIO]:
    """Open a new NumPy file of `size` elements, to be written in order."""
    with path.open("wb") as file:
        header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": (size,)}
        np.lib.format.write_array_header_1_0(file, header)
        yield file
