"""How closely passages match a question: coverage of the whole, best sentence and window, longest phrase."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from indexes.keywords.bm25 import KeywordSegment
from indexes.keywords.writer import ADJOINS, SENTENCE_BEGINS
from indexes.ranking.question import QuestionTerms

# Half the length of a window in units: windows are pairs of neighbouring blocks of this size.
_BLOCK = 24
_TABLE_BITS = 16
_TABLE_UNITS = 1_000


@dataclass(frozen=True, slots=True)
class Closeness:
    """Shares in [0, 1] of the question's weight, one for each passage (n,); higher is closer.

    `context`, `passage`, `sentence` and `window`: of its units and bigrams, what the passage and its neighbours
    together, the passage, its best sentence and its best window of 48 units hold. `phrase`: of its units, the heaviest
    unbroken run. `special`: of its words and numbers, what the passage holds; 1 where it has none.
    """

    context: NDArray[np.float64]
    passage: NDArray[np.float64]
    sentence: NDArray[np.float64]
    window: NDArray[np.float64]
    phrase: NDArray[np.float64]
    special: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Matches:
    """Where the units of a question occur in passages laid end to end, in order; h occurrences in n passages.

    `at` (h,) are the places, `units` (h,) which unit of the question stands there, `owners` (h,) in which passage.
    `adjoins` (h,) marks those that make a bigram with the unit before. Passage i takes the places from `begins[i]` on,
    `sizes[i]` of them. `sentences` (h,) number the sentences over all passages, `sentence_owners` (s,) say whose.
    """

    at: NDArray[np.int64]
    units: NDArray[np.int64]
    owners: NDArray[np.int64]
    adjoins: NDArray[np.bool_]
    begins: NDArray[np.int64]
    sizes: NDArray[np.int64]
    sentences: NDArray[np.int64]
    sentence_owners: NDArray[np.int64]


def measure(
    question: QuestionTerms, passages: Sequence[tuple[KeywordSegment, int]], near: NDArray[np.bool_]
) -> Closeness:
    """Measure `passages`, given as segment and position, against `question`.

    `near` (n, n) is True where two of the passages are neighbours in one document, and on the diagonal.
    """
    count = len(passages)
    matches = _matches(question, passages) if count and question.unit_ids.size else None
    if matches is None:
        empty = np.zeros(count)
        return Closeness(empty, empty, empty, empty, empty, empty)
    weights = _weights(question)
    whole = float(weights.sum())
    special = np.zeros(weights.size)
    special[question.unit_columns[question.special]] = question.weights[question.unit_columns[question.special]]
    special_whole = float(special.sum())

    block_counts = -(-matches.sizes // _BLOCK)
    blocks_before = np.concatenate(([0], np.cumsum(block_counts)))
    block_owners = np.repeat(np.arange(count), block_counts)
    blocks = blocks_before[matches.owners] + (matches.at - matches.begins[matches.owners]) // _BLOCK

    rows, columns = _occurrences(question, matches)
    by_sentence = _presence(matches.sentences[rows], columns, matches.sentence_owners.size, weights.size)
    by_block = _presence(blocks[rows], columns, block_owners.size, weights.size)
    by_passage = _presence(matches.owners[rows], columns, count, weights.size)
    by_window = by_block.copy()
    by_window[:-1] |= by_block[1:] & (block_owners[1:] == block_owners[:-1])[:, None]
    in_context = (near.astype(np.float32) @ by_passage.astype(np.float32)) > 0
    return Closeness(
        context=in_context @ weights / whole,
        passage=by_passage @ weights / whole,
        sentence=_best(by_sentence @ weights / whole, matches.sentence_owners, count),
        window=_best(by_window @ weights / whole, block_owners, count),
        phrase=_longest_run(question, matches, count),
        special=by_passage @ special / special_whole if special_whole else np.ones(count),
    )


def _weights(question: QuestionTerms) -> NDArray[np.float64]:
    """Return the weight (t,) of each term that is a unit or a bigram, 0 for compounds: their parts stand for them."""
    weights = np.zeros(question.terms.size)
    columns = np.concatenate((question.unit_columns, question.pair_columns[question.pair_columns >= 0]))
    weights[columns] = question.weights[columns]
    return weights


def _matches(question: QuestionTerms, passages: Sequence[tuple[KeywordSegment, int]]) -> _Matches | None:
    """Look the question up in the passages; None where they hold no unit at all, of whatever kind."""
    groups: dict[int, list[int]] = {}
    for number, (segment, _) in enumerate(passages):
        groups.setdefault(id(segment), []).append(number)
    sizes = np.zeros(len(passages), dtype=np.int64)
    read = []
    for numbers in groups.values():
        segment = passages[numbers[0]][0]
        units, flags, sizes[numbers] = segment.units_of(np.array([passages[number][1] for number in numbers]))
        read.append((numbers, *_find(segment.locate(question.unit_ids), units), units.size, flags))
    begins = np.cumsum(sizes) - sizes
    total = int(sizes.sum())
    if not total:
        return None
    if len(read) == 1:
        _, at, found, _, flags = read[0]
    else:
        at, found, flags = _merged(read, begins, sizes)
    owners = np.repeat(np.arange(len(passages)), sizes)
    begins_here = (flags & SENTENCE_BEGINS) > 0
    begins_here[begins[sizes > 0]] = True
    sentences = np.cumsum(begins_here) - 1
    return _Matches(
        at, found, owners[at], (flags[at] & ADJOINS) > 0, begins, sizes, sentences[at], owners[begins_here]
    )  # fmt: skip


def _find(places: NDArray[np.int64], units: NDArray[np.uint32]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return where in `units` any of `places` (m,) stands, ascending, and which of them; -1 stands nowhere."""
    known = np.flatnonzero(places >= 0)
    # A table over the lower bits leaves out nearly every unit at once.
    table = np.full(1 << _TABLE_BITS, -1, dtype=np.int16)
    lower = places[known] & ((1 << _TABLE_BITS) - 1)
    table[lower] = np.arange(known.size)
    if known.size > _TABLE_UNITS or (table[lower] != np.arange(known.size)).any():
        # Too many for the table, or two of them share a row.
        order = known[np.argsort(places[known])]
        nearest = np.searchsorted(places[order], units).clip(max=max(order.size - 1, 0))
        at = np.flatnonzero(places[order][nearest] == units)
        return at, order[nearest[at]]
    found = table[units & np.uint32((1 << _TABLE_BITS) - 1)]
    at = np.flatnonzero(found >= 0)
    which = known[found[at]]
    right = places[which] == units[at]
    return at[right], which[right]


def _merged(
    read: Sequence[tuple[list[int], NDArray[np.int64], NDArray[np.int64], int, NDArray[np.uint8]]],
    begins: NDArray[np.int64],
    sizes: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.uint8]]:
    """Bring what was found in several segments, (passages, at, which, units, flags), into the order of the passages."""
    flags = np.empty(int(sizes.sum()), dtype=np.uint8)
    places, found = [], []
    for numbers, at, which, total, segment_flags in read:
        own = sizes[numbers]
        moved = np.arange(total) + np.repeat(begins[numbers] - (np.cumsum(own) - own), own)
        flags[moved] = segment_flags
        places.append(moved[at])
        found.append(which)
    joined = np.concatenate(places)
    order = np.argsort(joined)
    return joined[order], np.concatenate(found)[order], flags


def _occurrences(question: QuestionTerms, matches: _Matches) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return which matches are, or end, a unit or a bigram of the question, and which of its terms each is."""
    second = 1 + np.flatnonzero((np.diff(matches.at) == 1) & matches.adjoins[1:])
    pairs = question.pairs(matches.units[second - 1], matches.units[second])
    bigrams = np.where(pairs >= 0, question.pair_columns[pairs], -1) if question.pair_keys.size else pairs
    found = (bigrams >= 0) & (matches.owners[second] == matches.owners[second - 1])
    return (
        np.concatenate((np.arange(matches.at.size), second[found])),
        np.concatenate((question.unit_columns[matches.units], bigrams[found])),
    )


def _presence(rows: NDArray[np.int64], columns: NDArray[np.int64], height: int, width: int) -> NDArray[np.bool_]:
    presence = np.zeros((height, width), dtype=np.bool_)
    presence[rows, columns] = True
    return presence


def _best(values: NDArray[np.float64], owners: NDArray[np.int64], count: int) -> NDArray[np.float64]:
    best = np.zeros(count)
    np.maximum.at(best, owners, values)
    return best


def _longest_run(question: QuestionTerms, matches: _Matches, count: int) -> NDArray[np.float64]:
    """Return for each passage the weight share of its heaviest run of units that the question has in the same order."""
    weights = question.weights[question.unit_columns]
    if not matches.at.size:
        return np.zeros(count)
    place = np.zeros(matches.at.size, dtype=np.int64)
    follows = (np.diff(matches.at) == 1) & (matches.owners[1:] == matches.owners[:-1])
    second = 1 + np.flatnonzero(follows)
    pairs = question.pairs(matches.units[second - 1], matches.units[second])
    place[second] = np.where(pairs >= 0, question.pair_places[pairs], 0) if question.pair_keys.size else 0
    # A run goes on where this pair follows in the question the pair before; a lone unit is a run of one.
    begins = np.ones(place.size, dtype=np.bool_)
    begins[1:] = (place[1:] == 0) | ((place[:-1] != 0) & (place[1:] != place[:-1] + 1))
    sums = np.bincount(np.cumsum(begins) - 1, weights=weights[matches.units])
    return _best(sums / weights.sum(), matches.owners[begins], count)
