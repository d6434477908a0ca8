"""Folding: the one form of a text that matching looks at. Offsets into folded text mean nothing outside."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from indexes.errors import ConfigurationError

FOLD_VERSION = 1
"""Raised whenever `fold` or `terms` gives another result for some text: indexes made before must be rebuilt."""

_UNICODE_SIZE = 0x110000
_HAN_BLOCKS = ((0x3400, 0x4DC0), (0x4E00, 0xA000), (0xF900, 0xFB00), (0x20000, 0x323B0))
_PLAIN_BLOCKS = ((0x0000, 0x0300), (0x0370, 0x0530), (0x2000, 0x2070), (0x3000, 0x3100), (0xFF00, 0xFFF0))
# Variants that are not Traditional and Simplified forms of one character but are used alike, and marks that look
# alike. Both sides of a match fold, so that a question matches in either spelling.
_ALIKE = {"著": "着", "妳": "你", "祂": "他", "牠": "它", "衹": "只", "祇": "只", "甚": "什", "锺": "钟", "藉": "借",
          "瞭": "了", "’": "'", "‘": "'", "ʼ": "'", "‐": "-", "‑": "-", "–": "-", "−": "-", "‧": "·"}  # fmt: skip
# Soft hyphen, combining grapheme joiner, Arabic letter mark, Mongolian vowel separator and variation selectors,
# zero-width and bidirectional controls, variation selectors, byte-order mark and tag characters.
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff"
    "\U000e0000-\U000e007f\U000e0100-\U000e01ef]"
)
# Each expression begins with a literal, so that texts without it are skimmed at memory speed.
_THOUSANDS = re.compile(r",(?<=[0-9],)(?=[0-9]{3}(?![0-9]))")
_YEAR_MARK = re.compile("年(?<=[〇零一二三四五六七八九]{4}年)")
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
    folded = _THOUSANDS.sub("", _characters(text))
    if _YEAR_MARK.search(folded):
        folded = _YEAR.sub(lambda match: "".join(str(_DIGITS[character]) for character in match[0]), folded)
    return _PERCENT.sub(_percent, folded) if "百分之" in folded else folded


def code_points(text: str) -> NDArray[np.uint32]:
    """Return the code points of `text`, lone surrogates included, as an array of shape (len(text),)."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")


def text_of(points: NDArray[np.uint32]) -> str:
    """Return the text of these code points, whatever the array's shape."""
    return points.astype("<u4", copy=False).tobytes().decode("utf-32-le", "surrogatepass")


def _characters(text: str) -> str:
    """Return NFKC, case folding and simplification of `text`, invisible characters dropped.

    Characters that fold to one character each, whatever stands beside them, go through one table; a text with any
    other goes the long way.
    """
    table, plain = _folding_tables()
    points = code_points(text)
    if plain[points].all():
        return text_of(table[points])
    composed = _INVISIBLE.sub("", unicodedata.normalize("NFKC", text).casefold())
    return text_of(_simplification_table()[code_points(composed)])


@lru_cache(maxsize=1)
def _folding_tables() -> tuple[NDArray[np.uint32], NDArray[np.bool_]]:
    """Return what each code point folds to, and for which code points that holds in every context.

    Those are the ordinary characters of Chinese, Latin, Greek and Cyrillic texts. Left out: what expands, vanishes or
    composes with a neighbour.
    """
    table = _simplification_table().copy()
    plain = np.zeros(_UNICODE_SIZE, dtype=np.bool_)
    for first, end in _PLAIN_BLOCKS:
        for point in range(first, end):
            folded = unicodedata.normalize("NFKC", chr(point)).casefold()
            if len(folded) == 1 and not unicodedata.combining(folded) and not _INVISIBLE.match(folded):
                table[point] = table[ord(folded)]
                plain[point] = True
    plain[0x3400:0xA000] = True  # unified ideographs have no decomposition
    return table, plain


@lru_cache(maxsize=1)
def _simplification_table() -> NDArray[np.uint32]:
    """Return for each code point the one it folds to: OpenCC's Traditional to Simplified, a character at a time.

    Single characters are enough because both sides of a match are folded alike: a character of two readings
    (乾隆, 乾燥) goes the same way everywhere. Building the table takes about 15 ms.
    """
    import opencc

    table = np.arange(_UNICODE_SIZE, dtype=np.uint32)
    before = np.concatenate([np.arange(first, end, dtype=np.uint32) for first, end in _HAN_BLOCKS])
    # A line break after each character: no phrase rule can reach over it, and any that expands shows itself.
    lines = np.full((before.size, 2), ord("\n"), dtype=np.uint32)
    lines[:, 0] = before
    converted = code_points(opencc.OpenCC("t2s").convert(text_of(lines)))
    if converted.size != lines.size:
        raise ConfigurationError("this version of OpenCC turns single characters into several; install the pinned one")
    table[before] = converted[::2]
    for variant, form in _ALIKE.items():
        table[ord(variant)] = ord(form)
    # A second look-up ends chains at one form, so that folding twice changes nothing.
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
