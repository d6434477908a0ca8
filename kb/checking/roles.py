"""Who does what to whom: two things that changed places around what relates them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from kb.checking.alignment import clause_numbers, exchanged, tokens
from kb.checking.function_words import FUNCTION_CHARACTERS, FUNCTION_WORDS

_PASSIVE = re.compile(
    r"[被由]|为.{1,12}所|\bby\b"
    r"|\b(?:is|are|was|were|be|been|being)\s(?:not\s|\w+ly\s)?\w*(?:ed|en|wn|ne|ld|pt|ut|ught|made|sent|paid|led|run|read|met|found|set|built)\b"
)
_IN_CLAUSE = r"[^，,；;。：:\n]"
_BY = re.compile(
    rf"(?<!{_IN_CLAUSE})((?:(?!由){_IN_CLAUSE}){{2,12}}?)(?<![自理经缘])[须应将可]?由(?![于此])({_IN_CLAUSE}{{3,24}})"
)
_SYMMETRIC = re.compile(
    "结婚|合作|相同|相等|相似|接壤|相邻|相距|会面|会谈|等于|联合|共同|married|equal|adjacent|borders?|met|same|together"
)
# Longer sentences say so many things that crossing words mean nothing.
_MAXIMUM_TOKENS: Final = 120
# Single characters that relate what stands before them to what stands behind.
_RELATING: Final = frozenset("再才比胜输借卖嫁娶败杀救教欠")
# How many tokens may stand between a thing and what relates it, such as 于去年 or 了.
_BETWEEN: Final = 3


def another_agent(claim: str, evidence: str) -> str:
    """Return whom a claim has do something where one side says 某事由甲做, the other 甲做某事; or ""."""
    ours, theirs = _in_active_voice(claim), _in_active_voice(evidence)
    if (ours == claim) == (theirs == evidence) or _SYMMETRIC.search(claim):
        return ""
    return exchanged(tokens(ours), tokens(theirs), clause_numbers(theirs))


def _in_active_voice(text: str) -> str:
    return _BY.sub(r"\2\1", text)


def reversed_roles(claim: str, evidence: str, ours: Sequence[str], theirs: Sequence[str]) -> str:
    """Return what relates two things that stand the other way round in the evidence, or "".

    `ours` and `theirs` are the tokens of the folded claim and of the folded sentences that bear it out. `X r Y` is the
    reverse of `Y r X` where X, r and Y stand beside each other in both; not for relations that hold both ways, nor
    where one side is in the passive.
    """
    if max(len(ours), len(theirs)) > _MAXIMUM_TOKENS or _SYMMETRIC.search(claim):
        return ""
    if bool(_PASSIVE.search(claim)) != bool(_PASSIVE.search(evidence)):
        return ""
    for start in range(1, len(ours) - 1):
        for at in range(1, len(theirs) - 1):
            if ours[start] != theirs[at] or ours[start - 1] == theirs[at - 1]:
                continue
            for length in range(_shared(ours[start:], theirs[at:]), 0, -1):
                relation = ours[start : start + length]
                before, behind = ours[:start], ours[start + length :]
                if (
                    _relates(relation)
                    and _is_placing(behind) == _is_placing(theirs[at + length :])
                    and _ends_as_begins(before, theirs[at + length :], theirs[:at])
                    and _ends_as_begins(theirs[:at], behind, theirs[at + length :])
                ):
                    return "".join(relation)
    return ""


def _is_placing(words: Sequence[str]) -> bool:
    """Say whether a place follows: what stands there and where it stands may be said in either order."""
    return bool(words) and words[0] in ("在", "于")


def _shared(ours: Sequence[str], theirs: Sequence[str]) -> int:
    """Return how many tokens two runs have in common from their beginnings."""
    differing = (size for size, (one, other) in enumerate(zip(ours, theirs, strict=False)) if one != other)
    return next(differing, min(len(ours), len(theirs)))


def _relates(words: Sequence[str]) -> bool:
    """Say whether tokens say something of what stands around them: a Latin word, two characters or a relating one."""
    content = [word for word in words if not _is_function(word)]
    latin = any(word.isascii() and word.isalpha() and len(word) > 1 for word in content)
    return latin or len(content) > 1 or not _RELATING.isdisjoint(words)


def _ends_as_begins(first: Sequence[str], second: Sequence[str], nowhere: Sequence[str]) -> bool:
    """Say whether `first` ends with a name that `second` begins with, a few tokens aside, and `nowhere` lacks."""
    for left_out in range(min(_BETWEEN, len(first) - 1) + 1):
        ending = first[: len(first) - left_out]
        for skipped in range(min(_BETWEEN, len(second) - 1) + 1):
            beginning = second[skipped:]
            for size in range(min(len(ending), len(beginning)), 0, -1):
                name = list(ending[-size:])
                if name == list(beginning[:size]) and _names(name) and not _contains(nowhere, name):
                    return True
    return False


def _names(words: Sequence[str]) -> bool:
    """Say whether tokens can name something: a Latin word or two characters, no number and no mere function words."""
    content = [word for word in words if not _is_function(word)]
    return not any(word[0] == "#" for word in words) and (
        len(content) > 1 or any(word.isascii() and word.isalpha() for word in content)
    )


def _contains(words: Sequence[str], run: Sequence[str]) -> bool:
    return any(list(words[at : at + len(run)]) == list(run) for at in range(len(words) - len(run) + 1))


def _is_function(word: str) -> bool:
    return word in FUNCTION_CHARACTERS or word in FUNCTION_WORDS
