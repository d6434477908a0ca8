"""Numbers with their units, in digits and in words, so that `3亿元` and `3万元` differ and `二十一米` is `21 米`."""

from __future__ import annotations

import re

_DIGITS = re.compile(r"\d+(?:\.\d+)*")
_NUMERAL = re.compile(r"[零〇一二两三四五六七八九十百千万亿]+")
_WORD = re.compile(r"[a-z]+")
_MULTIPLIERS = {"万": 10**4, "亿": 10**8, "thousand": 10**3, "million": 10**6, "billion": 10**9}
_MULTIPLIER = re.compile(rf"\s?({'|'.join(_MULTIPLIERS)})")
_UNIT = re.compile(
    r"\s?(%|‰|°[cf]|年|月|日|天|小时|分钟|秒|岁|公里|千米|厘米|毫米|英尺|英里|米|千克|公斤|克|吨|元|美元|欧元|人|次|个|名|种|倍|层|页"
    r"|(?:[gmkt]b|km|cm|mm|kg|mg|years?|months?|weeks?|days?|hours?|minutes?|seconds?|met(?:er|re)s?|kilomet(?:er|re)s?"
    r"|miles?|feet|foot|inch(?:es)?|grams?|kilograms?|pounds?|tons?|dollars?|euros?|percent)\b)"
)
_ALIKE = {
    "公里": "km", "千米": "km", "公斤": "kg", "千克": "kg", "厘米": "cm", "毫米": "mm", "米": "meter", "英尺": "feet",
    "英里": "mile", "克": "gram", "吨": "ton", "小时": "hour", "分钟": "minute", "秒": "second", "美元": "dollar",
    "欧元": "euro", "名": "人", "天": "日", "foot": "feet", "inches": "inch", "percent": "%", "metre": "meter",
    "kilometre": "km", "kilometer": "km", "kilogram": "kg",
}  # fmt: skip
_CHINESE_DIGITS = {character: value for value, character in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2}
_CHINESE_POWERS = {"十": 10, "百": 100, "千": 1000}
_ENGLISH_WORDS = "zero one two three four five six seven eight nine ten eleven twelve"
_ENGLISH = {word: value for value, word in enumerate(_ENGLISH_WORDS.split())}

Number = tuple[str, str]
"""Value and unit; the unit is "" where none of the known ones follows."""


def numbers_in(folded: str) -> list[Number]:
    """Return the numbers of a folded text, bare Chinese digits left out: 一 and 两 without a unit are mostly words."""
    found = [_number(match[0], folded[match.end() : match.end() + 20]) for match in _DIGITS.finditer(folded)]
    for match in _NUMERAL.finditer(folded):
        value = _chinese_value(match[0])
        unit = _unit(folded[match.end() : match.end() + 20])
        joined = folded[match.start() - 1 : match.start()].isdigit()  # the 亿 of `3亿` belongs to its digits
        if value is not None and not joined and (unit or len(match[0]) > 1):
            found.append((str(value), unit))
    for match in _WORD.finditer(folded):
        if match[0] in _ENGLISH:
            found.append(_number(str(_ENGLISH[match[0]]), folded[match.end() : match.end() + 20]))
    return found


def without_numbers(folded: str) -> str:
    """Return a folded text with a space in place of each number that `numbers_in` would find, its unit kept."""
    bare = _DIGITS.sub(" ", folded)
    bare = _NUMERAL.sub(lambda match: " " if len(match[0]) > 1 or _unit(bare[match.end() :]) else match[0], bare)
    return _WORD.sub(lambda match: " " if match[0] in _ENGLISH or match[0] in _MULTIPLIERS else match[0], bare)


def missing_number(folded_claim: str, folded_evidence: str) -> str:
    """Return the first number of the claim that the evidence does not hold with an agreeing unit, or ""."""
    held: dict[str, set[str]] = {}
    for value, unit in numbers_in(folded_evidence):
        held.setdefault(value, set()).add(unit)
    for value, unit in numbers_in(folded_claim):
        units = held.get(value)
        if units is None or (unit and "" not in units and unit not in units and not _foreign(unit, units)):
            return f"{value}{unit}"
    return ""


def _foreign(unit: str, units: set[str]) -> bool:
    """Say whether the units are of the other language, where spelling says nothing."""
    return all(unit.isascii() != other.isascii() for other in units)


def _number(digits: str, rest: str) -> Number:
    if digits.count(".") > 1:
        return digits, ""  # a version number
    factor = _MULTIPLIER.match(rest)
    value = float(digits) * _MULTIPLIERS[factor[1]] if factor else float(digits)
    return f"{value:.15g}", _unit(rest[factor.end() :] if factor else rest)


def _unit(rest: str) -> str:
    match = _UNIT.match(rest)
    if not match:
        return ""
    unit = match[1]
    if unit.isascii() and unit.isalpha() and len(unit) > 3 and unit != "inches":
        unit = unit.removesuffix("s")
    return _ALIKE.get(unit, unit)


def _chinese_value(numeral: str) -> int | None:
    """Return the value of a Chinese numeral, or None where it is none (as 万 alone)."""
    if all(character in _CHINESE_DIGITS for character in numeral):
        return int("".join(str(_CHINESE_DIGITS[character]) for character in numeral))
    total = section = digit = 0
    for character in numeral:
        if character in _CHINESE_DIGITS:
            digit = _CHINESE_DIGITS[character]
        elif character in _CHINESE_POWERS:
            section += (digit or 1) * _CHINESE_POWERS[character]
            digit = 0
        else:
            if not total + section + digit:
                return None
            total = (total + section + digit) * _MULTIPLIERS[character]
            section = digit = 0
    return total + section + digit
