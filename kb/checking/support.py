"""Whether a sentence of an answer is borne out by what it cites: numbers, names, quotes exactly, the rest by words."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal

from indexes.text.matching import detect_language, fold, terms
from kb.checking.bounds import wrong_bound
from kb.checking.calendar import NAMED
from kb.checking.contradiction import contradiction
from kb.checking.function_words import without_function_words
from kb.checking.negation import turns_round
from kb.checking.numbers import missing_number, numbers_in, without_numbers
from kb.checking.numerals import ENGLISH_MULTIPLIERS, ENGLISH_VALUES
from kb.checking.scope import loses_exception
from kb.checking.synonyms import in_words_of
from kb.checking.units import is_unit

Verdict = Literal["supported", "unsupported", "unverifiable"]

# Chosen on the cases of tests/data/support.jsonl, together with the rules below.
MINIMUM_OVERLAP: Final = 0.5
_WORD = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]{2,}(?![A-Za-z0-9])")
_NAME = re.compile(r"(?<![A-Za-z0-9])[A-Z][A-Za-z0-9]*(?:[-_.][A-Za-z0-9]+)*|[a-z]+[0-9][A-Za-z0-9]*|[a-z]+[A-Z]\w*")
_OPENERS_TEXT = (
    "a an the this that these those it its he she they we i you in on at by for from to of with as and "
    "but or if when while after before because since there here both all some most many each every no not "
    "yes according based however therefore thus also is was are were has have had do does did what which "
    "who where why how nothing nobody everything everybody everyone anything anybody anyone someone something "
    "during under over then users people"
)
_OPENERS: Final = frozenset(_OPENERS_TEXT.split())
# A capitalised word before one of these is an imperative.
_DETERMINED = re.compile(r"\s(?:the|a|an|your|this|that|these|those|all|any|each|every|no)\b")
_SMALL = re.compile(r"\s[a-z]")
_QUOTED = re.compile(r"“([^”\n]{2,80})”|「([^」\n]{2,80})」|『([^』\n]{2,80})』|\"([^\"\n]{2,80})\"")
_LONG_NAME: Final = 7
_NUMERAL = re.compile("[0-9零〇一二两三四五六七八九十百千万亿]")
# How much of what stands before a quotation, in characters, may turn it round.
_CONTEXT: Final = 80
# So many texts are kept folded: each claim is held against every passage, each passage against every claim.
_TEXTS_KEPT: Final = 512
# Denial and modality have checks of their own.
_MODALITY = re.compile(
    r"\b(?:not|no|never|cannot|[a-z]+n't|must|need(?:s|ed)?|allowed|permitted|prohibited|forbidden|required|possible)\b"
    r"|不(?:需要?|用|必|能|可以?|得|会)?|无需|无须|没有|需要|必须|应当|应该|可以"
)


@dataclass(frozen=True, slots=True)
class Support:
    """A verdict and its ground: `overlap` is the share of the claim's terms found in the evidence, in [0, 1]."""

    verdict: Verdict
    overlap: float
    reason: str


def overlap(claim: str, evidence: str) -> float:
    """Return the share of the claim's terms that the evidence holds, in [0, 1]; 1 for a claim without terms.

    Numbers, function words, and words of denial and modality are left out; a synonym counts as the word.
    """
    folded = fold(evidence)
    said = in_words_of(without_numbers(fold(claim)), folded)
    wanted = term_set(without_function_words(_MODALITY.sub(" ", said)))
    return len(wanted & term_set(evidence)) / len(wanted) if wanted else 1.0


def judge(claim: str, evidence: str) -> Support:
    """Judge one sentence of an answer, marks removed, against the text that it cites.

    What is quoted word for word is supported. Otherwise every number (with its unit), Latin name and quotation must be
    found, nothing may be negated on one side only or have one of its words exchanged, and enough of the terms must be
    shared. Across languages words cannot be compared: there a claim without numbers and names is unverifiable.
    """
    folded_claim, folded_evidence = fold(claim), fold(evidence)
    share = overlap(claim, evidence)
    if solid(claim) and solid(claim) in solid(evidence):
        cut = _torn_everywhere(claim, folded_evidence) or _half_a_number(folded_claim, folded_evidence)
        return Support("unsupported", share, cut) if cut else Support("supported", 1.0, "verbatim")
    number = missing_number(folded_claim, folded_evidence)
    if number:
        return Support("unsupported", share, f"number {number}")
    crossing = detect_language(claim) != detect_language(evidence)
    names = _names(claim, crossing=crossing)
    missing = next((name for name in names if not _has_name(name, folded_evidence)), None)
    if missing:
        return Support("unsupported", share, f"name {missing}")
    if any(quoted not in solid(evidence) for quoted in _quotations(claim)):
        return Support("unsupported", share, "quotation")
    if crossing:
        if limit := wrong_bound(folded_claim, folded_evidence):
            return Support("unsupported", share, limit)
        checked = bool(names or numbers_in(folded_claim))
        return Support("supported" if checked else "unverifiable", share, "across languages")
    if share < MINIMUM_OVERLAP:
        return Support("unsupported", share, "overlap")
    against = contradiction(folded_claim, folded_evidence)
    if against:
        return Support("unsupported", share, against)
    return Support("supported", share, "overlap")


@lru_cache(maxsize=_TEXTS_KEPT)
def term_set(text: str) -> frozenset[int]:
    """Return the terms of a text, each once."""
    return frozenset(terms(text).tolist())


@lru_cache(maxsize=_TEXTS_KEPT)
def solid(text: str) -> str:
    """Return only the letters and digits of a text, folded: what is left of a quotation however it is set."""
    return "".join(character for character in fold(text) if character.isalnum())


def torn(quotation: str, before: str) -> str:
    """Return what makes a quotation say other than its source, given what stands before it there, or "".

    That is "negation" where its clause opens with a denial, "scope" where an exception to "all" was cut off.
    """
    folded_before = fold(before[-_CONTEXT:])
    if turns_round(folded_before):
        return "negation"
    return "scope" if loses_exception(fold(quotation), folded_before) else ""


def splits_number(text: str, start: int, end: int) -> bool:
    """Say whether a run of a text begins or ends within a number."""
    return any(_NUMERAL.match(text, edge - 1) and _NUMERAL.match(text, edge) for edge in (start, end) if edge)


def _torn_everywhere(claim: str, folded_evidence: str) -> str:
    """Return what `torn` says of a claim wherever its words stand in the evidence, "" where one place is sound."""
    places = [at for at, character in enumerate(folded_evidence) if character.isalnum()]
    run, wording = "".join(folded_evidence[at] for at in places), solid(claim)
    reason, at = "", run.find(wording)
    while at >= 0:
        first, behind = places[at], places[at + len(wording) - 1] + 1
        reason = torn(claim, folded_evidence[:first]) or (
            "number" if splits_number(folded_evidence, first, behind) else ""
        )
        if not reason:
            return ""
        at = run.find(wording, at + 1)
    return reason


def _half_a_number(folded_claim: str, folded_evidence: str) -> str:
    """Return the number at the edge of a quotation that is only part of one in the evidence, or ""."""
    wording = solid(folded_claim)
    if not (_NUMERAL.match(wording) or _NUMERAL.match(wording[-1])):
        return ""
    number = missing_number(folded_claim, folded_evidence)
    return f"number {number}" if number else ""


def _names(claim: str, *, crossing: bool) -> list[str]:
    """Return the Latin names of a claim: capitalised words, and words with a digit or an inner capital.

    In a Chinese claim every Latin word is one that does not belong to a number. Across languages (`crossing`) a first
    word that a small letter follows is none: nothing tells whether it is more than a word that opens a sentence.
    """
    names = []
    if detect_language(claim) == "zh":
        names += [word for word in _WORD.findall(without_numbers(fold(claim))) if not is_unit(word)]
    for match in _NAME.finditer(claim):
        before = claim[: match.start()].rstrip()
        opens = not before or before[-1] in ".!?。！？:：\n"
        lower = match[0].lower()
        if lower in ENGLISH_VALUES or lower in ENGLISH_MULTIPLIERS or lower in NAMED:
            continue
        common = lower in _OPENERS or _DETERMINED.match(claim, match.end()) is not None
        common |= crossing and match[0].istitle() and match[0].isalpha() and bool(_SMALL.match(claim, match.end()))
        if not (opens and common) and match[0] not in ("I", "A"):
            names.append(match[0])
    return names


def _has_name(name: str, folded_evidence: str) -> bool:
    """Say whether a name begins a word of the evidence; the last two letters of a long one may differ."""
    folded = fold(name)
    stem = folded[:-2] if folded.isalpha() and len(folded) >= _LONG_NAME else folded
    return re.search(rf"(?<![a-z0-9]){re.escape(stem)}", folded_evidence) is not None


def _quotations(claim: str) -> list[str]:
    return [solid(next(filter(None, match.groups()))) for match in _QUOTED.finditer(claim)]
