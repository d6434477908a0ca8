"""Where a claim repeats its evidence but for one thing: a negation, an exchanged word, reversed roles."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Final

from kb.checking.alignment import CLAUSE, FAMILY_NAMES, clause_numbers, displaced, exchanged, is_function, tokens
from kb.checking.bounds import wrong_bound
from kb.checking.negation import negated_otherwise
from kb.checking.numbers import without_numbers
from kb.checking.opposites import opposite
from kb.checking.qualifiers import misqualified
from kb.checking.roles import reversed_roles
from kb.checking.scope import excepted, wrong_scope

# Texts larger than this, tokens of one times tokens of the other, are not laid side by side: where they repeat
# themselves that takes seconds, and a sentence so long repeats no other but for one word.
_COMPARED: Final = 100_000
# How much of a part of a claim a clause must hold, in whatever order, to be what it is about.
_ABOUT: Final = 0.5
# What divides a clause into statements of their own.
_FINER = re.compile(rf"{CLAUSE.pattern}|\b(?:and|but|while|whereas)\b|但|而(?!且)")
# A longer run of words that the evidence does not have is no paraphrase. On claims made from the questions and answers
# of CMRC trial and XQuAD it refuses 4 % of the true and finds 29 % of the false ones that all else lets pass.
_UNKNOWN: Final = 5
# 是, 为 or 叫 before a family name makes what follows, at the end, a person's name.
_VALUE = re.compile(rf"(?:是|为|叫)([{FAMILY_NAMES}][\u3400-\u9fff]{{1,2}})$")


def contradiction(folded_claim: str, folded_evidence: str) -> str:
    """Return what contradicts, such as "negation" or "exchanged WORD", or "" where nothing does. Both are folded."""
    claim, evidence = without_numbers(folded_claim), without_numbers(folded_evidence)
    if negated_otherwise(claim, evidence):
        return "negation"
    ours, theirs = tokens(folded_claim), tokens(folded_evidence)
    if len(ours) * len(theirs) <= _COMPARED:
        clauses_of = clause_numbers(folded_evidence)
        if word := exchanged(ours, theirs, clauses_of) or displaced(ours, theirs, clauses_of):
            return f"exchanged {word}"
    if relation := reversed_roles(claim, evidence, ours, theirs):
        return f"reversed {relation}"
    clauses = [part for part in CLAUSE.split(folded_evidence) if part.strip()]
    finer = [part for part in _FINER.split(folded_evidence) if part.strip()]
    for part in CLAUSE.split(folded_claim):
        found = _clause_about(part, clauses)
        if found and (limit := misqualified(part, found)):
            return limit
        if found and (limit := wrong_scope(part, folded_evidence, found)):
            return limit
        nearest = _clause_about(part, finer)
        if nearest and (word := opposite(part, nearest)) and not excepted(part, folded_evidence):
            return f"opposite {word}"
    if limit := wrong_bound(folded_claim, folded_evidence):
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
