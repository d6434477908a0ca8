"""A question as matching sees it: its terms, how much each weighs in an index, and which follow which."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from indexes.keywords.bm25 import KeywordSearcher
from indexes.text.matching import cut_question
from indexes.text.pieces import IDEOGRAPH, Pieces
from indexes.text.term_ids import Ids, bigram_ids

# How many passages of the language at large are counted beside those of an index, and in what share of them a CJK
# character and any other term is taken to occur: a handful of passages cannot tell a rare word from a common one.
_PRIOR_PASSAGES: Final = 300.0
_CHARACTER_SHARE: Final = 0.05
_TERM_SHARE: Final = 0.002


@dataclass(frozen=True, slots=True)
class QuestionTerms:
    """The terms of a question against one index.

    `terms` (t,) are its distinct term ids, ascending, and `weights` (t,) their inverse document frequencies;
    `seen` (t,) marks those that some live passage holds.
    `unit_ids` (m,) are its distinct units, ascending, and `unit_columns` (m,) where they stand in `terms`. A pair of
    units a, b that follow each other has the key `a * m + b`: `pair_keys` (p,), ascending, stand at `pair_places` (p,)
    in the question (from 1), and their bigram at `pair_columns` (p,) in `terms`, -1 where the two make none.
    `special` (m,) marks units that are words or numbers rather than CJK characters. `says_something` is False where
    there is neither a word or number of two characters nor two CJK characters in a row, question words aside: "a?",
    "的", "1=1", "what is it?".
    """

    terms: Ids
    weights: NDArray[np.float64]
    seen: NDArray[np.bool_]
    unit_ids: Ids
    unit_columns: NDArray[np.int64]
    pair_keys: NDArray[np.int64]
    pair_places: NDArray[np.int64]
    pair_columns: NDArray[np.int64]
    special: NDArray[np.bool_]
    says_something: bool

    @classmethod
    def of(cls, question: str, keywords: KeywordSearcher) -> QuestionTerms:
        """Cut `question`, question words left out, and weigh its terms over the live passages of `keywords`."""
        cut = cut_question(question)
        pieces = cut.pieces
        terms = np.unique(pieces.terms()[0])
        unit_ids, first, places = np.unique(pieces.ids, return_index=True, return_inverse=True)
        # Two units follow each other where at most one character, a blank or a mark, lies between them.
        follows = np.flatnonzero(pieces.starts[1:] - pieces.ends[:-1] <= 1)
        keys = places[follows] * unit_ids.size + places[follows + 1]
        pair_keys, kept = np.unique(keys, return_index=True)
        seconds = follows[kept] + 1
        bigrams = bigram_ids(pieces.ids[seconds - 1], pieces.ids[seconds])
        columns = np.searchsorted(terms, bigrams).clip(max=max(terms.size - 1, 0))
        unit_columns = np.searchsorted(terms, unit_ids)
        special = pieces.kinds[first] != IDEOGRAPH
        single = np.zeros(terms.size, dtype=np.bool_)
        single[unit_columns] = ~special
        holders = keywords.holders(terms)
        return cls(
            terms=terms,
            weights=_weights(keywords.count, holders, single),
            seen=holders > 0,
            unit_ids=unit_ids,
            unit_columns=unit_columns,
            pair_keys=pair_keys,
            pair_places=seconds,
            pair_columns=np.where(pieces.adjoins[seconds], columns, -1),
            special=special,
            says_something=cut.has_subject and _says_something(pieces),
        )

    def pairs(self, first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the index into the pairs for units `first` followed by `second`, or -1 where the question has none."""
        if not self.pair_keys.size:
            return np.full(first.size, -1, dtype=np.int64)
        keys = first * self.unit_ids.size + second
        nearest = np.searchsorted(self.pair_keys, keys).clip(max=self.pair_keys.size - 1)
        return np.where(self.pair_keys[nearest] == keys, nearest, -1)


def _says_something(pieces: Pieces) -> bool:
    words = (pieces.kinds != IDEOGRAPH) & (pieces.ends - pieces.starts > 1)
    # One character over and over is no word.
    return bool(words.any() or (pieces.adjoins.any() and np.unique(pieces.ids).size > 1))


def _weights(count: int, holders: NDArray[np.int64], single: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return BM25's inverse document frequency (t,) of terms over the index and the prior passages together.

    `single` (t,) marks terms that are one CJK character. In a large index the prior vanishes.
    """
    expected = _PRIOR_PASSAGES * np.where(single, _CHARACTER_SHARE, _TERM_SHARE)
    with_term = holders + expected
    weights: NDArray[np.float64] = np.log1p((count + _PRIOR_PASSAGES - with_term + 0.5) / (with_term + 0.5))
    return weights
