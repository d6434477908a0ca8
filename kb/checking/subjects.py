"""What the evidence says of somebody else: the claim's predicate behind another subject. All texts are folded."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from kb.checking.alignment import CLAUSE, tokens
from kb.checking.differences import FAMILY_NAMES
from kb.checking.function_words import is_function

# A shorter predicate may be said of many.
_MINIMUM_PREDICATE: Final = 4
_MINIMUM_ENGLISH: Final = 2
_PERSON = re.compile(rf"[{FAMILY_NAMES}][\u3400-\u9fff]{{1,2}}")
_AGENT = re.compile(
    "部|组|员|店|公司|处|科|室|局|厂|院|校|队|人|方|中心|团队|用户|客户|经理|总监|主管|工程师|老师|学生|集团|银行|大学|委员会"
)
# What stands before a subject, and between it and its predicate.
_LEADING = re.compile("^(?:仅|只有|只|由|任命|聘任|其中|而|但|则|又|再|并|经)+")
_TRAILING = re.compile("(?:被|将|应|须|为|任|是|可以?|能|会|负责|已)+$")
_LONGEST_SUBJECT: Final = 4


def another_subject(part: str, evidence: str) -> str:
    """Return the subject of a part of a claim where all clauses with its predicate have another subject, else "".

    That subject must stand in another clause of the evidence, so that it is known and something else is said of it.
    """
    claim = tokens(part)
    clauses = [words for clause in CLAUSE.split(evidence) if (words := _without_coordinator(tokens(clause)))]
    english = bool(claim) and claim[0].isascii()
    for size in (1, 2, 3) if english else (2,):
        subject = claim[:size]
        if len(claim) <= size or subject[0][0] == "#" or is_function(subject[0]):
            return ""
        if not any(_starts(words, subject) in (range(1) if english else range(len(words))) for words in clauses):
            continue
        predicate, holding = _predicate(claim, size, clauses, only_whole=english)
        if not holding or any(_starts(words, subject) >= 0 for words in holding):
            continue
        if all(_is_agent(words[: _starts(words, predicate)], predicate, claim) for words in holding):
            return "".join(subject)
    return ""


def _predicate(
    claim: Sequence[str], least: int, clauses: Sequence[list[str]], *, only_whole: bool
) -> tuple[Sequence[str], list[list[str]]]:
    """Return the longest ending of a claim, behind its subject, that stands in clauses, and those clauses.

    With `only_whole` that is all that follows the subject, or nothing.
    """
    for start in range(least, least + 1 if only_whole else len(claim)):
        ending = claim[start:]
        content = [word for word in ending if not is_function(word)]
        if len(content) < (_MINIMUM_ENGLISH if only_whole else _MINIMUM_PREDICATE):
            break
        holding = [words for words in clauses if _starts(words, ending) >= 0]
        if holding:
            return ending, holding
    return (), []


def subject_named_later(part: str, evidence: str) -> str:
    """Return the subject of a part of a claim that is named only behind all clauses with its predicate, or "".

    A subject that is left out is one that was named before. The predicate must have a number, and words of their own
    must stand before it in those clauses.
    """
    claim = tokens(part)
    size = 1 if claim and claim[0].isascii() else 2
    subject = claim[:size]
    if len(claim) <= size or any(word[0] == "#" or is_function(word) for word in subject):
        return ""
    clauses = [words for clause in CLAUSE.split(evidence) if (words := _without_coordinator(tokens(clause)))]
    named = [index for index, words in enumerate(clauses) if _starts(words, subject) >= 0]
    if not named or _starts(clauses[named[0]], subject) != 0:
        return ""
    for start in range(size, len(claim)):
        ending = claim[start:]
        if not any(word[0] == "#" for word in ending) or sum(map(_weight, ending)) < _MINIMUM_PREDICATE:
            return ""
        holding = [index for index, words in enumerate(clauses) if _starts(words, ending) >= 0]
        if holding:
            later = max(holding) < named[0]
            return "".join(subject) if later and all(_has_subject(clauses[index], ending) for index in holding) else ""
    return ""


def _weight(word: str) -> int:
    """Return how much a word says of what a predicate is: a number or a Latin word as much as two characters."""
    return 0 if is_function(word) else 2 if word.isascii() else 1


def _has_subject(words: Sequence[str], ending: Sequence[str]) -> bool:
    before = [word for word in words[: _starts(words, ending)] if not is_function(word)]
    return sum(_weight(word) for word in before) > 1 and not re.search("(?:ed|ing)$", before[0])


def _without_coordinator(words: list[str]) -> list[str]:
    return words[1:] if words[:1] in (["and"], ["but"], ["while"]) else words


def _is_agent(before: Sequence[str], predicate: Sequence[str], claim: Sequence[str]) -> bool:
    """Say whether what stands before a predicate in its clause names somebody of whom the claim does not speak.

    The predicate may begin with what both are, as with 店 of two shops.
    """
    if not before or any(word[0] == "#" for word in before):
        return False
    if before[0].isascii():
        return len(before) <= _LONGEST_SUBJECT and not is_function(before[-1]) and not set(before[-2:]) & set(claim)
    name = _TRAILING.sub("", _LEADING.sub("", "".join(before)))
    if not name or any(name[at : at + 2] in "".join(claim) for at in range(len(name) - 1)):
        return False
    kind = "".join(predicate[:4])
    return _PERSON.fullmatch(name) is not None or bool(_AGENT.search(name[-4:]) or _AGENT.search(kind))


def _starts(words: Sequence[str], run: Sequence[str]) -> int:
    """Return where a run of tokens begins among others, or -1."""
    size = len(run)
    return next((at for at in range(len(words) - size + 1) if list(words[at : at + size]) == list(run)), -1)
