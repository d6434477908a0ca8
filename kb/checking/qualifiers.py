"""Words that limit a statement: hedges, at least and at most."""

from __future__ import annotations

import re

_HEDGED = re.compile(
    r"(?<!不)可能(?!性)|或许|也许|有望|预计|预期|计划(?=在|于|将|用|投|建|\s|\d)|拟于?|打算|据说|疑似"
    r"|\b(?:may(?! \d)|might|could|possibly|perhaps|probably|likely|expected to|planned|plans? to|proposed|allegedly"
    r"|reportedly)\b"
)
_CAUTIOUS = re.compile(
    rf"{_HEDGED.pattern}|将|会在|能|可以|大约|或|有时"
    r"|\b(?:can|will|would|should|sometimes|often|allowed|permitted|accepted|possible|entitled"
    r"|in rare cases|rarely|plan|suggests?)\b"
)
_AT_MOST = re.compile(
    r"不(?:得|能|应|可)?(?:超过|多于|高于|大于|长于|晚于)|至多|最多|以内|之内|以下|不足|少于|低于|小于|未满|上限"
    r"|\b(?:at most|no more than|not more than|up to|less than|fewer than|under|below|maximum|not exceed)\b"
)
_AT_LEAST = re.compile(
    r"不(?:得|能|应|可)?(?:少于|低于|小于|短于|早于)|至少|最少|以上|超过|多于|高于|大于|超出|下限"
    r"|\b(?:at least|no less than|not less than|more than|over|above|exceed(?:s|ed|ing)?|minimum)\b"
)


def misqualified(claim: str, clause: str) -> str:
    """Return how a claim goes beyond the clause that bears it out or against it, or "". Both texts are folded.

    "hedge": stated as certain what may be, or is planned. "bound": at least where it says at most.
    """
    if _HEDGED.search(clause) and not _CAUTIOUS.search(claim):
        return "hedge"
    if _bound(claim) | _bound(clause) == {"least", "most"} and _bound(claim) and _bound(clause):
        return "bound"
    return ""


def _bound(text: str) -> set[str]:
    """Return which bounds a text speaks of; "no more than" is one at most, though "more than" stands in it."""
    most = {match.span() for match in _AT_MOST.finditer(text)}
    least = {match.span() for match in _AT_LEAST.finditer(text)}
    inside = {span for span in least if any(first <= span[0] and span[1] <= last for first, last in most)}
    outside = {span for span in most if any(first < span[0] and span[1] <= last for first, last in least)}
    return ({"most"} if most - outside else set()) | ({"least"} if least - inside else set())
