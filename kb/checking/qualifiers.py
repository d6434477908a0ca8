"""Words that turn a statement round or limit it: hedges, quantities at least and at most, all and some, opposites."""

from __future__ import annotations

import re
from typing import Final

_HEDGED = re.compile(
    r"(?<!不)可能(?!性)|或许|也许|有望|预计|预期|计划(?=在|于|将|用|投|建|\s|\d)|拟于?|打算|据说|疑似"
    r"|\b(?:may(?! \d)|might|could|possibly|perhaps|probably|likely|expected to|planned|plans? to|proposed|allegedly"
    r"|reportedly)\b"
)
_CAUTIOUS = re.compile(
    rf"{_HEDGED.pattern}|将|会在|能|可以|大约|或|有时"
    r"|\b(?:can|will|would|should|sometimes|often|allowed|permitted|in rare cases|rarely|plan|suggests?)\b"
)
_ALL = re.compile(
    r"所有|全部|全体|全都|每[个名位次一件]|一切|任何|无一例外|\b(?:all|every|each|always|entire(?:ly)?|whole|any)\b"
)
_SOME = re.compile(
    r"部分|有些|有的|一些|少数|多数|大多|若干|个别|\b(?:some|several|most|many|few|rare|rarely|sometimes|often|usually|partly)\b"
)
_AT_MOST = re.compile(
    r"不(?:得|能|应|可)?(?:超过|多于|高于|大于|长于|晚于)|至多|最多|以内|之内|以下|不足|少于|低于|小于|未满|上限"
    r"|\b(?:at most|no more than|not more than|up to|less than|fewer than|under|below|maximum|not exceed)\b"
)
_AT_LEAST = re.compile(
    r"不(?:得|能|应|可)?(?:少于|低于|小于|短于|早于)|至少|最少|以上|超过|多于|高于|大于|超出|下限"
    r"|\b(?:at least|no less than|not less than|more than|over|above|exceed(?:s|ed|ing)?|minimum)\b"
)
_DENIED = re.compile(r"不得?|未|没有?|无|别|\b(?:not|no|never)\s|n't\s")
# Groups of words that exclude each other when said of the same thing.
_OPPOSITES: Final = tuple(
    (re.compile(first), re.compile(second))
    for first, second in (
        ("增加|增长|上升|提高|上涨|升高|扩大|延长", "减少|下降|降低|下跌|缩小|下滑|缩短"),
        ("(?<!不)(?:允许|可以|准许|有权|适用于)", "禁止|严禁|不得|不准|不许|禁用|不可以?|无权|不适用于"),
        ("(?<!不)(?:必须|应当|须|需要)", "无需|不必|无须|不需要|毋须"),
        ("赞成|同意|支持|批准", "反对|拒绝|否决|驳回"),
        ("最[高大多长早快]", "最[低小少短晚慢]"),
        ("免费", "收费|付费"),
        ("之前|以前|先于", "之后|以后"),
        (
            r"\b(?:increas\w*|rises?|rose|risen|grow\w*|grew)\b",
            r"\b(?:decreas\w*|falls?|fell|fallen|drop\w*|declin\w*)\b",
        ),
        (r"\bbefore\b", r"\bafter\b"),
        (r"\b(?:more|higher|larger|longer|greater|older)\b", r"\b(?:less|fewer|lower|smaller|shorter|younger)\b"),
        (r"\bfirst\b", r"\blast\b"),
        (r"\b(?:allow\w*|permit\w*)\b", r"\b(?:forbid\w*|forbade|prohibit\w*|ban(?:s|ned)?)\b"),
        (r"\b(?:accept\w*|approv\w*)\b", r"\b(?:reject\w*|refus\w*)\b"),
        (r"\b(?:wins?|won)\b", r"\b(?:loses?|lost)\b"),
        (r"\bmaximum\b", r"\bminimum\b"),
        (r"\binclud\w*\b", r"\bexclud\w*\b"),
        (r"\bopen(?:s|ed)?\b", r"\bclosed?s?\b"),
    )
)


def misqualified(claim: str, clause: str) -> str:
    """Return how a claim goes beyond the clause that bears it out or against it, or "". Both texts are folded.

    "hedge": stated as certain what may be, or is planned. "scope": all where the clause says some. "bound": at least
    where it says at most. "opposite WORD": one of two words that exclude each other for the other.
    """
    if _HEDGED.search(clause) and not _CAUTIOUS.search(claim):
        return "hedge"
    if _ALL.search(claim) and _SOME.search(clause) and not _ALL.search(clause):
        return "scope"
    if _bound(claim) | _bound(clause) == {"least", "most"} and _bound(claim) and _bound(clause):
        return "bound"
    return _opposite(claim, clause)


def _bound(text: str) -> set[str]:
    """Return which bounds a text speaks of; "no more than" is one at most, though "more than" stands in it."""
    most = {match.span() for match in _AT_MOST.finditer(text)}
    least = {match.span() for match in _AT_LEAST.finditer(text)}
    inside = {span for span in least if any(first <= span[0] and span[1] <= last for first, last in most)}
    outside = {span for span in most if any(first < span[0] and span[1] <= last for first, last in least)}
    return ({"most"} if most - outside else set()) | ({"least"} if least - inside else set())


def _denied(text: str, at: int) -> bool:
    """Say whether a word is denied by what stands right before it."""
    return _DENIED.search(text[max(0, at - 5) : at]) is not None


def _opposite(claim: str, clause: str) -> str:
    for pair in _OPPOSITES:
        for ours, theirs in (pair, pair[::-1]):
            said, written = ours.search(claim), theirs.search(clause)
            if said is None or written is None or theirs.search(claim) or ours.search(clause):
                continue
            if not _denied(claim, said.start()) and not _denied(clause, written.start()):
                return f"opposite {said[0]}"
    return ""
