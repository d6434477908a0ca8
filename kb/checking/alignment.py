"""Claim and evidence laid side by side: the words of the one that stand where the other has different ones."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator
from difflib import SequenceMatcher
from typing import Final

from kb.checking.calendar import half_of_day_before
from kb.checking.differences import ANCHOR, ASKING, another_word, are_related, places, tells_apart
from kb.checking.function_words import is_function
from kb.checking.numbers import quantities

CLAUSE = re.compile(r"[，,；;。！？!?\n:：]|\.(?=\s|$)")
"""What stands between two clauses of a folded text."""
_TOKEN = re.compile(r"[a-z]+(?:'[a-z]+)?|[\u3400-\u9fff]")
# How much of a claim must stand in the evidence, in the same order, before one differing word counts as exchanged.
_ALIGNED: Final = 0.65
_MAXIMUM_WORD: Final = 4
_THINKING: Final = ("认为", "以为", "因为")
_COORDINATING: Final = frozenset("和与及或以跟同") | {"and", "or"}
# Before 有 these make a verb of it that says the same.
_HAVING: Final = frozenset("享具拥")


def tokens(folded: str) -> list[str]:
    """Return Latin words, single characters, and numbers as `#value`, in order; punctuation is left out."""
    return [token for token, _ in _placed(folded)]


def clause_numbers(folded: str) -> list[int]:
    """Return the clause, counted from 0, of each of `tokens(folded)`."""
    breaks = [match.start() for match in CLAUSE.finditer(folded)]
    return [bisect_left(breaks, at) for _, at in _placed(folded)]


def _placed(folded: str) -> Iterator[tuple[str, int]]:
    """Yield each token with its offset; a time with the half of the day before it is one token."""
    at = 0
    for quantity in quantities(folded):
        start = max(at, half_of_day_before(folded, quantity.start)) if ":" in quantity.value else quantity.start
        yield from ((match[0], match.start()) for match in _TOKEN.finditer(folded, at, start))
        yield f"#{quantity.value}", quantity.start
        at = quantity.end
    yield from ((match[0], match.start()) for match in _TOKEN.finditer(folded, at))


def exchanged(claim: list[str], evidence: list[str], clauses: list[int]) -> str:
    """Return the word of the claim that stands where the evidence has an unrelated one, or "".

    A single character must tell apart. A word that the evidence has elsewhere counts only where its place is the same
    for sure: beside a run of the same words, and in another clause than its own or at the opening of its clause.
    `clauses` has the clause of each token of the evidence.
    """
    matcher = SequenceMatcher(None, claim, evidence, autojunk=False)
    if sum(block.size for block in matcher.get_matching_blocks()) < _ALIGNED * len(claim):
        return ""
    codes = matcher.get_opcodes()
    for index, (tag, start, end, first, last) in enumerate(codes):
        ours, theirs = claim[start:end], evidence[first:last]
        if tag != "replace" or max(len(ours), len(theirs)) > _MAXIMUM_WORD or len(ours) != len(theirs):
            continue
        if any(is_function(token) for token in (*ours, *theirs)) or are_related(ours, theirs):
            continue
        if _is_having(ours, claim[end:]) != _is_having(theirs, evidence[last:]):
            continue
        single = len(ours) == 1 and ours[0] >= "\u3400"
        if single and not (tells_apart(start, claim, theirs[0]) or another_word(start, claim, first, evidence)):
            continue
        if not _stands_in(ours, evidence):
            return "".join(ours)
        before = codes[index - 1][2] - codes[index - 1][1] if index else 0
        behind = codes[index + 1][2] - codes[index + 1][1] if index + 1 < len(codes) else 0
        anchored = max(before if end == len(claim) or behind else 0, behind if start == 0 or before else 0) >= ANCHOR
        opening = start == 0 and (first == 0 or clauses[first - 1] != clauses[first])
        elsewhere = opening or all(clauses[at] != clauses[first] for at in places(ours, evidence))
        if anchored and elsewhere and not _listed_with(ours, theirs, evidence):
            return "".join(ours)
    return ""


def displaced(claim: list[str], evidence: list[str], clauses: list[int]) -> str:
    """Return what the claim puts right behind a word that asks for it, and the evidence in another clause, or "".

    So `总部设在成都` against `总部设在重庆，在成都有分部`.
    """
    matcher = SequenceMatcher(None, claim, evidence, autojunk=False)
    codes = matcher.get_opcodes()
    for before, between, behind in zip(codes, codes[1:], codes[2:], strict=False):
        asking, value = claim[before[1] : before[2]], claim[behind[1] : behind[2]]
        if (before[0], between[0], behind[0]) != ("equal", "insert", "equal") or len(asking) < ANCHOR:
            continue
        if asking[-1] not in ASKING or clauses[before[4] - 1] == clauses[behind[3]]:
            continue
        going_on = behind[2] < len(claim) or len(value) > ANCHOR
        whole = evidence[behind[3] - 1] == asking[-1] and going_on
        if not whole and "".join(asking[-2:]) not in _THINKING and evidence[behind[3] - 1] not in _COORDINATING:
            return "".join(value)
    return ""


def _listed_with(ours: list[str], theirs: list[str], evidence: list[str]) -> bool:
    """Say whether two words stand side by side in the evidence, or with nothing but "and" and "or" between."""
    for one, other in ((theirs, ours), (ours, theirs)):
        for at in places(one, evidence):
            following = at + len(one)
            while following < len(evidence) and evidence[following] in _COORDINATING:
                following += 1
            if evidence[following : following + len(other)] == other:
                return True
    return False


def _is_having(words: list[str], following: list[str]) -> bool:
    """Say whether words end with the beginning of 享有 or the like: what stands there is part of its verb."""
    return words[-1] in _HAVING and following[:1] == ["有"]


def _stands_in(words: list[str], evidence: list[str]) -> bool:
    """Say whether a word stands elsewhere in the evidence; of a single Chinese character that says nothing."""
    return (len(words) > 1 or words[0] < "\u3400") and bool(places(words, evidence))
