"""What matching sees of a text: its folded form, its terms, and the language of a question."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Literal, NamedTuple

import numpy as np

from indexes.text.folding import FOLD_VERSION, code_points, fold
from indexes.text.pieces import IDEOGRAPH, SEPARATOR, Pieces, cut, kind_table
from indexes.text.question_words import without_question_words
from indexes.text.term_ids import Ids

__all__ = [
    "FOLD_VERSION", "CutQuestion", "cut_question", "detect_language", "fold", "folded_query", "query_terms", "terms",
]  # fmt: skip

_ENGLISH_FRAME = re.compile(
    r"\b(?:a|an|and|are|be|can|did|do|does|for|from|how|in|is|it|of|on|or|"
    r"should|the|to|was|were|what|when|where|which|who|whose|why|will|with|would)\b"
)


def terms(text: str) -> Ids:
    """Return the 64-bit ids of the terms of `text`, repeated as often as they occur, in no order of meaning.

    CJK characters and their bigrams; letter and digit runs, lightly stemmed where English; and compounds such as
    `3.14`, `gpt-4`, `foo_bar`, `qwen2`, `c++` beside their parts. Ids depend on nothing but the text.
    """
    return cut(fold(text)).terms()[0]


class CutQuestion(NamedTuple):
    """A question folded, `folded`, and cut into `pieces`, which nobody may change.

    Its question words are blanked out; it stands whole, and `has_subject` is False, where nothing else would remain.
    """

    folded: str
    pieces: Pieces
    has_subject: bool


@lru_cache(maxsize=64)
def cut_question(text: str) -> CutQuestion:
    """Fold and cut a question; the last few are kept, for each is wanted several times."""
    folded = fold(text)
    reduced = without_question_words(folded)
    has_subject = bool((kind_table()[code_points(reduced)] != SEPARATOR).any())
    kept = reduced if has_subject else folded
    return CutQuestion(kept, cut(kept), has_subject)


def query_terms(text: str) -> Ids:
    """Return the distinct terms of a question, ascending, question words left out; all terms where no others remain."""
    return np.unique(cut_question(text).pieces.terms()[0])


def folded_query(text: str) -> str:
    """Return the folded question with its question words blanked out, or whole where nothing else would remain."""
    return cut_question(text).folded


def detect_language(text: str) -> Literal["zh", "en"]:
    """Return "zh" where a reader would expect a Chinese reply, else "en".

    Technical questions in Chinese are often mostly Latin words: a text with CJK characters counts as English only
    where English function words frame it and Latin words outnumber the CJK ones (taken as two characters each).
    """
    folded = fold(text)
    kinds = kind_table()[code_points(folded)]
    ideographs = int(np.count_nonzero(kinds == IDEOGRAPH))
    if not ideographs:
        return "en"
    words = re.findall("[a-z]+", folded)
    framed = _ENGLISH_FRAME.search(folded) is not None
    return "en" if framed and 2 * len(words) > ideographs else "zh"
