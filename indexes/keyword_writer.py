"""Building a keyword segment: from passages to compressed sparse rows, in bounded memory."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from indexes.folding import code_points, fold
from indexes.pieces import cut

FILES = ("terms", "offsets", "postings", "counts", "lengths", "units", "unit_flags", "unit_offsets")
SENTENCE_BEGINS = 1
ADJOINS = 2

_BATCH_CHARACTERS = 1 << 20
# A code point that Unicode reserves for internal use; folding keeps it and no term can reach over it.
_PASSAGE_MARK = "\ufdd0"


@dataclass(frozen=True, slots=True)
class KeywordEntry:
    """What the keywords of one passage are taken from. Title and heading count as much as the text."""

    title: str
    heading: str
    text: str


def write_keywords(folder: Path, entries: Iterable[KeywordEntry]) -> None:
    """Write the keyword files of `entries`, in their order, into the existing `folder`.

    Batches of about a million characters are inverted one by one and then laid behind each other term by term, so
    memory grows with the number of distinct terms and not with the text. The caller makes the files durable.
    """
    with tempfile.TemporaryDirectory(dir=folder, prefix=".batches-") as scratch:
        batches = [_write_batch(Path(scratch), number, batch) for number, batch in enumerate(_batches(entries))]
        _join(folder, batches)


def _batches(entries: Iterable[KeywordEntry]) -> Iterator[list[KeywordEntry]]:
    batch: list[KeywordEntry] = []
    size = 0
    for entry in entries:
        batch.append(entry)
        size += len(entry.text) + len(entry.heading) + len(entry.title)
        if size >= _BATCH_CHARACTERS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _write_batch(scratch: Path, number: int, batch: list[KeywordEntry]) -> Path:
    """Invert one batch: distinct terms, postings sorted by term and passage, and the units in order."""
    # The line break ends the last sentence of a passage.
    folded = f"\n{_PASSAGE_MARK}".join(
        fold(f"{entry.title}\n{entry.heading}\n{entry.text}").replace(_PASSAGE_MARK, " ") for entry in batch
    )
    pieces = cut(folded)
    marks = np.flatnonzero(code_points(folded) == ord(_PASSAGE_MARK))
    ids, starts = pieces.terms()
    passages = np.searchsorted(marks, starts).astype(np.uint64)
    terms, places = np.unique(ids, return_inverse=True)
    keys = (places.astype(np.uint64) << np.uint64(32)) | passages
    keys.sort()
    first = np.flatnonzero(np.concatenate(([True], keys[1:] != keys[:-1]))) if keys.size else np.empty(0, np.int64)
    counts = np.diff(np.concatenate((first, [keys.size])))
    kept = keys[first]
    unit_count = pieces.ids.size
    arrays: dict[str, NDArray[Any]] = {
        "terms": terms,
        "sizes": np.bincount((kept >> np.uint64(32)).astype(np.int64), minlength=terms.size),
        "postings": (kept & np.uint64(0xFFFFFFFF)).astype(np.uint32),
        "counts": counts.clip(max=255).astype(np.uint8),
        "lengths": np.bincount(passages.astype(np.int64), minlength=len(batch)).astype(np.uint32),
        "units": places[:unit_count].astype(np.uint32),
        "unit_flags": (SENTENCE_BEGINS * pieces.sentence_begins + ADJOINS * pieces.adjoins).astype(np.uint8),
        "unit_sizes": np.bincount(passages[:unit_count].astype(np.int64), minlength=len(batch)),
    }
    folder = scratch / str(number)
    folder.mkdir()
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
    return folder


def _join(folder: Path, batches: list[Path]) -> None:
    """Lay the batches behind each other: passages and units in order, postings term by term."""

    def all_of(name: str, dtype: Any) -> NDArray[Any]:
        return np.concatenate([np.empty(0, dtype), *(_read(batch, name) for batch in batches)])

    terms = np.unique(all_of("terms", np.uint64))
    places = [np.searchsorted(terms, _read(batch, "terms")) for batch in batches]
    sizes = np.zeros(terms.size, dtype=np.int64)
    for place, batch in zip(places, batches, strict=True):
        sizes[place] += _read(batch, "sizes")
    offsets = np.concatenate(([0], np.cumsum(sizes)))
    lengths = all_of("lengths", np.uint32)
    np.save(folder / "terms.npy", terms)
    np.save(folder / "offsets.npy", offsets)
    np.save(folder / "lengths.npy", lengths)
    np.save(folder / "unit_flags.npy", all_of("unit_flags", np.uint8))
    np.save(folder / "unit_offsets.npy", np.concatenate(([0], np.cumsum(all_of("unit_sizes", np.int64)))))
    unit_total = sum(_read(batch, "units").size for batch in batches)
    units, postings, counts = (
        _create(folder / f"{name}.npy", dtype, size)
        for name, dtype, size in (
            ("units", np.uint32, unit_total),
            ("postings", np.uint32, int(offsets[-1])),
            ("counts", np.uint8, int(offsets[-1])),
        )
    )
    filled = offsets[:-1].copy()
    passages_before = units_before = 0
    for place, batch in zip(places, batches, strict=True):
        batch_sizes, batch_units = _read(batch, "sizes"), _read(batch, "units")
        # The j-th posting of a term in this batch goes j places behind what earlier batches filled.
        rank = np.arange(int(batch_sizes.sum())) - np.repeat(np.cumsum(batch_sizes) - batch_sizes, batch_sizes)
        target = np.repeat(filled[place], batch_sizes) + rank
        postings[target] = _read(batch, "postings") + np.uint32(passages_before)
        counts[target] = _read(batch, "counts")
        filled[place] += batch_sizes
        units[units_before : units_before + batch_units.size] = place[batch_units]
        passages_before += _read(batch, "lengths").size
        units_before += batch_units.size
    for array in (units, postings, counts):
        array.flush()


def _read(batch: Path, name: str) -> NDArray[Any]:
    return np.asarray(np.load(batch / f"{name}.npy", mmap_mode="r", allow_pickle=False))


def _create(path: Path, dtype: Any, size: int) -> np.memmap[Any, Any]:
    """Create a NumPy file of `size` elements, to be filled through the returned map."""
    return np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=(size,))
