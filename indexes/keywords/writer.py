"""Building a keyword segment: from passages to compressed sparse rows, in bounded memory."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from indexes.keywords.join import FILES, BatchPlace, ScratchColumns, join
from indexes.text.folding import code_points, fold
from indexes.text.pieces import cut

__all__ = ["ADJOINS", "FILES", "SENTENCE_BEGINS", "KeywordEntry", "write_keywords"]

SENTENCE_BEGINS = 1
ADJOINS = 2

_BATCH_CHARACTERS = 1 << 19
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

    Batches of about half a million characters are inverted one by one, then all of them joined over one range of term
    ids after the other, so memory grows with the numbers of passages and distinct terms and not with the text. The
    caller makes the files durable.
    """
    with tempfile.TemporaryDirectory(dir=folder, prefix=".batches-") as path, ScratchColumns(Path(path)) as scratch:
        batches = [_invert(scratch, batch) for batch in _batches(entries)]
        join(folder, scratch, batches)


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


def _invert(scratch: ScratchColumns, batch: list[KeywordEntry]) -> BatchPlace:
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
    return scratch.append(arrays)
