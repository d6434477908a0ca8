"""The numerals that lists count in: how word processors write the n-th of a list."""

from __future__ import annotations

from collections.abc import Callable

_ROMAN = (
    (1000, "M"), (900, "CM"), (500, "D"), (400, "CD"), (100, "C"), (90, "XC"), (50, "L"), (40, "XL"), (10, "X"),
    (9, "IX"), (5, "V"), (4, "IV"), (1, "I"),
)  # fmt: skip
_STEMS = "甲乙丙丁戊己庚辛壬癸"
_BRANCHES = "子丑寅卯辰巳午未申酉戌亥"
_LARGEST = 99_999


def roman(number: int) -> str:
    """Return a number from 1 on in Roman capitals."""
    parts: list[str] = []
    for value, letters in _ROMAN:
        count, number = divmod(number, value)
        parts.append(letters * count)
    return "".join(parts)


def letters(number: int) -> str:
    """Return the n-th letter; after z come aa, bb and so on, as word processors have it."""
    return chr(ord("a") + (number - 1) % 26) * ((number - 1) // 26 + 1)


def counted(number: int, digits: str = "零一二三四五六七八九", units: str = "十百千万") -> str:
    """Return a number from 1 to 99,999 as it is said in Chinese: 十, 二十一, 一百零一."""
    said = ""
    for place, figure in enumerate(reversed(str(number))):
        unit = units[place - 1] if place else ""
        if figure != "0":
            said = digits[int(figure)] + unit + said
        elif said and not said.startswith(digits[0]):
            said = digits[0] + said
    return said.removeprefix(digits[1]) if 10 <= number <= 19 and units[0] == "十" else said


def _digits(number: int, zero: str, others: str) -> str:
    return "".join((zero + others)[int(figure)] for figure in str(number))


def _from(row: str | range) -> Callable[[int], str]:
    """Return what takes the n-th of a row, and figures beyond its end."""
    marks = row if isinstance(row, str) else "".join(map(chr, row))
    return lambda number: marks[number - 1] if number <= len(marks) else str(number)


def _legal(digits: str) -> Callable[[int], str]:
    return lambda number: counted(number, digits, "拾佰仟万")


# By their names in WordprocessingML (ECMA-376, part 1, 17.18.59).
_FORMATS: dict[str, Callable[[int], str]] = {
    "decimalZero": lambda number: f"{number:02d}",
    "lowerLetter": letters,
    "upperLetter": lambda number: letters(number).upper(),
    "lowerRoman": lambda number: roman(number).lower(),
    "upperRoman": roman,
    "decimalFullWidth": lambda number: _digits(number, "０", "１２３４５６７８９"),
    "decimalFullWidth2": lambda number: _digits(number, "０", "１２３４５６７８９"),
    "decimalEnclosedCircle": _from(range(0x2460, 0x2474)),
    "decimalEnclosedCircleChinese": _from(range(0x2460, 0x2474)),
    "decimalEnclosedParen": _from(range(0x2474, 0x2488)),
    "decimalEnclosedFullstop": _from(range(0x2488, 0x249C)),
    "ideographTraditional": _from(_STEMS),
    "ideographZodiac": _from(_BRANCHES),
    "ideographEnclosedCircle": _from(range(0x3280, 0x328A)),
    "ideographDigital": lambda number: _digits(number, "〇", "一二三四五六七八九"),
    "japaneseDigitalTenThousand": lambda number: _digits(number, "〇", "一二三四五六七八九"),
    "taiwaneseDigital": lambda number: _digits(number, "○", "一二三四五六七八九"),
    "chineseLegalSimplified": _legal("零壹贰叁肆伍陆柒捌玖"),
    "ideographLegalTraditional": _legal("零壹貳參肆伍陸柒捌玖"),
    **dict.fromkeys(
        ("chineseCounting", "chineseCountingThousand", "japaneseCounting", "taiwaneseCounting",
         "taiwaneseCountingThousand"),
        counted,
    ),
}  # fmt: skip


def written(number: int, numerals: str) -> str:
    """Return a number in the numerals of a name, in figures where the name is unknown; "" for `none` and bullets."""
    if numerals in ("none", "bullet"):
        return ""
    spelled = _FORMATS.get(numerals)
    return spelled(number) if spelled is not None and 0 < number <= _LARGEST else str(number)
