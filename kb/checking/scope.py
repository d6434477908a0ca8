"""Of whom something is said: of all, of some, of these alone, of all but these. All texts are folded."""

from __future__ import annotations

import re
from typing import Final

from kb.checking.alignment import CLAUSE, tokens
from kb.checking.function_words import is_function
from kb.checking.negation import NEGATION
from kb.checking.opposites import opposite

_ALL = re.compile(
    r"所有|全部|全体|全都|每[个名位次一件]|一切|任何|无一例外|\b(?:all|every|each|always|entire(?:ly)?|whole|any)\b"
)
_SOME = re.compile(
    r"部分|有些|有的|一些|少数|多数|大多|若干|个别|半数|过半|[^\s，,]分之|%的"
    r"|\b(?:some|several|most|many|few|rare|rarely|sometimes|often|usually|partly|majority|half)\b"
)
_ONLY = re.compile(
    r"(?:仅限|只有|只限|唯有|只能|仅(?!次|用)|只(?![要是见剩需有限能])|唯一|限于)(?!\s?[#\d])|\b(?:only|solely|exclusively)\b"
)
_ONLY_HELD = re.compile(
    rf"{_ONLY.pattern}|才[能可]|方可|除|限|专|唯|独"
    r"|\b(?:except|unless|sole|alone|just|but|no other|limited to|other than)\b"
)
# Groups: what is left out.
_EXCEPTIONS: Final = (
    re.compile(r"除(?:了)?(?P<left>[^，,；;。]{1,24}?)(?:之外|以外|外)"),
    re.compile(r"(?:^|[，,；;。])(?P<left>[^，,；;。]{1,24}?)除外"),
    re.compile(
        r"\b(?:except(?: for)?|excluding|other than|with the exception of)\s"
        r"(?:the )?(?P<left>[a-z-]+(?:(?:,| and| or) [a-z-]+)*)"
    ),
)
_EXCEPTING = re.compile(r"除|以外|之外|\b(?:except|excluding|other than|exception|unless|but)\b")
_EXCEPTION_BEFORE = re.compile(
    r"(?:除[^，,；;。]{1,24}外|\b(?:except|excluding|other than|apart from)[^,.;]{1,40})[，,]\s*\Z"
)
# A noun behind "all": two characters, or the first word of several.
_OF_ALL = re.compile(r"(?:所有|全部|全体|\ball |\bevery )(?:的|the )?(?P<noun>[\u3400-\u9fff]{2}|[a-z]{4,})")
_DETERMINING_TEXT = "本公司 我司 公司 本 该 各 其 的 为 对 和 与 及 或 the our its"
_DETERMINING: Final = tuple(_DETERMINING_TEXT.split())
# So much of what is left out must stand in a claim, in its tokens, for the claim to be about it.
_ABOUT: Final = 0.6


def wrong_scope(claim: str, evidence: str, clause: str) -> str:
    """Return "scope" where a claim speaks of others than its evidence does, else "".

    All instead of some, of these alone, or of such of a kind; these alone where nothing is said of others. `clause` is
    what the claim is about.
    """
    if _ALL.search(claim) and not _ALL.search(clause) and (_SOME.search(clause) or _ONLY.search(clause)):
        return "scope"
    if _narrowed(claim, clause):
        return "scope"
    if _ONLY.search(claim) and not _ONLY_HELD.search(evidence) and not NEGATION.search(evidence):
        return "scope"
    return ""


def ignores_exception(claim: str, evidence: str) -> bool:
    """Say whether a claim takes in what the evidence leaves out: all, or just what is excepted."""
    return any(_ignored(claim, evidence, match) for pattern in _EXCEPTIONS for match in pattern.finditer(evidence))


def loses_exception(claim: str, before: str) -> bool:
    """Say whether a quotation that opens with "all" leaves out an exception at the end of what stands before it."""
    return _ALL.match(claim) is not None and _EXCEPTION_BEFORE.search(before) is not None


def excepted(claim: str, evidence: str) -> bool:
    """Say whether a claim is about what the evidence leaves out of a statement."""
    return any(_mentions(claim, match["left"]) for pattern in _EXCEPTIONS for match in pattern.finditer(evidence))


def _mentions(claim: str, left: str) -> bool:
    """Say whether a claim is about what is left out, or one of several such things."""
    items = [_content(item) for item in re.split("[和与及或、]|,|\\b(?:and|or)\\b", left)]
    said = _content(claim)
    return any(item and len(item & said) >= _ABOUT * len(item) for item in items)


def _content(text: str) -> frozenset[str]:
    return frozenset(token.removesuffix("s") for token in tokens(text) if not is_function(token))


def _ignored(claim: str, evidence: str, exception: re.Match[str]) -> bool:
    """Say whether a claim is about all without an exception, or says of what is excepted what holds for the others."""
    if _EXCEPTING.search(claim):
        return False
    around = _sentence(evidence, exception.start())
    main = around.replace(exception[0], " ")
    said = _content(claim)
    if 2 * len(_content(main) & said) < len(said - _content(exception["left"])):
        return False
    if _ALL.search(claim):
        return True
    if not _mentions(claim, exception["left"]):
        return False
    turned = len(NEGATION.findall(claim)) % 2 != len(NEGATION.findall(main)) % 2
    return turned == bool(opposite(claim, main)[0])


def _sentence(text: str, at: int) -> str:
    """Return the sentence around an offset."""
    start = max(text.rfind(mark, 0, at) for mark in "。；;\n!?！？") + 1
    ends = [found for mark in "。；;\n!?！？" if (found := text.find(mark, at)) >= 0]
    dot = re.search(r"\.(?=\s|$)", text[at:])
    return text[start : min([*ends, at + dot.start()] if dot else ends, default=len(text))]


def _narrowed(claim: str, clause: str) -> bool:
    """Say whether the claim has "all X" where the clause opens with a certain kind of X, as 企业版用户 for 所有用户."""
    match = _OF_ALL.search(claim)
    if match is None or _ALL.search(clause):
        return False
    noun = match["noun"]
    at = clause.find(noun)
    if at <= 0:
        return False
    before = CLAUSE.split(clause[:at])[-1].strip()
    if not before or before.endswith(_DETERMINING):
        return False
    return not all(token in claim for token in tokens(before)[-2:])
