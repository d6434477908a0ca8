"""Which segments a new version keeps and which it rewrites: large ones stay, small and half-dead ones are merged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from indexes.storage.manifest import SegmentEntry

Rows = NDArray[np.int64]

# A segment is rewritten with what comes after it once that has grown to a third of its size, so segments shrink by
# four or more from each to the next: there are few (logarithmic), and a chunk is rewritten a logarithmic number of
# times, however many publishes there are.
GROWTH = 3
# Rewriting as few rows as this costs less than searching one more segment.
SMALL_ROWS = 512
MAX_DEAD_SHARE = 0.3


@dataclass(frozen=True, slots=True)
class Placed:
    """A segment of the version before: its rows, ascending, and the positions that are not shown, ascending."""

    entry: SegmentEntry
    rows: Rows
    dead: Rows


@dataclass(frozen=True, slots=True)
class Layout:
    """The segments to keep with their new tombstones, in order, and the rows to build into one new segment."""

    kept: list[Placed]
    rebuilt: Rows


def plan_layout(segments: Sequence[Placed], removed: Rows, added: Rows) -> Layout:
    """Return how to show `segments` without the rows `removed` and with the rows `added` (ascending)."""
    placed = [_bury(segment, removed) for segment in segments]
    placed = [segment for segment in placed if segment.dead.size < segment.rows.size]
    tail = int(added.size)
    rebuilt = {index for index, segment in enumerate(placed) if segment.dead.size > MAX_DEAD_SHARE * segment.rows.size}
    tail += sum(_live_count(placed[index]) for index in rebuilt)
    if tail:
        for index in range(len(placed) - 1, -1, -1):
            if index in rebuilt:
                continue
            if _live_count(placed[index]) > max(GROWTH * tail, SMALL_ROWS):
                break
            rebuilt.add(index)
            tail += _live_count(placed[index])
    rows = [np.delete(placed[index].rows, placed[index].dead) for index in sorted(rebuilt)]
    return Layout(
        kept=[segment for index, segment in enumerate(placed) if index not in rebuilt],
        rebuilt=np.sort(np.concatenate([np.empty(0, np.int64), *rows, added])),
    )


def _live_count(segment: Placed) -> int:
    return int(segment.rows.size - segment.dead.size)


def _bury(segment: Placed, removed: Rows) -> Placed:
    if not removed.size:
        return segment
    places = np.searchsorted(segment.rows, removed)
    inside = places < segment.rows.size
    places, wanted = places[inside], removed[inside]
    newly = places[segment.rows[places] == wanted]
    return Placed(segment.entry, segment.rows, np.union1d(segment.dead, newly))
