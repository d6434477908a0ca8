"""Where a claim repeats its evidence but for one thing: a negation, an exchanged word, reversed roles."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Final

from kb.checking.alignment import CLAUSE, clause_numbers, displaced, exchanged, tokens
from kb.checking.binding import misplaced, turned_direction
from kb.checking.bounds import wrong_bound
from kb.checking.function_words import is_function
from kb.checking.negation import negated_otherwise
from kb.checking.numbers import without_numbers
from kb.checking.opposites import opposite
from kb.checking.persons import another_person
from kb.checking.qualifiers import misqualified
from kb.checking.roles import another_agent, reversed_roles
from kb.checking.scope import excepted, ignores_exception, wrong_scope
from kb.checking.subjects import another_subject, subject_named_later

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
        if agent := another_agent(folded_claim, folded_evidence):
            return f"agent {agent}"
        if number := misplaced(folded_claim, folded_evidence):
            return f"misplaced {number}"
        for part in CLAUSE.split(folded_claim):
            if subject := another_subject(part, folded_evidence) or subject_named_later(part, folded_evidence):
                return f"subject {subject}"
    if direction := turned_direction(folded_claim, folded_evidence):
        return direction
    if name := another_person(folded_claim, folded_evidence):
        return f"name {name}"
    if relation := reversed_roles(claim, evidence, ours, theirs):
        return f"reversed {relation}"
    if limit := _in_part(folded_claim, folded_evidence) or wrong_bound(folded_claim, folded_evidence):
        return limit
    unknown = _unknown(ours, folded_evidence)
    return f"unknown {unknown}" if len(unknown) >= _UNKNOWN else ""


def _in_part(folded_claim: str, folded_evidence: str) -> str:
    """Return how a part of a claim goes against the clause that it is about, or ""."""
    clauses = [part for part in CLAUSE.split(folded_evidence) if part.strip()]
    finer = [part for part in _FINER.split(folded_evidence) if part.strip()]
    for part in CLAUSE.split(folded_claim):
        if ignores_exception(part, folded_evidence):
            return "scope"
        found = _clause_about(part, clauses)
        if found and (limit := misqualified(part, found)):
            return limit
        if found and (limit := wrong_scope(part, folded_evidence, found)):
            return limit
        if (word := _opposed(part, finer)) and not excepted(part, folded_evidence):
            return f"opposite {word}"
    return ""


def _opposed(part: str, clauses: list[str]) -> str:
    """Return the word of a part of a claim that says the opposite of the clause it is about, or "".

    It is about the clause that shares most with it, and about a short one of which, the opposite aside, it has all.
    """
    said = set(tokens(part))
    nearest = _clause_about(part, clauses)
    for clause in clauses:
        word, other = opposite(part, clause)
        if not word:
            continue
        rest = {token for token in tokens(clause.replace(other, " ")) if not is_function(token)}
        if clause == nearest or (rest <= said and len("".join(rest)) > 1):
            return word
    return ""


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
