"""Whether a sentence of an answer states something that a passage can bear out, or only stands beside what does."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final, Literal

from indexes.text.matching import fold
from kb.checking.function_words import without_function_words
from kb.checking.numbers import numbers_in, without_numbers
from kb.checking.support import solid
from kb.records import Passage

Substance = Literal["none", "label", "slight", "full"]
"""Nothing (punctuation, a list of sources); a list number or words of a heading; a word or two; a statement."""

# Letters of a statement, function words and numbers aside; a Latin word counts as two.
_LETTERS: Final = 4
_WORD_LETTERS: Final = 2
_BULLET = re.compile(r"^\s*(?:[-*+•·#>|–—]+|\(?\d{1,3}[.)、．：:](?!\d))\s*")
# Numbers that a model may mean for marks though they have not their form: small, in brackets or a circle, at the end
# of a clause, and not what a word before them announces.
_LIKE_MARKS = re.compile(
    r"(?<![为是约共达:：=])[ \t]?[\[(（【〔][ \t]?(?:[1-9]|1\d|20)[ \t]?[\])）】〕](?=[\s。！？!?；;，,.(（\[【]|$)"
    r"|[①-⑳]"
)
_SOURCES = re.compile(
    r"(?:(?:以上)?(?:内容|信息|回答|答案|资料)?(?:主要)?(?:参考|来源|来自|出处|引用|引自|依据|摘自|源自|参见|详见|见)(?:于|自)?)"
    r"(?:资料|文献|来源|内容|文档|片段|信息)*(?:如下|为|是|：|:)?"
    r"|资料(?:来源|出处|片段)?|文档(?:来源)?|片段"
    r"|\b(?:source|reference|citation|passage|document|see|according to)s?\b"
)
_HEADING = re.compile(r"^[ \t]*#{1,6}[ \t]+(.+?)[ \t#]*$", re.MULTILINE)
_LATIN = re.compile(r"[a-z0-9]+")


def headings_of(passages: Iterable[Passage]) -> frozenset[str]:
    """Return the titles and headings of passages, letters and digits alone."""
    names: list[str] = []
    for passage in passages:
        hit = passage.hit
        names += [hit.title, *hit.heading.split(" > "), *_HEADING.findall(hit.text)]
    return frozenset(filter(None, map(solid, names)))


def bare_claim(claim: str) -> str:
    """Return a sentence without what states nothing: bullets and numbers of lists, and what resembles marks."""
    claim = _LIKE_MARKS.sub("", claim)
    while (shorter := _BULLET.sub("", claim, count=1)) != claim:
        claim = shorter
    return claim


def substance(claim: str, headings: Iterable[str]) -> Substance:
    """Say how much a sentence, marks removed, states; `headings` are those of the passages (see `headings_of`).

    What lies within a title or a heading states nothing by itself, since any passage under it has the words; one that
    holds a number does.
    """
    folded = fold(bare_claim(claim))
    if not solid(fold(claim)) or _lists_sources(folded, headings):
        return "none"
    content = without_function_words(without_numbers(folded))
    letters = len(solid(_LATIN.sub(" ", content))) + _WORD_LETTERS * len(_LATIN.findall(content))
    if numbers_in(folded) and letters:
        return "full"
    said = solid(folded)
    if not said or any(said in heading for heading in headings):
        return "label"
    return "full" if letters >= _LETTERS else "slight"


def _lists_sources(folded: str, headings: Iterable[str]) -> bool:
    """Say whether a text only names sources: words for them and titles, in whatever brackets."""
    if not _SOURCES.search(folded):
        return False
    rest = solid(_SOURCES.sub(" ", folded))
    return len(rest) <= 1 or any(rest in heading for heading in headings)
