"""Small and half-dead segments are merged, large ones stay: publishing costs what the change costs."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from indexes.storage.layout import MAX_DEAD_SHARE, Placed, plan_layout
from indexes.storage.manifest import SegmentEntry

NONE = np.empty(0, np.int64)


def _placed(first: int, count: int, dead: int = 0) -> Placed:
    rows = np.arange(first, first + count)
    return Placed(SegmentEntry(str(first), count, dead, {}), rows, np.arange(dead))


def test_a_small_change_leaves_a_large_segment_alone() -> None:
    """One changed document on a large base makes a delta and a tombstone, no rewrite."""
    layout = plan_layout([_placed(0, 20_000)], removed=np.arange(5, 15), added=np.arange(20_000, 20_010))
    assert [placed.dead.tolist() for placed in layout.kept] == [list(range(5, 15))]
    assert layout.rebuilt.tolist() == list(range(20_000, 20_010))


def test_deltas_are_merged_once_they_have_grown() -> None:
    """A change that is large against the segments before it is merged with them."""
    layout = plan_layout([_placed(0, 20_000), _placed(20_000, 1_500)], NONE, np.arange(30_000, 30_600))
    assert [placed.rows.size for placed in layout.kept] == [20_000]
    assert layout.rebuilt.size == 2_100


def test_a_mostly_dead_segment_is_rewritten() -> None:
    """A segment more than 30 % of which is not shown is rewritten without what is dead, and an empty one is dropped."""
    dead = int(20_000 * MAX_DEAD_SHARE)
    layout = plan_layout([_placed(0, 20_000, dead)], removed=np.array([19_999]), added=NONE)
    assert layout.kept == [] and layout.rebuilt.tolist() == list(range(dead, 19_999))
    layout = plan_layout([_placed(0, 10)], removed=np.arange(10), added=NONE)
    assert layout.kept == [] and layout.rebuilt.size == 0


@given(st.lists(st.tuples(st.integers(1, 3000), st.floats(0, 1)), min_size=1, max_size=40), st.integers(0, 2**32 - 1))
def test_any_sequence_of_changes_shows_the_right_rows_in_few_segments(
    changes: list[tuple[int, float]], seed: int
) -> None:
    """Whatever is added and removed, the segments show exactly what is left, and there are few of them."""
    random = np.random.default_rng(seed)
    segments: list[Placed] = []
    expected, following, rewritten, total = NONE, 0, 0, 0
    for added_count, removed_share in changes:
        removed = np.sort(random.choice(expected, int(removed_share * min(expected.size, added_count)), replace=False))
        added = np.arange(following, following + added_count)
        following += added_count
        layout = plan_layout(segments, removed, added)
        segments = list(layout.kept)
        if layout.rebuilt.size:
            segments.append(Placed(SegmentEntry("", layout.rebuilt.size, 0, {}), layout.rebuilt, NONE))
        expected = np.union1d(np.setdiff1d(expected, removed), added)
        live = np.concatenate([np.delete(placed.rows, placed.dead) for placed in segments])
        assert np.array_equal(np.sort(live), expected)
        rewritten += layout.rebuilt.size
        total += added_count + removed.size
        assert len(segments) <= 3 + np.log2(max(expected.size, 1) / 512 + 1)
    assert rewritten <= total * 12, "a chunk is rewritten a logarithmic number of times"
