"""Numbers with their units, in digits and in words, so that `3亿元` and `3万元` differ and `二十一米` is `21 m`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from kb.checking.calendar import CALENDAR, is_day_of_month, month, ordinal, time_of_day, weekday
from kb.checking.numerals import chinese_value, english_value
from kb.checking.units import COUNTING, agree, sign_before, unit_at

_MULTIPLIERS: Final = {
    "千": 1e3, "万": 1e4, "百万": 1e6, "千万": 1e7, "亿": 1e8, "thousand": 1e3, "million": 1e6, "billion": 1e9,
}  # fmt: skip
_MULTIPLIER = re.compile(r"\s?(百万|千万|千(?![克米瓦])|万|亿|(?:thousand|million|billion)\b)")
_CHINESE = "零〇一二两三四五六七八九十百千万亿"
_ENGLISH = (
    "zero|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|seventeen"
    "|eighteen|nineteen|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|hundred|thousand|million|billion"
)
_NUMBER = re.compile(
    rf"{CALENDAR}|(?P<fraction>(?:[{_CHINESE}]+|\d+)分之(?:[{_CHINESE}]+|\d+)|(?<![\d/.])\d{{1,3}}/\d{{1,3}}(?![\d/]))"
    r"|(?P<digits>\d+(?:\.\d+)*)"
    rf"|(?P<chinese>[{_CHINESE}]+(?:点[零〇一二三四五六七八九]+(?![{_CHINESE}分刻]))?)"
    rf"|\b(?P<english>(?:{_ENGLISH})(?:[\s-](?:and\s)?(?:{_ENGLISH}))*)\b"
)
_HALF = re.compile("半(?![导岛径])")
# 每月 is once in one month.
_EACH = re.compile("每(天|日|周(?![一二三四五六日天])|星期(?![一二三四五六日天])|月|年)")
_TURNS: Final = {"天": "day", "日": "day", "周": "week", "星期": "week", "月": "month", "年": "year"}
# Other words for what comes first.
_FOREMOST = re.compile(r"首|冠|最先|最早|头一|\b(?:first|1st)\b")
# How many of a smaller unit are one of a larger one, where neither is the base of the other.
_CONVERTED: Final = (("year", "month", 12), ("week", "day", 7), ("day", "second", 86400))


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number of a folded text: its value in base units, the unit ("" for none), and the span of the number alone."""

    value: str
    unit: str
    start: int
    end: int


def quantities(folded: str) -> Iterator[Quantity]:
    """Yield the numbers of a folded text in order.

    Bare Chinese digits and 一 before a counting word are left out unless 第 precedes, "one" too: mostly words.
    """
    at = 0
    while match := _NUMBER.search(folded, at):
        quantity, at = _quantity(folded, match)
        if quantity is not None:
            yield quantity


def numbers_in(folded: str) -> list[tuple[str, str]]:
    """Return value and unit of each number of a folded text."""
    return [(quantity.value, quantity.unit) for quantity in quantities(folded)]


def without_numbers(folded: str) -> str:
    """Return a folded text with a space in place of each number that `quantities` finds, its unit kept."""
    pieces, at = [], 0
    for quantity in quantities(folded):
        pieces += [folded[at : quantity.start], " "]
        at = quantity.end
    return "".join([*pieces, folded[at:]])


def missing_number(folded_claim: str, folded_evidence: str) -> str:
    """Return the first number of the claim that the evidence does not hold with an agreeing unit, or ""."""
    held: dict[str, set[str]] = {}
    for value, unit in numbers_in(folded_evidence):
        held.setdefault(value, set()).add(unit)
    if _FOREMOST.search(folded_evidence):
        held.setdefault("1", set()).add("")
    for match in _EACH.finditer(folded_evidence):
        held.setdefault("1", set()).add(_TURNS[match[1]])
    for value, unit in numbers_in(folded_claim):
        if not any(agree(said, other) for form, said in _forms(value, unit) for other in held.get(form, ())):
            return f"{value} {unit}".strip()
    return ""


def same_amount(one: Quantity, other: Quantity) -> bool:
    """Say whether two numbers stand for the same, in agreeing units or in those that they convert to."""
    return any(value == other.value and agree(unit, other.unit) for value, unit in _forms(one.value, one.unit))


def convertible(one: str, other: str) -> bool:
    """Say whether numbers in two base units can be compared: the same, both counted, or one made of the other."""
    counted = ("", COUNTING)
    made = any({one, other} == {larger, smaller} for larger, smaller, _ in _CONVERTED)
    return made or one == other or (one in counted and other in counted)


def _forms(value: str, unit: str) -> Iterator[tuple[str, str]]:
    """Yield a number as it stands and in the units that it converts to; a full hour and the bare number of it."""
    yield value, unit
    hour, colon, minute = value.partition(":")
    if colon and minute == "00":
        yield hour, COUNTING
    elif unit in ("", COUNTING) and value.isdecimal() and len(value) <= len("12"):
        yield f"{int(value) % 12}:00", ""
    for larger, smaller, factor in _CONVERTED:
        if unit == larger:
            yield f"{float(value) * factor:.12g}", smaller
        elif unit == smaller:
            yield f"{float(value) / factor:.12g}", larger


def _quantity(folded: str, match: re.Match[str]) -> tuple[Quantity | None, int]:
    """Return the quantity of a match, None where it is a mere word, and where to read on."""
    start, end = match.span()
    if match["weekday"]:
        return Quantity(f"weekday {weekday(match[0])}", "", start, end), end
    if match["month"]:
        number = month(match[0], folded, start, end)
        return (Quantity(str(number), "month of year", start, end) if number else None), end
    if match["ordinal"]:
        return Quantity(str(ordinal(match[0])), "", start, end), end
    if time := time_of_day(folded, start):
        return Quantity(time[0], time[1], start, time[2]), time[2]
    if match["fraction"]:
        return _fraction(match["fraction"], start, end), end
    if match["digits"] and match["digits"].count(".") > 1:
        return Quantity(match["digits"], "", start, end), end  # a version number
    value, end = _value(folded, match)
    if value is None:
        return None, end
    unit, factor, after = unit_at(folded, end)
    halved = after if _HALF.match(folded, after) else end if _HALF.match(folded, end) else None
    if halved is not None:
        value += 0.5
        if unit == COUNTING:
            unit, factor, after = unit_at(folded, halved + 1)  # 四个半小时
    if match["digits"] and not unit and is_day_of_month(folded, start, end):
        unit = "day"
    counted = unit in ("", COUNTING)
    ordered = folded[start - 1 : start] == "第"
    if match["chinese"] and counted and len(match[0]) == 1 and not ordered and (not unit or value == 1):
        return None, end
    if match["english"] and counted and value == 1:
        return None, end
    sign = sign_before(folded, start)
    return Quantity(f"{value * factor:.12g}", sign if counted and sign else unit, start, end), max(end, after)


def _value(folded: str, match: re.Match[str]) -> tuple[float | None, int]:
    """Return the value with the multiplier that follows, and where the number ends."""
    end = match.end()
    if match["english"]:
        return english_value(match["english"]), end
    value = chinese_value(match["chinese"]) if match["chinese"] else float(match["digits"])
    if value is None:
        return None, end
    factor = _MULTIPLIER.match(folded, end)
    return (value * _MULTIPLIERS[factor[1]], factor.end()) if factor else (value, end)


def _fraction(text: str, start: int, end: int) -> Quantity | None:
    """Return `三分之一` and `1/3` as one value."""
    below, slash, above = text.partition("分之")
    if not slash:
        above, _, below = text.partition("/")
    parts = [float(part) if part.isascii() else chinese_value(part) for part in (above, below)]
    if parts[0] is None or not parts[1]:
        return None
    return Quantity(f"{parts[0]:g}/{parts[1]:g}", "", start, end)
