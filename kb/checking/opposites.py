"""Words that exclude each other when they are said of the same thing. All texts are folded."""

from __future__ import annotations

import re
from typing import Final

_DENIED = re.compile(r"不得?|未|没有?|无|别|\b(?:not|no|never)\s|n't\s")
_PAIRS: Final = (
    (
        "增加|增长|增至|上升|提高|提升|上涨|升高|上调|升至|扩大|延长",
        "减少|下降|降低|降至|下跌|下调|缩小|下滑|减至|缩短",
    ),
    (
        "(?<!不)(?:允许|可以|准许|有权|适用于)",
        "禁止|严禁|不得|不准|不许|禁用|不可以?|无权|不适用于|不能",
    ),
    ("(?<!不)(?:必须|应当|须|需要)(?!不)", "无需|不必|无须|不需要|毋须|不用|可以不|可不"),
    ("赞成|同意|支持|批准|通过了", "反对|拒绝|否决|驳回"),
    ("最[高大多长早快前]", "最[低小少短晚慢后]"),
    ("免费", "收费|付费"),
    ("之前|以前|先于", "之后|以后"),
    ("启用|开通|恢复|启动|生效|继续|照常", "停用|关闭|暂停|注销|停止|失效|废止|中止|终止"),
    ("打开|开启|接通", "关闭|关上|切断|断开"),
    ("变更|变化|改变|改动|变动", "不变|未变|照旧"),
    ("完整|齐全|完备|完好", "缺失|不全|残缺|遗漏|破损"),
    ("上架|上线", "下架|下线"),
    ("入职|到职|就职", "离职|辞职"),
    ("开放|开门|(?<!不)营业|开馆", "闭馆|关门|停业|歇业|休息|不营业|不开放"),
    ("合格|达标", "不合格|不达标|未达标"),
    ("成功", "失败"),
    ("盈利|盈余", "亏损"),
    ("高于|多于|大于|超过|超出|优于|早于", "低于|少于|小于|不足|不及|劣于|晚于"),
    ("公开", "保密|不公开|内部"),
    ("临时", "永久|长期"),
    ("内部", "外部"),
    ("批发", "零售"),
    ("出口", "进口"),
    ("线上", "线下"),
    ("有效", "无效|失效"),
    (r"increas\w*|rises?|rose|risen|rising|grow\w*|grew", r"decreas\w*|falls?|fell|fallen|drop\w*|declin\w*"),
    (r"before", r"after"),
    (r"more|higher|larger|longer|greater|older|above", r"less|fewer|lower|smaller|shorter|younger|below"),
    (r"first|earliest", r"last|latest"),
    (r"allow\w*|permit\w*", r"forbid\w*|forbade|prohibit\w*|ban(?:s|ned)?"),
    (r"accept\w*|approv\w*", r"reject\w*|refus\w*|declin\w*"),
    (r"wins?|won", r"loses?|lost"),
    (r"maximum|at most", r"minimum|at least"),
    (r"includ\w*", r"exclud\w*"),
    (r"open(?:s|ed)?", r"clos(?:e|es|ed)"),
    (r"adds?|added|introduc\w*", r"drop(?:s|ped)?|remov\w*|discontinu\w*"),
    (r"enabl\w*", r"disabl\w*"),
    (r"start(?:s|ed)?|beg[aiu]ns?|resum\w*", r"stop(?:s|ped)?|ends?|ended|shut down|suspend\w*|ceas\w*"),
    (r"mandatory|required|compulsory", r"optional|voluntary"),
    (r"pass(?:es|ed)?|succeed\w*", r"fail(?:s|ed)?"),
    (r"buy(?:s|ers?)?|bought|purchas\w*", r"sells?|sold|sellers?"),
    (r"join(?:s|ed)?|hired?", r"resign\w*|leaves?|quit"),
    (r"internal\w*", r"external\w*"),
    (r"public\w*", r"private\w*|confidential"),
    (r"monthly|every month|each month", r"weekly|every week|daily|every day|quarterly|yearly|annual(?:ly)?"),
    (r"weekly|every week|each week", r"daily|every day|quarterly|yearly|annual(?:ly)?"),
    (r"每[个]?月", r"每[个]?季度?|每周|每[日天]|每年|每半年"),
    (r"每周", r"每[个]?季度?|每[日天]|每年|每半年"),
    (r"每[日天]", r"每[个]?季度?|每年|每半年"),
    (r"每年", r"每[个]?季度?|每半年"),
)
_OPPOSITES: Final = tuple(
    tuple(re.compile(rf"\b(?:{side})\b" if side.isascii() else side) for side in pair) for pair in _PAIRS
)
_DENIAL_WINDOW: Final = 5


def opposite(claim: str, clause: str) -> tuple[str, str]:
    """Return the word of a claim of which the clause says the opposite, and the one that says it; else ("", "").

    Words that both have are left out: 产量增加 goes against 产量下降 though 气温上升 stands on either side. None where
    either side then has both words, or one of the two is denied.
    """
    for pair in _OPPOSITES:
        ours_said = {match[0] for side in pair for match in side.finditer(claim)}
        if not ours_said:
            continue
        shared = ours_said & {match[0] for side in pair for match in side.finditer(clause)}
        ours, theirs = (_without(text, shared) for text in (claim, clause))
        for one, other in (pair, pair[::-1]):
            said, written = one.search(ours), other.search(theirs)
            if said is None or written is None or other.search(ours) or one.search(theirs):
                continue
            if not _denied(ours, said.start()) and not _denied(theirs, written.start()):
                return said[0], written[0]
    return "", ""


def _without(text: str, words: set[str]) -> str:
    """Return a text with as many dots in the place of each of the words, so that offsets stay."""
    for word in words:
        text = text.replace(word, "·" * len(word))
    return text


def _denied(text: str, at: int) -> bool:
    """Say whether a word is denied by what stands right before it."""
    return _DENIED.search(text[max(0, at - _DENIAL_WINDOW) : at]) is not None
