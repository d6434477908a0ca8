"""How likely decoded text is to be real text: the score behind decoding and behind noticing garbled pages.

Wrongly decoded text is still made of valid characters, but of rare ones: reading Big5 as GB18030 gives ideographs
that hardly occur, Latin-1 gives rows of accented letters, a wrong font map gives private-use characters or rare
Hangul. So each character outside ASCII has a weight by how usual its class is, and a text has their mean.
"""

from __future__ import annotations

import re
from functools import cache

import numpy as np
from numpy.typing import NDArray

# The commonest characters of modern Chinese, Simplified and Traditional, and of Japanese text.
_COMMON = (
    "的一是不了在人有我他这中大来上个国到说们为子和你地出道也时年得就那要下以生会自着去之过家学对可里后小么心多"
    "天而能好都然没日于起还发成事只作当想看文无开手十用主行方又如前所本见经头面公同三已老从动两长知民样现分将外"
    "但身些与高意进把法此实回二理美点月明其种声全工己话儿者向情部正名定女问力机给等几很业最间新什打便位因重被走"
    "电四第门相次东政海口使教西再平真听世气信北少关并内加化由却代军产入先山五太水万市件数据表系统文件网络程序命"
    "令安装软包版本用户需要可以如果提供支持使用设置运行目录默认选项信息注意说明以及或者其他必须通过进行服务中心"
    "這來個國說們為時會過學對裡後麼沒還發當開經頭動兩長樣現將與進實點種聲話兒問機給幾業間電門東氣關並內產萬"
    "從見無書場車體應變戰處軍員義黨區歷論設導農權認識條線結統題讓區術華運連總許際願請資質輕農達選適點黃龍廣"
    "日本語文字使用方法場合必要情報開発環境時間人間社会学校会社新聞東京"
    "，。、；：？！“”‘’（）《》「」『』—…·　"
)
_COMMON_HANGUL = (
    "이다는을의에고가를하지은도로서한기사자해나어리대시그인있수일아정제주상전부게것만보들여스장라구면원동우조"
    "과니과공마세비화적유국연성문경소미중무학개방생회안신거계년음선교진물선행발명분까요습없했되며"
)

_COMMON_WEIGHT, _USUAL_WEIGHT, _RARE_WEIGHT = 1.0, 0.5, -0.4
_SUSPECT_WEIGHT = -1.3
SAMPLE_CHARACTERS = 200_000
_PRIVATE = re.compile("[\ue000-\uf8ff\ufffd\U000f0000-\U0010ffff]")
_HANGUL = re.compile("[\uac00-\ud7a3]")
_USUAL_HANGUL = 0.35  # of the syllables of Korean text at least are among the commonest
_FOREIGN = re.compile(r"[^\x00-\x7e\xa0\u3000\s]+")


@cache
def _weights() -> NDArray[np.float32]:
    """Return the weight of each code point of the basic plane, shape (65536,), float32."""
    table = np.full(0x10000, 0.2, dtype=np.float32)
    ranges = (
        (0x0000, 0x0008, -3.0),  # control characters
        (0x000E, 0x001F, -3.0),
        (0x0009, 0x000D, 0.0),
        (0x001B, 0x001B, -1.0),
        (0x0020, 0x007E, 0.0),
        (0x007F, 0x009F, -3.0),
        (0x00A0, 0x00BF, -0.1),  # Latin-1 signs
        (0x00C0, 0x024F, 0.3),  # accented letters; see `score` for rows of them
        (0x0370, 0x03FF, 0.1),  # Greek
        (0x0400, 0x04FF, 0.5),  # Cyrillic
        (0x2000, 0x2BFF, 0.0),  # punctuation, arrows, mathematics, boxes
        (0x3000, 0x303F, 0.4),
        (0x3041, 0x3096, 0.8),  # Hiragana
        (0x30A0, 0x30FF, 0.5),  # Katakana
        (0x3100, 0x33FF, -0.3),
        (0x3400, 0x4DBF, -1.0),  # ideographs, extension A
        (0x4E00, 0x9FFF, _RARE_WEIGHT),
        (0xA000, 0xABFF, -0.5),
        (0xAC00, 0xD7A3, -0.4),  # Hangul
        (0xD800, 0xDFFF, -5.0),
        (0xE000, 0xF8FF, -2.0),  # private use
        (0xF900, 0xFAFF, -0.5),
        (0xFF01, 0xFF5E, 0.3),  # full-width forms
        (0xFF61, 0xFFDC, -0.6),  # half-width Katakana and Hangul
        (0xFFF0, 0xFFFF, -5.0),  # replacement character, non-characters
    )
    for first, last, weight in ranges:
        table[first : last + 1] = weight
    # The first levels of GB 2312 and Big5 hold the characters in daily use, Simplified and Traditional.
    for codec, leads in (("gb2312", range(0xB0, 0xD8)), ("big5", range(0xA4, 0xC7))):
        usual = b"".join(bytes((lead, trail)) for lead in leads for trail in (*range(0x40, 0x7F), *range(0xA1, 0xFF)))
        table[[ord(character) for character in usual.decode(codec, "ignore") if ord(character) >= 0x4E00]] = (
            _USUAL_WEIGHT
        )
    table[[ord(character) for character in _COMMON]] = _COMMON_WEIGHT
    table[[ord(character) for character in _COMMON_HANGUL]] = _COMMON_WEIGHT
    return table


def code_points(text: str) -> NDArray[np.uint32]:
    """Return the code points of `text`, shape (len(text),); lone surrogates are kept as they are."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)


def score(text: str) -> float:
    """Return how plausible `text` is: about -5 (rubbish) to 1 (common characters only); 1 for plain ASCII.

    The mean weight of the characters that are neither ASCII letters nor spaces and the like; a text with many
    control characters scores low even where all the rest is ASCII.
    """
    points = code_points(text[:SAMPLE_CHARACTERS])
    # ASCII that carries no information either way; control characters, in contrast, count.
    telling = points[(points > 0x7E) | (points < 0x09) | ((points > 0x0D) & (points < 0x20))]
    if telling.size == 0:
        return 1.0
    weights = np.full(telling.size, _RARE_WEIGHT, dtype=np.float32)  # beyond the basic plane: rare
    basic = telling < 0x10000
    weights[basic] = _weights()[telling[basic]]
    # Accented letters stand alone among plain ones; rows of them are another encoding read as Latin-1.
    latin = (points >= 0x00A1) & (points <= 0x024F)
    # Cyrillic letters stand in rows; one amid Latin letters is Latin-1 read as Windows-1251.
    cyrillic = (points >= 0x0400) & (points <= 0x04FF)
    plain = ((points | 0x20) >= 0x61) & ((points | 0x20) <= 0x7A)
    suspects = _beside(latin, latin) + _beside(cyrillic, plain)
    return (float(weights.sum()) + suspects * _SUSPECT_WEIGHT) / telling.size


def _beside(kind: NDArray[np.bool_], neighbour: NDArray[np.bool_]) -> int:
    """Return how many characters of one kind have one of another kind right before or after them."""
    found = np.zeros(kind.size, dtype=bool)
    found[:-1] |= neighbour[1:]
    found[1:] |= neighbour[:-1]
    return int((found & kind).sum())


def is_garbled(text: str) -> bool:
    """Tell whether a page's text is likely to be the product of a wrong font or encoding map.

    True for mojibake, Hangul syllables no Korean writes, rare ideographs, and where private-use characters are
    more than the odd symbol.
    """
    sample = text[:SAMPLE_CHARACTERS]
    named = _PRIVATE.sub("", sample)
    visible = sum(map(len, named.split()))
    private = len(sample) - len(named)
    if private > 0.3 * (visible + private):
        return True
    hangul = _HANGUL.findall(named)
    if len(hangul) >= 6 and sum(syllable in _COMMON_HANGUL for syllable in hangul) < _USUAL_HANGUL * len(hangul):
        return True
    foreign = sum(map(len, _FOREIGN.findall(named)))
    if foreign < 8 or foreign < 0.1 * visible:
        return False
    return score(named) < -0.1


def is_wordless(text: str) -> bool:
    """Tell whether a text has no letter at all: digits and marks only, as pages with unmapped fonts give."""
    return not any(character.isalpha() for character in text)
