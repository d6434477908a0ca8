"""Whether two differing words differ in what they say: opposites, names, other words of the same text, synonyms."""

from __future__ import annotations

from typing import Final

from kb.checking.function_words import is_function
from kb.checking.synonyms import are_synonyms

_ASKING_TEXT = "是 为 在 由 于 至 到 从 达 叫 即 向 给 is was are were by in at from to with on"
ASKING: Final = frozenset(_ASKING_TEXT.split())
"""Words behind which stands what is asked for."""
ANCHOR: Final = 3
"""So many tokens before a place, the same on both sides, make it the same place in two statements."""
FAMILY_NAMES: Final = (
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林高罗郑梁谢宋唐许邓韩冯曹彭曾肖田董潘袁蔡蒋余于杜叶程魏苏吕丁任卢姚沈钟姜崔谭陆范汪廖石"
    "金韦贾夏付方邹熊白孟秦邱侯江尹薛闫段雷龙黎史陶贺毛郝顾龚邵万覃武钱戴严莫孔向常汤康易乔赖文鲁"
)
"""The commonest family names, one character each."""
# Family names that are commonly the last character of a word, as in 方向 and 黄金.
_WORD_PARTS: Final = frozenset("向方于高江石金文白程段万钱马常部林路华成")
_PLACES: Final = tuple([character] for character in "省市县区州国城镇村乡路街江河湖山岛")
_CONTRASTS_TEXT = (
    "东西南北中前后左右上下内外 大小 高低 多少 长短 早晚 男女 父母子女兄弟姐妹夫妻 甲乙丙丁 春夏秋冬 买卖 进出入 "
    "开关闭 首末尾 正负 冷热 黑白红黄蓝绿紫灰 新旧老 增减 升降 胜负败 生死 日月年周 金银铜铁锡 快慢 深浅 厚薄 "
    "轻重 强弱 软硬 收支付 一二两三四五六七八九十 借还 盈亏 输赢 公私 文理工商医法"
)
_CONTRASTS: Final = tuple(frozenset(group) for group in _CONTRASTS_TEXT.split())


def tells_apart(at: int, claim: list[str], other: str) -> bool:
    """Say whether a single differing character makes another thing of a word, and not another word for the thing.

    That is so for opposites and directions, in a person's name, in the name of a place, and in a word of two
    characters that is the value asked for (位于上海, 位于上饶).
    """
    around = {claim[at], other}
    before = claim[max(0, at - 2) : at]
    return (
        any(around <= contrast for contrast in _CONTRASTS)
        or any(_opens_name(place, claim) for place in range(max(0, at - 2), at))
        or claim[at + 1 : at + 2] in _PLACES
        or (len(before) == 2 and before[0] in ASKING and at + 1 == len(claim))
    )


def _opens_name(at: int, claim: list[str]) -> bool:
    """Say whether a family name stands at a place; behind another content word some of them are parts of words."""
    inside = at > 0 and claim[at - 1] >= "\u3400" and not is_function(claim[at - 1])
    return claim[at] in FAMILY_NAMES and not (inside and claim[at] in _WORD_PARTS)


def another_word(at: int, claim: list[str], there: int, evidence: list[str]) -> bool:
    """Say whether a differing character makes a word, with a neighbour, that the evidence has of something else.

    So 空运 in the place of 海运 where the evidence speaks of both.
    """
    return (
        any(
            side >= 0
            and claim[side : side + 2] != evidence[other : other + 2]
            and places(claim[side : side + 2], evidence)
            for side, other in ((at - 1, there - 1), (at, there))
            if len(claim[side : side + 2]) > 1
            and all(word >= "\u3400" and not is_function(word) for word in claim[side : side + 2])
        )
        and _shared_around(at, claim, there, evidence) >= ANCHOR
    )


def _shared_around(at: int, claim: list[str], there: int, evidence: list[str]) -> int:
    """Return how many tokens on either side of a place are the same in both."""
    before = next(
        (size for size in range(min(at, there)) if claim[at - 1 - size] != evidence[there - 1 - size]), min(at, there)
    )
    room = min(len(claim) - at, len(evidence) - there) - 1
    behind = next((size for size in range(room) if claim[at + 1 + size] != evidence[there + 1 + size]), room)
    return before + behind


def are_related(ours: list[str], theirs: list[str]) -> bool:
    """Say whether the words stand for the same, share a character, or as Latin words their first four letters."""
    if are_synonyms("".join(ours), "".join(theirs)):
        return True
    return bool(set(ours) & set(theirs)) or all(
        ours_word[0] != "#" and ours_word[:4] == theirs_word[:4]
        for ours_word, theirs_word in zip(ours, theirs, strict=True)
    )


def places(words: list[str], evidence: list[str]) -> list[int]:
    """Return where a run of tokens stands among others."""
    size = len(words)
    return [at for at in range(len(evidence) - size + 1) if evidence[at : at + size] == words]
