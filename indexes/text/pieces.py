"""Cutting a folded text into the pieces that terms are made of, vectorised over code points."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from indexes.text.folding import code_points
from indexes.text.term_ids import Ids, bigram_ids, segment_ids

_UNICODE_SIZE = 0x110000
SEPARATOR, IDEOGRAPH, LETTER, DIGIT = 0, 1, 2, 3
# Scripts written without spaces: each character is a unit, and neighbours make bigrams.
_UNSPACED = (
    (0x0E00, 0x0EFF), (0x0F00, 0x0FFF), (0x1000, 0x109F), (0x1100, 0x11FF), (0x1780, 0x17FF), (0x2E80, 0x2FDF),
    (0x3005, 0x3007), (0x3021, 0x3029), (0x3040, 0x30FF), (0x3105, 0x318F), (0x31A0, 0x31FF), (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF), (0xA000, 0xA48F), (0xAC00, 0xD7FF), (0xF900, 0xFAFF), (0x1AFF0, 0x1B16F), (0x20000, 0x323AF),
)  # fmt: skip
_CONNECTORS = "._-/'@&:\\"
_SENTENCE_ENDS = "。!?;\n"
_MINIMUM_STEM = 3


@dataclass(frozen=True, slots=True)
class Pieces:
    """What a folded text is cut into, in order of position; n units, and c compounds beside them.

    A unit is a CJK character, or the letter or digit run of a word. `ids` (n,) are their term ids; `kinds` (n,) are
    IDEOGRAPH, LETTER or DIGIT; `starts` (n,) and `ends` (n,) are offsets in the folded text. `sentence_begins` (n,)
    marks the first unit of each sentence. `adjoins` (n,) is True where the unit and the one before are CJK characters
    without a gap, so that they make a bigram. `compound_ids` (c,) and `compound_starts` (c,) are the same for terms
    that are no unit and no bigram.
    """

    ids: Ids
    kinds: NDArray[np.uint8]
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    sentence_begins: NDArray[np.bool_]
    adjoins: NDArray[np.bool_]
    compound_ids: Ids
    compound_starts: NDArray[np.int64]

    def terms(self) -> tuple[Ids, NDArray[np.int64]]:
        """Return the ids of all terms, repeats included, and the offset where each begins."""
        pairs = np.flatnonzero(self.adjoins)
        bigrams = bigram_ids(self.ids[pairs - 1], self.ids[pairs])
        ids = np.concatenate((self.ids, bigrams, self.compound_ids))
        return ids, np.concatenate((self.starts, self.starts[pairs - 1], self.compound_starts))


def cut(folded: str) -> Pieces:
    """Cut a folded text into units and compounds."""
    points = code_points(folded)
    kinds = kind_table()[points]
    begins_here = kinds != SEPARATOR
    ends_here = begins_here.copy()
    boundary = (kinds[1:] == IDEOGRAPH) | (kinds[1:] != kinds[:-1])
    begins_here[1:] &= boundary
    ends_here[:-1] &= (kinds[:-1] == IDEOGRAPH) | boundary
    starts, ends = np.flatnonzero(begins_here), np.flatnonzero(ends_here) + 1
    kinds = kinds[starts]
    ids = segment_ids(points, starts, _stem_ends(points, starts, ends, kinds))
    ideograph = kinds == IDEOGRAPH
    touching = starts[1:] == ends[:-1]
    adjoins = np.zeros(starts.size, dtype=np.bool_)
    adjoins[1:] = ideograph[1:] & ideograph[:-1] & touching
    first, last = _compounds(points, starts, ends, ideograph)
    compounds = segment_ids(points, first, last)
    return Pieces(ids, kinds, starts, ends, _sentence_begins(points, starts), adjoins, compounds, first)


def _stem_ends(
    points: NDArray[np.uint32], starts: NDArray[np.int64], ends: NDArray[np.int64], kinds: NDArray[np.uint8]
) -> NDArray[np.int64]:
    """Return where each unit ends once English inflection is cut off: -s, -es, -ed, -ing and a final e or y.

    Only the ends move, so nothing is rewritten: `cities`, `city`; `using`, `used`, `use`; `stopped`, `stop` meet.
    """
    words = np.flatnonzero((kinds == LETTER) & (ends - starts > _MINIMUM_STEM))
    if not words.size:
        return ends
    begin, stop = starts[words], ends[words].copy()

    def endswith(suffix: str) -> NDArray[np.bool_]:
        matches = stop - begin >= len(suffix) + _MINIMUM_STEM - (len(suffix) == 1)
        for back, character in enumerate(reversed(suffix), start=1):
            matches &= points[np.maximum(stop - back, 0)] == ord(character)
        return matches

    stop -= endswith("s") & ~endswith("ss") & ~endswith("us") & ~endswith("is")
    past, gerund = endswith("ed"), endswith("ing")
    stop -= 2 * past + 3 * gerund
    doubled = (past | gerund) & (points[stop - 1] == points[stop - 2]) & (stop - begin > _MINIMUM_STEM)
    last = points[stop - 1]
    stop -= doubled & (last != ord("l")) & (last != ord("s")) & (last != ord("z"))
    stop -= endswith("e")
    stop -= endswith("y") | endswith("i")
    moved = ends.copy()
    moved[words] = stop
    return moved


def _sentence_begins(points: NDArray[np.uint32], starts: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return which units are the first after the end of a sentence; a full stop needs white space after it."""
    ends = _mark_table(_SENTENCE_ENDS)[points]
    ends[:-1] |= (points[:-1] == ord(".")) & (points[1:] <= ord(" "))
    number = np.cumsum(ends, dtype=np.int64)[starts]
    begins = np.ones(starts.size, dtype=np.bool_)
    begins[1:] = number[1:] != number[:-1]
    return begins


def _compounds(
    points: NDArray[np.uint32], starts: NDArray[np.int64], ends: NDArray[np.int64], ideograph: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return start and end of words of several units (joined by one connector or none), and of `c++` and `c#`."""
    padded = np.concatenate((points, np.zeros(2, dtype=points.dtype)))
    after = padded[ends]
    gap = starts[1:] - ends[:-1]
    linked = ~ideograph[1:] & ~ideograph[:-1] & ((gap == 0) | ((gap == 1) & _mark_table(_CONNECTORS)[after[:-1]]))
    first = np.flatnonzero(linked & ~np.concatenate(([False], linked[:-1])))
    last = np.flatnonzero(linked & ~np.concatenate((linked[1:], [False]))) + 1
    plus = (after == ord("+")) & (padded[ends + 1] == ord("+"))
    signed = np.flatnonzero(~ideograph & (plus | (after == ord("#"))))
    return (
        np.concatenate((starts[first], starts[signed])),
        np.concatenate((ends[last], ends[signed] + 1 + plus[signed])),
    )


@lru_cache(maxsize=1)
def kind_table() -> NDArray[np.uint8]:
    """Return the kind of each code point. Letters above U+1FFFF are the CJK extensions."""
    table = np.zeros(_UNICODE_SIZE, dtype=np.uint8)
    characters = "".join(map(chr, range(0x20000)))
    for kind, pattern in ((LETTER, r"[^\W_]+"), (DIGIT, r"\d+")):
        for run in re.finditer(pattern, characters):
            table[run.start() : run.end()] = kind
    table[0x0300:0x0370] = LETTER  # combining marks that normalisation could not join
    indic = table[0x0900:0x0E00]
    indic[indic == SEPARATOR] = LETTER  # vowel signs
    table[0x0964:0x0966] = SEPARATOR  # and their full stops
    for first, last in _UNSPACED:
        table[first : last + 1] = IDEOGRAPH
    table[ord("\u30fb")] = SEPARATOR  # the middle dot between foreign names
    return table


@lru_cache(maxsize=4)
def _mark_table(characters: str) -> NDArray[np.bool_]:
    table = np.zeros(_UNICODE_SIZE, dtype=np.bool_)
    table[code_points(characters)] = True
    return table
