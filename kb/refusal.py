"""The refusal sentences, and the recognition of a model's own refusal as one."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Final

from indexes.text.matching import fold
from kb.records import Language
from kb.refusal_phrases import APOLOGY, CLOSED, DEMANDING, HINT, LOOSE, OPEN

REFUSALS: Final[dict[Language, str]] = {
    "zh": "根据已有资料无法回答该问题。",
    "en": "The documents do not contain an answer to this question.",
}

_MARK = r"[\[【［〔]\^?\d[\d\s,，、;；-]*[\]】］〕]"
_MARKS = re.compile(_MARK)
_SENTENCE = re.compile(rf".+?(?:[。！？!?；;\n]|\.(?=\s|$|\[)|$)(?:\s*{_MARK})*", re.DOTALL)
_COMMA = re.compile("[,，]")
_MAXIMUM_SENTENCE = 200
_HINT_REACH = 16


def refusal_text(language: Language) -> str:
    """Return the product's refusal sentence in the language of the question."""
    return REFUSALS[language]


def is_refusal(text: str) -> bool:
    """Say whether a generated text refuses: one of its first two sentences does, and the others cite nothing.

    One or two sentences without any mark refuse in other words too, where they say that the sources lack something and
    nothing else. A text whose other sentences carry `[n]` marks answers in part and is not a refusal.
    """
    pieces = _pieces(text)
    if not HINT.search(fold(text[:_HINT_REACH])):
        return False
    position = next((index for index, piece in enumerate(pieces[:2]) if is_refusal_sentence(piece)), None)
    if position is None:
        return not _MARKS.search(text) and len(pieces) <= 2 and any(map(_is_loose_refusal, pieces))
    others = pieces[:position] + pieces[position + 1 :]
    return not any(_MARKS.search(piece) and _bare(_MARKS.sub("", piece)) for piece in others)


def may_become_refusal(text: str) -> bool:
    """Say whether the beginning of a text that is still being generated may turn out to be a refusal."""
    if len(text) < _HINT_REACH:
        return True
    if not HINT.search(fold(text[:_HINT_REACH])):
        return False
    pieces = _pieces(text)
    if len(pieces) <= 2 and len(pieces[-1]) <= _MAXIMUM_SENTENCE:
        return True
    return any(is_refusal_sentence(piece) for piece in pieces[:2])


def is_refusal_sentence(sentence: str) -> bool:
    """Say whether one sentence, marks and punctuation aside, is a refusal and nothing else."""
    if len(sentence) > _MAXIMUM_SENTENCE:
        return False
    bare = _MARKS.sub("", sentence)
    patterns = CLOSED if bare != sentence else CLOSED + OPEN
    if _matches(bare, patterns):
        return True
    clauses = [clause for clause in _COMMA.split(bare) if not _matches(clause, APOLOGY)]
    return len(clauses) > 1 and all(_matches(clause, patterns) for clause in clauses)


def _is_loose_refusal(sentence: str) -> bool:
    """Say whether a sentence that cites nothing says in whatever words that the sources lack something."""
    folded = _bare(sentence)
    if len(sentence) > _MAXIMUM_SENTENCE or DEMANDING.search(folded):
        return False
    return any(
        all(pattern.search(form) for pattern in group) for group in LOOSE for form in (folded, folded.replace(" ", ""))
    )


def _matches(text: str, patterns: Sequence[re.Pattern[str]]) -> bool:
    folded = _bare(text)
    return any(
        pattern.fullmatch(form) for pattern in patterns for form in (folded, folded.replace(" ", ""), f"{folded} ")
    )


def _pieces(text: str) -> list[str]:
    """Return the sentences of a text in which anything can be read; only the first two matter, so this is cheap."""
    return [match[0] for match in _SENTENCE.finditer(text) if _bare(match[0])]


def _bare(text: str) -> str:
    """Return folded letters and digits, other characters as single spaces."""
    kept = (character if unicodedata.category(character)[0] in "LN" else " " for character in fold(text))
    return " ".join("".join(kept).split())
