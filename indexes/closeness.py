"""How closely passages match a question: coverage of the whole, best sentence and window, longest phrase."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from indexes.keyword_writer import ADJOINS, SENTENCE_BEGINS
from indexes.keywords import KeywordSegment
from indexes.question import QuestionTerms

# Half the length of a window in units: windows are pairs of neighbouring blocks of this size.
_BLOCK = 24


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
class _Stream:
    """The units of all passages laid end to end, those of the question as indexes into it, the others as -1."""

    units: NDArray[np.int64]
    flags: NDArray[np.uint8]
    begins: NDArray[np.int64]
    sizes: NDArray[np.int64]


def measure(
    question: QuestionTerms, passages: Sequence[tuple[KeywordSegment, int]], near: NDArray[np.bool_]
) -> Closeness:
    """Measure `passages`, given as segment and position, against `question`.

    `near` (n, n) is True where two of the passages are neighbours in one document, and on the diagonal.
    """
    stream = _stream(question, passages)
    total = stream.units.size
    if not len(passages) or not total or not question.unit_ids.size:
        empty = np.zeros(len(passages))
        return Closeness(empty, empty, empty, empty, empty, empty)
    owners = np.repeat(np.arange(len(passages)), stream.sizes)
    begins_here = (stream.flags & SENTENCE_BEGINS) > 0
    begins_here[stream.begins[stream.sizes > 0]] = True
    sentences = np.cumsum(begins_here) - 1
    within = np.arange(total) - np.repeat(stream.begins, stream.sizes)
    blocks_before = np.concatenate(([0], np.cumsum(-(-stream.sizes // _BLOCK))))
    blocks = blocks_before[owners] + within // _BLOCK

    weights = _weights(question)
    whole = float(weights.sum())
    special = np.zeros(weights.size)
    special[question.unit_columns[question.special]] = question.weights[question.unit_columns[question.special]]
    special_whole = float(special.sum())

    at, columns = _occurrences(question, stream, owners)
    by_sentence = _presence(sentences[at], columns, int(sentences[-1]) + 1, weights.size)
    by_block = _presence(blocks[at], columns, int(blocks_before[-1]), weights.size)
    by_passage = _presence(owners[at], columns, len(passages), weights.size)
    block_owners = np.repeat(np.arange(len(passages)), np.diff(blocks_before))
    by_window = by_block.copy()
    by_window[:-1] |= by_block[1:] & (block_owners[1:] == block_owners[:-1])[:, None]
    in_context = (near.astype(np.float32) @ by_passage.astype(np.float32)) > 0
    return Closeness(
        context=in_context @ weights / whole,
        passage=by_passage @ weights / whole,
        sentence=_best(by_sentence @ weights / whole, owners[begins_here], len(passages)),
        window=_best(by_window @ weights / whole, block_owners, len(passages)),
        phrase=_longest_run(question, stream, owners, len(passages)),
        special=by_passage @ special / special_whole if special_whole else np.ones(len(passages)),
    )


def _weights(question: QuestionTerms) -> NDArray[np.float64]:
    """Return the weight (t,) of each term that is a unit or a bigram, 0 for compounds: their parts stand for them."""
    weights = np.zeros(question.terms.size)
    columns = np.concatenate((question.unit_columns, question.pair_columns[question.pair_columns >= 0]))
    weights[columns] = question.weights[columns]
    return weights


def _stream(question: QuestionTerms, passages: Sequence[tuple[KeywordSegment, int]]) -> _Stream:
    pieces = [segment.units_of(position) for segment, position in passages]
    sizes = np.array([units.size for units, _ in pieces], dtype=np.int64)
    begins = np.cumsum(sizes) - sizes
    units = np.full(int(sizes.sum()), -1, dtype=np.int64)
    groups: dict[int, list[int]] = {}
    for number, (segment, _) in enumerate(passages):
        groups.setdefault(id(segment), []).append(number)
    for numbers in groups.values():
        places = passages[numbers[0]][0].locate(question.unit_ids)
        order = np.argsort(places, kind="stable")
        order = order[places[order] >= 0]
        if not order.size:
            continue
        known = places[order]
        joined = np.concatenate([pieces[number][0] for number in numbers])
        nearest = np.searchsorted(known, joined).clip(max=known.size - 1)
        local = np.where(known[nearest] == joined, order[nearest], -1)
        begin = 0
        for number in numbers:
            units[begins[number] : begins[number] + sizes[number]] = local[begin : begin + int(sizes[number])]
            begin += int(sizes[number])
    flags = np.concatenate([flags for _, flags in pieces]) if pieces else np.empty(0, dtype=np.uint8)
    return _Stream(units, flags, begins, sizes)


def _occurrences(
    question: QuestionTerms, stream: _Stream, owners: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return where in the stream the question's units and bigrams occur, and which of its terms each is."""
    at = np.flatnonzero(stream.units >= 0)
    second = at[1:][(np.diff(at) == 1) & ((stream.flags[at[1:]] & ADJOINS) > 0)]
    pairs = question.pairs(stream.units[second - 1], stream.units[second])
    bigrams = np.where(pairs >= 0, question.pair_columns[pairs], -1) if question.pair_keys.size else pairs
    found = (bigrams >= 0) & (owners[second] == owners[second - 1])
    return (
        np.concatenate((at, second[found])),
        np.concatenate((question.unit_columns[stream.units[at]], bigrams[found])),
    )


def _presence(rows: NDArray[np.int64], columns: NDArray[np.int64], height: int, width: int) -> NDArray[np.bool_]:
    presence = np.zeros((height, width), dtype=np.bool_)
    presence[rows, columns] = True
    return presence


def _best(values: NDArray[np.float64], owners: NDArray[np.int64], count: int) -> NDArray[np.float64]:
    best = np.zeros(count)
    np.maximum.at(best, owners, values)
    return best


def _longest_run(
    question: QuestionTerms, stream: _Stream, owners: NDArray[np.int64], count: int
) -> NDArray[np.float64]:
    """Return for each passage the weight share of its heaviest run of units that the question has in the same order."""
    weights = question.weights[question.unit_columns]
    at = np.flatnonzero(stream.units >= 0)
    place = np.zeros(stream.units.size, dtype=np.int64)
    second = at[1:][np.diff(at) == 1]
    pairs = question.pairs(stream.units[second - 1], stream.units[second])
    place[second] = np.where(pairs >= 0, question.pair_places[pairs], 0) if question.pair_keys.size else 0
    place[1:][owners[1:] != owners[:-1]] = 0
    # A run goes on where this pair follows in the question the pair before; a lone unit is a run of one.
    goes_on = np.zeros(stream.units.size, dtype=np.bool_)
    goes_on[1:] = (place[1:] > 0) & ((place[:-1] == 0) | (place[1:] == place[:-1] + 1))
    run = np.cumsum(~goes_on[at]) - 1
    sums = np.bincount(run, weights=weights[stream.units[at]])
    return _best(sums / weights.sum(), owners[at[~goes_on[at]]], count)
