"""Where a claim repeats its evidence but for one thing: a negation on one side only, or one word exchanged."""

from __future__ import annotations

import re
from difflib import SequenceMatcher
from typing import Final

from kb.function_words import FUNCTION_CHARACTERS, FUNCTION_WORDS

_NEGATION = re.compile(
    r"不(?![仅但同断少过论管久得足良]|只是)|没有?|(?<!战国)无(?![论线数锡双])|未(?!来)|非(?![常洲得])|勿|别(?=再|让|把)|禁止"
    r"|\b(?:not|no|never|none|cannot|without|neither|nor)\b|n't\b"
)
_NEXT_WORD = re.compile(r"[\s再曾]*([\u3400-\u9fff]{1,2}|[a-z0-9]+)")
_TOKEN = re.compile(r"[a-z]+(?:'[a-z]+)?|\d+(?:\.\d+)*|[\u3400-\u9fff]")
# How much of a claim must stand in the evidence, in the same order, before one differing word counts as exchanged.
_ALIGNED: Final = 0.65
_MAXIMUM_WORD: Final = 4


def contradiction(folded_claim: str, folded_evidence: str) -> str:
    """Return what contradicts: "negation", "exchanged WORD", or "" where nothing does. Both texts are folded."""
    if _negated_otherwise(folded_claim, folded_evidence):
        return "negation"
    word = _exchanged(_TOKEN.findall(folded_claim), _TOKEN.findall(folded_evidence))
    return f"exchanged {word}" if word else ""


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


def _exchanged(claim: list[str], evidence: list[str]) -> str:
    """Return the word of the claim that stands where the evidence has an unrelated one, or ""."""
    matcher = SequenceMatcher(None, claim, evidence, autojunk=False)
    if sum(block.size for block in matcher.get_matching_blocks()) < _ALIGNED * len(claim):
        return ""
    for tag, start, end, first, last in matcher.get_opcodes():
        ours, theirs = claim[start:end], evidence[first:last]
        if tag != "replace" or max(len(ours), len(theirs)) > _MAXIMUM_WORD or len(ours) != len(theirs):
            continue
        if any(_is_function(token) for token in (*ours, *theirs)) or _related(ours, theirs):
            continue
        if not _stands_in(ours, evidence):
            return "".join(ours)
    return ""


def _is_function(token: str) -> bool:
    return token in FUNCTION_CHARACTERS or token in FUNCTION_WORDS


def _related(ours: list[str], theirs: list[str]) -> bool:
    """Say whether the words share a character, or Latin words their first four letters."""
    return bool(set(ours) & set(theirs)) or all(
        ours_word[:4] == theirs_word[:4] for ours_word, theirs_word in zip(ours, theirs, strict=True)
    )


def _stands_in(words: list[str], evidence: list[str]) -> bool:
    size = len(words)
    return size > 1 and any(evidence[at : at + size] == words for at in range(len(evidence) - size + 1))
