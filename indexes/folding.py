"""Folding: the one form of a text that matching looks at. Offsets into folded text mean nothing outside."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

FOLD_VERSION = 1
"""Raised whenever `fold` or `terms` gives another result for some text: indexes made before must be rebuilt."""

_UNICODE_SIZE = 0x110000
_HAN_BLOCKS = ((0x3400, 0x4DC0), (0x4E00, 0xA000), (0xF900, 0xFB00), (0x20000, 0x323B0))
# Written apart by convention and meant alike, beyond what a character-by-character Traditional table says;
# applied to both sides, so that a question matches in either spelling.
_ALIKE = {"著": "着", "妳": "你", "祂": "他", "牠": "它", "衹": "只", "祇": "只", "甚": "什", "麽": "么", "麼": "么",
          "於": "于", "徵": "征", "鍾": "钟", "锺": "钟", "乾": "干", "夥": "伙", "藉": "借", "瞭": "了", "餘": "余",
          "後": "后", "裏": "里", "裡": "里", "臺": "台", "佔": "占", "佈": "布", "週": "周", "係": "系", "託": "托",
          "’": "'", "‘": "'", "ʼ": "'", "‐": "-", "‑": "-", "–": "-", "−": "-", "•": "·", "‧": "·"}  # fmt: skip
# Soft hyphen, combining grapheme joiner, Arabic letter mark, Mongolian vowel separator and variation selectors,
# zero-width and bidirectional controls, variation selectors, byte-order mark and tag characters.
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff"
    "\U000e0000-\U000e007f\U000e0100-\U000e01ef]"
)
_THOUSANDS = re.compile(r"(?<=[0-9]),(?=[0-9]{3}(?![0-9]))")
_YEAR = re.compile("[〇零一二三四五六七八九]{4}(?=年)")
_PERCENT = re.compile("百分之([〇零一二两三四五六七八九十百点]{1,9}|[0-9]+(?:[.][0-9]+)?)")
_DIGITS = {character: value for value, character in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2}


def fold(text: str) -> str:
    """Return `text` as matching sees it; the length may change.

    NFKC (full-width forms, ligatures, compatibility characters), case folding, Traditional characters to Simplified
    one by one, invisible characters dropped, `1,000` as `1000`, `二〇〇八年` as `2008年`, `百分之三十` as `30%`.
    """
    if text.isascii():
        return _THOUSANDS.sub("", text.lower())
    folded = _INVISIBLE.sub("", unicodedata.normalize("NFKC", text).casefold())
    folded = _THOUSANDS.sub("", _simplified(folded))
    folded = _YEAR.sub(lambda match: "".join(str(_DIGITS[character]) for character in match[0]), folded)
    return _PERCENT.sub(_percent, folded) if "百分之" in folded else folded


def code_points(text: str) -> NDArray[np.uint32]:
    """Return the code points of `text`, lone surrogates included, as an array of shape (len(text),)."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")


def _simplified(text: str) -> str:
    mapped: NDArray[np.uint32] = _simplification_table()[code_points(text)]
    return mapped.astype("<u4", copy=False).tobytes().decode("utf-32-le", "surrogatepass")


@lru_cache(maxsize=1)
def _simplification_table() -> NDArray[np.uint32]:
    """Return for each code point the one it folds to: OpenCC's Traditional to Simplified, a character at a time.

    Single characters are enough because both sides of a match are folded alike: a character of two readings
    (乾隆, 乾燥) goes the same way everywhere. Building the table takes about 15 ms.
    """
    import opencc

    table = np.arange(_UNICODE_SIZE, dtype=np.uint32)
    characters = [chr(point) for first, end in _HAN_BLOCKS for point in range(first, end)]
    # One line a character: no phrase rule can reach over a line end.
    converted = opencc.OpenCC("t2s").convert("\n".join(characters)).split("\n")
    for before, after in zip(characters, converted, strict=True):
        if len(after) == 1:
            table[ord(before)] = ord(after)
    for before, after in _ALIKE.items():
        table[ord(before)] = ord(after)
    # A second look-up makes chains (祇 to 只 to 只) end at one form, so that folding twice changes nothing.
    folded: NDArray[np.uint32] = table[table]
    return folded


def _percent(match: re.Match[str]) -> str:
    whole, _, decimals = match[1].partition("点")
    if whole[:1].isascii():
        return f"{match[1]}%"
    value = _small_number(whole)
    if value is None or any(character not in _DIGITS for character in decimals):
        return match[0]
    fraction = "".join(str(_DIGITS[character]) for character in decimals)
    return f"{value}.{fraction}%" if fraction else f"{value}%"


def _small_number(numeral: str) -> int | None:
    """Return the value of a Chinese numeral up to 999, or None where it is not one (as 百十三)."""
    match = re.fullmatch(
        "(?:([一二两三四五六七八九])百)?(?:[零〇]?([一二三四五六七八九])?(十))?[零〇]?([一二三四五六七八九])?", numeral
    )
    if match is None or not numeral:
        return 0 if numeral in ("零", "〇") else None
    hundreds, tens, has_tens, ones = match.groups()
    value = 100 * _DIGITS[hundreds] if hundreds else 0
    value += 10 * (_DIGITS[tens] if tens else 1) if has_tens else 0
    value += _DIGITS[ones] if ones else 0
    return value or (0 if numeral in ("零", "〇") else None)
