"""Claim and evidence laid side by side: the words of the one that stand where the other has different ones."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator
from difflib import SequenceMatcher
from typing import Final

from kb.checking.function_words import FUNCTION_CHARACTERS, FUNCTION_WORDS
from kb.checking.numbers import quantities

CLAUSE = re.compile(r"[，,；;。！？!?\n:：]|\.(?=\s|$)")
"""What stands between two clauses of a folded text."""
_TOKEN = re.compile(r"[a-z]+(?:'[a-z]+)?|[\u3400-\u9fff]")
# How much of a claim must stand in the evidence, in the same order, before one differing word counts as exchanged.
_ALIGNED: Final = 0.65
_MAXIMUM_WORD: Final = 4
# So many tokens before a place, the same on both sides, make it the same place in two statements.
_ANCHOR: Final = 3
_ASKING_TEXT = "是 为 在 由 于 至 到 从 达 叫 即 向 给 is was are were by in at from to with on"
_ASKING: Final = frozenset(_ASKING_TEXT.split())
_THINKING: Final = ("认为", "以为", "因为")
_COORDINATING: Final = frozenset("和与及或以跟同") | {"and", "or"}
FAMILY_NAMES = (
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林高罗郑梁谢宋唐许邓韩冯曹彭曾肖田董潘袁蔡蒋余于杜叶程魏苏吕丁任卢姚沈钟姜崔谭陆范汪廖石"
    "金韦贾夏付方邹熊白孟秦邱侯江尹薛闫段雷龙黎史陶贺毛郝顾龚邵万覃武钱戴严莫孔向常汤康易乔赖文鲁"
)
"""The commonest family names, one character each."""
_PLACES: Final = tuple([character] for character in "省市县区州国城镇村乡路街江河湖山岛")
_CONTRASTS_TEXT = (
    "东西南北中前后左右上下内外 大小 高低 多少 长短 早晚 男女 父母子女兄弟姐妹夫妻 甲乙丙丁 春夏秋冬 买卖 进出入 "
    "开关闭 首末尾 正负 冷热 黑白红黄蓝绿紫灰 新旧老 增减 升降 胜负败 生死 日月年周 金银铜铁锡 快慢 深浅 厚薄 "
    "轻重 强弱 软硬 收支付 借还 盈亏 输赢 公私 文理工商医法"
)
_CONTRASTS: Final = tuple(frozenset(group) for group in _CONTRASTS_TEXT.split())
# Auxiliaries that may stand for one another without changing what is said.
_AUXILIARY: Final = frozenset("要须应需可能会均皆各每内里中用所且")


def tokens(folded: str) -> list[str]:
    """Return Latin words, single characters, and numbers as `#value`, in order; punctuation is left out."""
    return [token for token, _ in _placed(folded)]


def clause_numbers(folded: str) -> list[int]:
    """Return the clause, counted from 0, of each of `tokens(folded)`."""
    breaks = [match.start() for match in CLAUSE.finditer(folded)]
    return [bisect_left(breaks, at) for _, at in _placed(folded)]


def _placed(folded: str) -> Iterator[tuple[str, int]]:
    """Yield each token with its offset."""
    at = 0
    for quantity in quantities(folded):
        yield from ((match[0], match.start()) for match in _TOKEN.finditer(folded, at, quantity.start))
        yield f"#{quantity.value}", quantity.start
        at = quantity.end
    yield from ((match[0], match.start()) for match in _TOKEN.finditer(folded, at))


def exchanged(claim: list[str], evidence: list[str], clauses: list[int]) -> str:
    """Return the word of the claim that stands where the evidence has an unrelated one, or "".

    A single character must tell apart. A word that the evidence has elsewhere counts only where its place is the same
    for sure: beside a run of the same words, and in another clause than its own or at the opening of its clause.
    `clauses` has the clause of each token of the evidence.
    """
    matcher = SequenceMatcher(None, claim, evidence, autojunk=False)
    if sum(block.size for block in matcher.get_matching_blocks()) < _ALIGNED * len(claim):
        return ""
    codes = matcher.get_opcodes()
    for index, (tag, start, end, first, last) in enumerate(codes):
        ours, theirs = claim[start:end], evidence[first:last]
        if tag != "replace" or max(len(ours), len(theirs)) > _MAXIMUM_WORD or len(ours) != len(theirs):
            continue
        if any(is_function(token) for token in (*ours, *theirs)) or _related(ours, theirs):
            continue
        if len(ours) == 1 and ours[0] >= "\u3400" and not _tells_apart(start, claim, theirs[0]):
            continue
        if not _stands_in(ours, evidence):
            return "".join(ours)
        before = codes[index - 1][2] - codes[index - 1][1] if index else 0
        behind = codes[index + 1][2] - codes[index + 1][1] if index + 1 < len(codes) else 0
        anchored = max(before if end == len(claim) or behind else 0, behind if start == 0 or before else 0) >= _ANCHOR
        opening = start == 0 and (first == 0 or clauses[first - 1] != clauses[first])
        elsewhere = opening or all(clauses[at] != clauses[first] for at in _places(ours, evidence))
        if anchored and elsewhere and not _listed_with(ours, theirs, evidence):
            return "".join(ours)
    return ""


def _tells_apart(at: int, claim: list[str], other: str) -> bool:
    """Say whether a single differing character makes another thing of a word, and not another word for the thing.

    That is so for opposites and directions, in a person's name, in the name of a place, and in a word of two
    characters that is the value asked for (位于上海, 位于上饶).
    """
    around = {claim[at], other}
    before = claim[max(0, at - 2) : at]
    return (
        any(around <= contrast for contrast in _CONTRASTS)
        or any(word in FAMILY_NAMES for word in before)
        or claim[at + 1 : at + 2] in _PLACES
        or (len(before) == 2 and before[0] in _ASKING and at + 1 == len(claim))
    )


def displaced(claim: list[str], evidence: list[str], clauses: list[int]) -> str:
    """Return what the claim puts right behind a word that asks for it, and the evidence in another clause, or "".

    So `总部设在成都` against `总部设在重庆，在成都有分部`.
    """
    matcher = SequenceMatcher(None, claim, evidence, autojunk=False)
    codes = matcher.get_opcodes()
    for before, between, behind in zip(codes, codes[1:], codes[2:], strict=False):
        asking, value = claim[before[1] : before[2]], claim[behind[1] : behind[2]]
        if (before[0], between[0], behind[0]) != ("equal", "insert", "equal") or len(asking) < _ANCHOR:
            continue
        if asking[-1] not in _ASKING or clauses[before[4] - 1] == clauses[behind[3]]:
            continue
        going_on = behind[2] < len(claim) or len(value) > _ANCHOR
        whole = evidence[behind[3] - 1] == asking[-1] and going_on
        if not whole and "".join(asking[-2:]) not in _THINKING and evidence[behind[3] - 1] not in _COORDINATING:
            return "".join(value)
    return ""


def _listed_with(ours: list[str], theirs: list[str], evidence: list[str]) -> bool:
    """Say whether two words stand side by side in the evidence, or with nothing but "and" and "or" between."""
    for one, other in ((theirs, ours), (ours, theirs)):
        for at in _places(one, evidence):
            following = at + len(one)
            while following < len(evidence) and evidence[following] in _COORDINATING:
                following += 1
            if evidence[following : following + len(other)] == other:
                return True
    return False


def _related(ours: list[str], theirs: list[str]) -> bool:
    """Say whether the words share a character, or Latin words their first four letters."""
    return bool(set(ours) & set(theirs)) or all(
        ours_word[0] != "#" and ours_word[:4] == theirs_word[:4]
        for ours_word, theirs_word in zip(ours, theirs, strict=True)
    )


def _stands_in(words: list[str], evidence: list[str]) -> bool:
    """Say whether a word stands elsewhere in the evidence; of a single Chinese character that says nothing."""
    return (len(words) > 1 or words[0] < "\u3400") and bool(_places(words, evidence))


def _places(words: list[str], evidence: list[str]) -> list[int]:
    size = len(words)
    return [at for at in range(len(evidence) - size + 1) if evidence[at : at + size] == words]


def is_function(token: str) -> bool:
    """Say whether a token holds a sentence together and says nothing by itself."""
    return token in FUNCTION_CHARACTERS or token in FUNCTION_WORDS or token in _AUXILIARY
