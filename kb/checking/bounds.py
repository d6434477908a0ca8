"""Bounds of a number: at least or at most, before or after, as written right beside it in either language."""

from __future__ import annotations

import re
from typing import Final

from kb.checking.numbers import Quantity, quantities
from kb.checking.units import agree

_UNIT = r"[^\d，,。；;\n]{0,6}?"
_BEFORE_NUMBER: Final = {
    "most": r"不(?:得|能|应|可)?(?:超过|多于|高于|大于|长于)|至多|最多|最[长高大]为?|不足|未满"
    r"|(?<![不得能])(?:少于|低于|小于)"
    r"|\b(?:at most|no more than|not more than|up to|(?<!no )(?<!not )less than|(?<!no )fewer than|under|below"
    r"|maximum of|not exceed|shorter than|lower than)",
    "least": r"不(?:得|能|应|可)?(?:少于|低于|小于|短于)|至少|最少|最[短低小]为?"
    r"|(?<![不得能应])(?:超过|多于|高于|大于|超出)"
    r"|\b(?:at least|no less than|not less than|(?<!no )(?<!not )more than|over|above|exceed(?:s|ed|ing)?|minimum of"
    r"|longer than|higher than)",
    "before": r"\b(?:before|by|until|till|no later than|not later than)|最迟|最晚|不(?:得|能)?晚于|截至|截止到?",
    "after": r"\b(?:after|since|from|no earlier than|not before)|自从?|最早|不(?:得|能)?早于|(?<![不得能])晚于",
}
_BEHIND_NUMBER: Final = {
    "most": r"及?以下|(?:之|以)内|or (?:less|fewer|under|below)|at most|at the most",
    "least": r"及?以上|or (?:more|over|above|longer)|at least|at the least",
    "before": r"(?:之|以)?前(?![往去来期身景任端台方言进])|at the latest",
    "after": r"(?:之|以)?后(?![来期续者台勤面果方备代])|起(?![来点步源草诉])|at the earliest",
}
_LEADING: Final = {
    bound: re.compile(rf"(?:{words})\s?约?[第每]?\s?[$€£¥]?\s?\Z") for bound, words in _BEFORE_NUMBER.items()
}
_FOLLOWING: Final = {bound: re.compile(rf"{_UNIT}(?:{words})") for bound, words in _BEHIND_NUMBER.items()}
_WINDOW: Final = 16
_OPPOSED: Final = {"most": "least", "least": "most", "before": "after", "after": "before"}


def wrong_bound(folded_claim: str, folded_evidence: str) -> str:
    """Return "bound" where a number of the claim is at least what the evidence has at most, and so on, else ""."""
    held = [(quantity, _bounds(folded_evidence, quantity)) for quantity in quantities(folded_evidence)]
    for quantity in quantities(folded_claim):
        said = _bounds(folded_claim, quantity)
        theirs = [
            bounds for other, bounds in held if other.value == quantity.value and agree(quantity.unit, other.unit)
        ]
        if said and theirs and all(_contrary(said, bounds) for bounds in theirs):
            return "bound"
    return ""


def _contrary(said: set[str], written: set[str]) -> bool:
    return any(_OPPOSED[bound] in written and _OPPOSED[bound] not in said for bound in said - written)


def _bounds(folded: str, quantity: Quantity) -> set[str]:
    before = folded[max(0, quantity.start - _WINDOW) : quantity.start]
    behind = folded[quantity.end : quantity.end + _WINDOW + len("个工作日")]
    return {bound for bound, pattern in _LEADING.items() if pattern.search(before)} | {
        bound for bound, pattern in _FOLLOWING.items() if pattern.match(behind)
    }
