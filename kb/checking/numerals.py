"""The values of Chinese numerals and of English number words."""

from __future__ import annotations

import re
from typing import Final

_CHINESE_DIGITS: Final = {character: value for value, character in enumerate("零一二三四五六七八九")} | {
    "〇": 0,
    "两": 2,
}
_CHINESE_POWERS: Final = {"十": 10, "百": 100, "千": 1000}
_CHINESE_MULTIPLIERS: Final = {"万": 10**4, "亿": 10**8}
_SMALL = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
)
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
ENGLISH_VALUES: Final = {word: value for value, word in enumerate(_SMALL.split())} | {
    word: 10 * value for value, word in enumerate(_TENS.split(), start=2)
}
"""Words for 0 to 19 and for the tens."""
ENGLISH_MULTIPLIERS: Final = {"hundred": 10**2, "thousand": 10**3, "million": 10**6, "billion": 10**9}


# More characters or words than any number that means something is written with.
_LONGEST: Final = 24


def chinese_value(numeral: str) -> float | None:
    """Return the value of a Chinese numeral such as 两千五百万 or 三点五, or None where it is none (as 万 alone)."""
    if len(numeral) > _LONGEST:
        return None
    whole, point, decimals = numeral.partition("点")
    value = _chinese_integer(whole)
    if value is None or not point:
        return value
    digits = "".join(str(_CHINESE_DIGITS[character]) for character in decimals)
    return float(f"{value}.{digits}")


def _chinese_integer(numeral: str) -> int | None:
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
            total = (total + section + digit) * _CHINESE_MULTIPLIERS[character]
            section = digit = 0
    return total + section + digit


def english_value(words: str) -> float | None:
    """Return the value of number words such as `twenty-one` or `three hundred and five`, None for `million` alone."""
    total = section = 0
    found = re.findall("[a-z]+", words)
    if len(found) > _LONGEST:
        return None
    for word in found:
        if word in ENGLISH_VALUES:
            section += ENGLISH_VALUES[word]
        elif word == "hundred":
            section = (section or 1) * ENGLISH_MULTIPLIERS[word]
        elif word in ENGLISH_MULTIPLIERS:
            if not section:
                return None
            total, section = total + section * ENGLISH_MULTIPLIERS[word], 0
    return float(total + section)
