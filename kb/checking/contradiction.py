"""Where a claim repeats its evidence but for one thing: a negation, an exchanged word, reversed roles."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Final

from kb.checking.alignment import CLAUSE, FAMILY_NAMES, clause_numbers, displaced, exchanged, is_function, tokens
from kb.checking.numbers import without_numbers
from kb.checking.qualifiers import misqualified
from kb.checking.roles import reversed_roles

_NEGATION = re.compile(
    r"不(?![仅但同断少过论管久得足良]|只是)|没有?|(?<!战国)无(?![论线数锡双])|未(?!来)|非(?![常洲得])|勿|别(?=再|让|把)"
    r"|禁(?=[止用令入带区]|烟)|不得(?!不|了)"
    r"|\b(?:not|no|never|none|cannot|without|neither|nor)\b|n't\b"
)
_NEXT_WORD = re.compile(r"[\s再曾]*([\u3400-\u9fff]{1,2}|[a-z0-9]+)")
# Texts larger than this, tokens of one times tokens of the other, are not laid side by side: where they repeat
# themselves that takes seconds, and a sentence so long repeats no other but for one word.
_COMPARED: Final = 100_000
# How much of a part of a claim a clause must hold, in whatever order, to be what it is about.
_ABOUT: Final = 0.5
# A longer run of words that the evidence does not have is no paraphrase. On claims made from the questions and answers
# of CMRC trial and XQuAD it refuses 4 % of the true and finds 29 % of the false ones that all else lets pass.
_UNKNOWN: Final = 5
# 是, 为 or 叫 before a family name makes what follows, at the end, a person's name.
_VALUE = re.compile(rf"(?:是|为|叫)([{FAMILY_NAMES}][\u3400-\u9fff]{{1,2}})$")


def contradiction(folded_claim: str, folded_evidence: str) -> str:
    """Return what contradicts, such as "negation" or "exchanged WORD", or "" where nothing does. Both are folded."""
    claim, evidence = without_numbers(folded_claim), without_numbers(folded_evidence)
    if _negated_otherwise(claim, evidence):
        return "negation"
    ours, theirs = tokens(folded_claim), tokens(folded_evidence)
    if len(ours) * len(theirs) <= _COMPARED:
        clauses_of = clause_numbers(folded_evidence)
        if word := exchanged(ours, theirs, clauses_of) or displaced(ours, theirs, clauses_of):
            return f"exchanged {word}"
    if relation := reversed_roles(claim, evidence, ours, theirs):
        return f"reversed {relation}"
    clauses = [part for part in CLAUSE.split(folded_evidence) if part.strip()]
    for part in CLAUSE.split(folded_claim):
        found = _clause_about(part, clauses)
        if found and (limit := misqualified(part, found)):
            return limit
    value = _VALUE.search(folded_claim.rstrip("。.!！ "))
    if value and not _held(value[1], folded_evidence):
        return f"name {value[1]}"
    unknown = _unknown(ours, folded_evidence)
    return f"unknown {unknown}" if len(unknown) >= _UNKNOWN else ""


def _clause_about(part: str, clauses: list[str]) -> str:
    """Return the clause of the evidence that shares most with a part of the claim, "" where none shares enough."""
    wanted = {token for token in tokens(part) if not is_function(token)}
    if not wanted:
        return ""
    best = max(clauses, key=lambda clause: len(wanted & set(tokens(clause))), default="")
    return best if len(wanted & set(tokens(best))) >= _ABOUT * len(wanted) else ""


def _negated_otherwise(claim: str, evidence: str) -> bool:
    """Say whether something is denied on one side and stated on the other.

    A claim that denies needs evidence that denies. Evidence that denies a word which the claim states without a denial
    contradicts it.
    """
    if _NEGATION.search(claim) and not _NEGATION.search(evidence):
        return True
    stated = _NEGATION.sub("\0", claim)
    for match in _NEGATION.finditer(evidence):
        word = _NEXT_WORD.match(evidence, match.end())
        if word is None:
            continue
        pattern = re.compile(
            rf"(\0)?[\s再曾]*{re.escape(word[1])}" if word[1] >= "\u3400" else rf"(\0)?\s*\b{word[1]}\b"
        )
        found = [occurrence[1] is not None for occurrence in pattern.finditer(stated)]
        plainly = f"{word[1]}" in _NEGATION.sub("\0", evidence).replace(f"\0{word[1]}", "").replace(f"\0 {word[1]}", "")
        if found and not any(found) and not plainly and len(word[1]) > 1:
            return True
    return False


def _unknown(claim: list[str], folded_evidence: str) -> str:
    """Return the longest run of Chinese characters of a claim of which no two neighbours stand in the evidence."""
    known = [False] * (len(claim) + 1)
    for at, (one, other) in enumerate(pairwise(claim)):
        if one + other in folded_evidence:
            known[at] = known[at + 1] = True
    runs, run = [""], ""
    for word, is_known in zip(claim, known, strict=False):
        run = run + word if word >= "\u3400" and not is_known and not is_function(word) else ""
        runs.append(run)
    return max(runs, key=len)


def _held(word: str, folded_evidence: str) -> bool:
    """Say whether every two neighbouring characters of a word stand together in the evidence."""
    return all(word[at : at + 2] in folded_evidence for at in range(len(word) - 1))
