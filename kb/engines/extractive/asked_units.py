"""Which unit a question asks for (days in 几天, a currency in 多少钱, a length in 多高), and whether a text has it."""

from __future__ import annotations

import re
from typing import Final

from indexes.text.matching import fold
from kb.checking.numbers import quantities
from kb.checking.units import COUNTING, unit_at

_LENGTHS: Final = frozenset({"m", "mile", "foot", "inch"})
# Questions that name what is measured and no unit, tried in this order on the folded question.
_MEASURED: Final = (
    (re.compile(r"多久|多长时间|多少时间|how long"), frozenset({"second", "day", "week", "month", "year"})),
    (
        re.compile(r"多少钱|how much (?:do|does|did|is|was|money)"),
        frozenset({"yuan", "dollar", "euro", "yen", "pound sterling", "hong kong dollar"}),
    ),
    (re.compile(r"多[高远宽深长]|how (?:tall|high|far|wide|deep)"), _LENGTHS),
    (re.compile(r"多重|how heavy"), frozenset({"g", "pound"})),
    (re.compile(r"百分之几|百分之多少|what percent"), frozenset({"%"})),
)
_DATED = re.compile(r"月\s?\Z")
_CALENDAR_YEAR = re.compile(r"(?:1[0-9]|20)\d\d")
_COUNTED = re.compile(r"(?:几|多少)(?=[\u4e00-\u9fff])|how many ")


def asked_units(question: str) -> frozenset[str]:
    """Return the base units (`kb.checking.units`) that an answer may have; empty where no unit is asked for.

    Counting words are no units: which of them is used is a matter of style.
    """
    folded = fold(question)
    for pattern, units in _MEASURED:
        if pattern.search(folded):
            return units
    for match in _COUNTED.finditer(folded):
        unit, _, _ = unit_at(folded, match.end())
        if unit not in ("", COUNTING):
            return frozenset({unit})
    return frozenset()


def holds_unit(folded: str, units: frozenset[str]) -> bool:
    """Say whether a folded text has a number with one of these units; days and years of a date are none."""
    return any(
        quantity.unit in units and not _DATED.search(folded, max(0, quantity.start - 2), quantity.start)
        for quantity in quantities(folded)
        if not (quantity.unit == "year" and _CALENDAR_YEAR.fullmatch(quantity.value))
    )
