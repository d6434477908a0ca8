"""Units of measurement in both languages: one spelling and one scale for each dimension."""

from __future__ import annotations

import re
from typing import Final

# Spellings in folded text -> base unit and how many of it one is. What cannot be converted is a unit of its own.
_SCALED: Final[dict[str, tuple[str, float]]] = {
    spelling: (base, factor)
    for base, factor, spellings in (
        ("m", 1000.0, "公里 千米 km kilometer kilometers kilometre kilometres"),
        ("m", 1.0, "米 m meter meters metre metres"),
        ("m", 0.01, "厘米 cm centimeter centimeters centimetre centimetres"),
        ("m", 1e-9, "nm 纳米"),
        ("m", 0.001, "毫米 mm millimeter millimeters millimetre millimetres"),
        ("mile", 1.0, "英里 mile miles"),
        ("foot", 1.0, "英尺 foot feet ft"),
        ("inch", 1.0, "英寸 inch inches"),
        ("m2", 1e6, "平方公里 平方千米"),
        ("m2", 1e4, "公顷 hectare hectares"),
        ("m2", 1.0, "平方米"),
        ("mu", 1.0, "亩"),
        ("m3", 1.0, "立方米"),
        ("g", 1000.0, "公斤 千克 kg kilogram kilograms"),
        ("g", 1.0, "克 g gram grams"),
        ("g", 0.001, "毫克 mg milligram milligrams"),
        ("g", 1e6, "吨 ton tons tonne tonnes"),
        ("pound", 1.0, "pound pounds lb lbs"),
        ("l", 1.0, "升 liter liters litre litres"),
        ("l", 0.001, "毫升 ml milliliter milliliters millilitre millilitres"),
        ("second", 3600.0, "小时 hour hours"),
        ("second", 60.0, "分钟 minute minutes"),
        ("second", 1.0, "秒 秒钟 second seconds"),
        ("year", 1.0, "年 year years"),
        ("month", 1.0, "个月 month months"),
        ("month of year", 1.0, "月 月份"),
        ("week", 1.0, "周 星期 个星期 week weeks"),
        ("day", 1.0, "日 天 号 day days"),
        ("year of age", 1.0, "岁 周岁"),
        ("yuan", 1.0, "元 块 yuan rmb cny"),
        ("dollar", 1.0, "美元 dollar dollars usd"),
        ("euro", 1.0, "欧元 euro euros eur"),
        ("yen", 1.0, "日元 yen jpy"),
        ("pound sterling", 1.0, "英镑 gbp"),
        ("hong kong dollar", 1.0, "港元 港币 hkd"),
        ("%", 1.0, "% percent"),
        ("‰", 1.0, "‰"),
        ("percentage point", 1.0, "百分点 个百分点"),
        ("°c", 1.0, "°c 摄氏度"),
        ("°f", 1.0, "°f 华氏度"),
        ("times", 1.0, "倍"),
        ("kb", 1.0, "kb"),
        ("mb", 1.0, "mb"),
        ("gb", 1.0, "gb"),
        ("tb", 1.0, "tb"),
        ("w", 1000.0, "千瓦 kw"),
        ("w", 1.0, "瓦 w watt watts"),
        ("w", 1e6, "兆瓦 mw"),
        ("wh", 1e3, "千瓦时 kwh"),
        ("wh", 1e6, "兆瓦时 mwh"),
        ("quarter", 1.0, "季度"),
        ("v", 1.0, "伏 v volt volts"),
    )
    for spelling in spellings.split()
}
# Counting words: which one is used is a matter of style, so they agree with each other and with none.
_COUNTING: Final = frozenset("人名位次个种层页件条台辆瓶箱册本座所家间项章节款级只张头站步轮场支届篇票块号楼排点时")
_SIGNS: Final = {"$": "dollar", "€": "euro", "£": "pound sterling", "¥": "yuan"}
_SPELLINGS: Final = sorted(_SCALED, key=len, reverse=True)
_UNIT: Final = re.compile(
    rf"\s?(?:({'|'.join(re.escape(one) for one in _SPELLINGS if not one[-1].isascii() or not one[-1].isalpha())})"
    rf"|({'|'.join(re.escape(one) for one in _SPELLINGS if one[-1].isascii() and one[-1].isalpha())})\b"
    rf"|([{''.join(sorted(_COUNTING))}]))"
)
COUNTING: Final = "counting word"
"""The unit of what is counted and not measured."""


def unit_at(folded: str, at: int) -> tuple[str, float, int]:
    """Return the base unit written at an offset, how many of it one is, and where it ends; ("", 1, at) for none."""
    match = _UNIT.match(folded, at)
    if match is None:
        return "", 1.0, at
    spelling = match[1] or match[2]
    if spelling is None:
        return COUNTING, 1.0, match.end()
    return (*_SCALED[spelling], match.end())


def sign_before(folded: str, at: int) -> str:
    """Return the currency whose sign stands right before an offset, or ""."""
    return _SIGNS.get(folded[at - 1 : at], "")


def is_unit(word: str) -> bool:
    """Say whether a folded word is the spelling of a unit."""
    return word in _SCALED


def agree(claimed: str, held: str) -> bool:
    """Say whether two units may stand for the same: equal, unwritten on one side, or both matters of style."""
    return claimed == held or "" in (claimed, held)
