"""Days of the week, months by name, ordinals and times of the day: what stands for a number without looking like one.

All texts are folded.
"""

from __future__ import annotations

import re
from typing import Final

from kb.checking.numerals import chinese_value

_WEEKDAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_MONTHS_TEXT = "january february march april may june july august september october november december"
_MONTHS: Final = tuple(_MONTHS_TEXT.split())
_ORDINALS_TEXT = (
    "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth fifteenth "
    "sixteenth seventeenth eighteenth nineteenth twentieth"
)
_ORDINALS: Final = tuple(_ORDINALS_TEXT.split())
NAMED: Final = frozenset(_WEEKDAYS) | {f"{day}s" for day in _WEEKDAYS} | frozenset(_MONTHS)
"""Words that name a day of the week or a month; they are compared by value, not by spelling."""
_ORDERED = (
    "quarter|half|floor|storey|day|week|month|year|place|prize|edition|generation|phase|stage|step|round|chapter"
    f"|section|article|paragraph|line|level|shift|time|{'|'.join(_WEEKDAYS)}"
)
# 周三 before a counting word is three times a week, or the like.
CALENDAR: Final = (
    r"(?P<weekday>(?:周|星期|礼拜)[一二三四五六日天](?![次回趟个天种顿节班人位场轮期度年岁十百千万]|小时|分钟|\d+\s?[次回个天])"
    rf"|\b(?:{'|'.join(_WEEKDAYS)})s?\b)"
    rf"|\b(?P<month>{'|'.join(_MONTHS)}|(?:jan|feb|apr|jun|jul|aug|sept?|oct|nov|dec)(?=\.?\s?\d))\b"
    rf"|\b(?P<ordinal>{'|'.join(_ORDINALS)})(?=\s(?:{_ORDERED})\b)"
)
"""The part of a pattern that finds them, with the groups `weekday`, `month` and `ordinal`."""
_DAY_BEFORE = re.compile(r"\b\d{1,2}(?:st|nd|rd|th)?(?: of)? \Z")
_DATING = re.compile(
    r"\b(?:in|of|since|by|until|till|from|to|between|early|late|mid|last|next|this|each|every|before|after|during)\s\Z"
)
_NUMBER_BEHIND = re.compile(r"\.?,?\s?\d")
_MONTH_NAMED = rf"(?:{'|'.join(name[:3] for name in _MONTHS)})[a-z]*\.?"
_MONTH_BEFORE = re.compile(rf"\b{_MONTH_NAMED}\s?\Z")
_MONTH_BEHIND = re.compile(rf"(?:st|nd|rd|th)?(?: of)? {_MONTH_NAMED}(?![a-z])")
_FORENOON = re.compile(r"(?:上午|早上|早晨|清晨|凌晨|清早)\s?\Z")
_AFTERNOON = re.compile(r"(?:下午|晚上|晚间|傍晚|夜间|夜里|中午)\s?\Z")
_NUMERAL = "[一二两三四五六七八九十]{1,3}"
_CLOCK = re.compile(
    rf"(?P<hour>\d{{1,2}}|{_NUMERAL})"
    rf"(?:\s?:\s?(?P<minute>[0-5]\d)(?![\d:])|\s?[点时](?P<part>半|整|[一三]刻|(?:[0-5]?\d|{_NUMERAL})分)?钟?"
    r"|(?=\s?[ap]\.?m\b))(?:\s?(?P<half>[ap])\.?m\b\.?)?"
)
_PARTS: Final = {"半": 30, "整": 0, "一刻": 15, "三刻": 45}
_NOON: Final = 12
_HOURS: Final = 24


def weekday(word: str) -> int:
    """Return the day that a word of `CALENDAR` names: 1 is Monday, 7 Sunday."""
    if word[-1] in "日天":
        return len(_WEEKDAYS)
    return "一二三四五六".find(word[-1]) + 1 or _WEEKDAYS.index(word.removesuffix("s")) + 1


def month(word: str, folded: str, start: int, end: int) -> int | None:
    """Return the month, from 1, that a word names there, or None where "may" or "march" is no month."""
    if word in ("may", "march"):
        before = folded[max(0, start - 12) : start]
        if not (_DATING.search(before) or _DAY_BEFORE.search(before) or _NUMBER_BEHIND.match(folded, end)):
            return None
    return next(number for number, name in enumerate(_MONTHS, start=1) if name.startswith(word))


def ordinal(word: str) -> int:
    """Return the number that an ordinal word of `CALENDAR` stands for."""
    return _ORDINALS.index(word) + 1


def is_day_of_month(folded: str, start: int, end: int) -> bool:
    """Say whether the digits at a span stand beside the name of a month, as in `3 April` and `April 3`."""
    if end - start > 2:
        return False
    return bool(_MONTH_BEFORE.search(folded, max(0, start - 12), start) or _MONTH_BEHIND.match(folded, end))


def time_of_day(folded: str, start: int) -> tuple[str, str, int] | None:
    """Return time on the twelve-hour clock, half of the day ("" where it is not said) and end of a time; else None.

    `下午3点`, `15:00` and `3 p.m.` are ("3:00", "afternoon"). Bare `三点` may be three of anything: that is no time.
    """
    match = _CLOCK.match(folded, start)
    if match is None:
        return None
    spelled = not match["hour"].isascii()
    said = _half_of_day(folded[max(0, start - 3) : start], match["half"])
    if not said and not match["minute"] and not match["part"] and (spelled or folded[start - 1 : start] == "第"):
        return None
    hour = int(chinese_value(match["hour"]) or 0) if spelled else int(match["hour"])
    if hour > _HOURS:
        return None
    if hour > _NOON:
        said = "forenoon" if hour == _HOURS else "afternoon"
    elif hour == _NOON and folded[max(0, start - 3) : start].rstrip()[-2:].startswith(("晚", "夜")):
        said = "forenoon"
    return f"{hour % _NOON}:{_minute(match):02}", said, match.end()


def half_of_day_before(folded: str, start: int) -> int:
    """Return where the half of the day that is named right before a time begins, or `start` where none is."""
    named = _FORENOON.search(folded, max(0, start - 3), start) or _AFTERNOON.search(folded, max(0, start - 3), start)
    return named.start() if named else start


def _half_of_day(before: str, letter: str | None) -> str:
    if letter:
        return "forenoon" if letter == "a" else "afternoon"
    return "forenoon" if _FORENOON.search(before) else "afternoon" if _AFTERNOON.search(before) else ""


def _minute(match: re.Match[str]) -> int:
    part = match["part"]
    if match["minute"] or not part:
        return int(match["minute"] or 0)
    if part in _PARTS:
        return _PARTS[part]
    numeral = part.removesuffix("分")
    return int(numeral) if numeral.isascii() else int(chinese_value(numeral) or 0)
