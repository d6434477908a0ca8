"""The refusal sentences, and the recognition of a model's own refusal as one."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Final

from indexes.text import fold
from kb.records import Language

REFUSALS: Final[dict[Language, str]] = {
    "zh": "根据已有资料无法回答该问题。",
    "en": "The documents do not contain an answer to this question.",
}

# The phrases below are matched on folded text (lower case, Simplified, NFKC) without punctuation and spaces (Chinese)
# or with single spaces (English). A sentence must consist of the phrase, apart from an apology before it, so that an
# answer that merely mentions such a phrase is not taken for a refusal.
_SOURCES_ZH = r"(?:资料|信息|文档|文件|内容|材料|段落|知识库|上下文|原文|文本|文章|文中|文献)"
_ABOUT_ZH = r"(?:已有|现有|已知|当前|目前|所?提供|给出|给定|上述|以上|以下|检索到?|相关|有关|参考|这些|该|此|本|的|中|里|内|仅|只|您|你|我)"
_LEAD_ZH = r"(?:(?:非常|很|十分)?(?:抱歉|对不起|不好意思|遗憾)|您好|你好|但是?|不过|因此|所以)*"
_BASIS_ZH = rf"(?:(?:根据|依据|依照|按照|基于|从|在|由)?{_ABOUT_ZH}*(?:{_SOURCES_ZH}{_ABOUT_ZH}*)+(?:来看|而言)?)"
_OBJECT_ZH = r"(?:该|此|这个?|这一|上述|您|你|用户|提出|所问|问|关于|的|任何|相关|有关|具体|确切|准确)*"
_REFUSED_ZH = [
    rf"{_BASIS_ZH}?(?:我|我们|暂时|暂|均|都|并|也|还|是)*(?:无法|不能|不足以|未能|没法|难以)(?:准确|直接|完整|够)?"
    rf"(?:回答|得出|确定|找到|判断|解答|作答|给出|得知|获知|推断)(?:出|到)?{_OBJECT_ZH}(?:问题|答案|提问|信息)?(?:的|问题|答案)*",
    rf"(?:我)?(?:没有|未|未能|没能)(?:从{_BASIS_ZH})?(?:提供|找到|检索到|获得)(?:到)?(?:足够|充足|任何|与.{{1,20}}|的)*"
    r"(?:相关|有关)?的?(?:信息|资料|内容|答案)",
    r"(?:我)?不知道(?:答案|该问题的答案|这个问题的答案)?",
]
_OPEN_ZH = [
    rf"{_BASIS_ZH}(?:并|均|都|也|还)*(?:(?:没有|没|未|未能|没能|并未)(?:曾|有)?"
    r"(?:提供|包含|包括|提及|提到|找到|涉及|说明|给出|含有|记载|介绍|回答)|不(?:包含|涉及|含有?)|(?:没有|缺乏|缺少)(?:足够|任何|相关|有关|关于)).{0,40}",
    rf"{_BASIS_ZH}(?:我|我们|暂时|暂|均|都|并|也|还|是)*(?:无法|不能|未能|难以)(?:准确|直接|完整)?"
    r"(?:得出|确定|找到|判断|给出|得知|获知|推断|回答).{0,40}",
]
_LEAD_EN = (
    r"(?:(?:i am|i m|we are|we re)? ?(?:very |so )?sorry(?: but)? |i apologi[sz]e(?: but)? |apologies(?: but)? "
    r"|unfortunately |regrettably |however |but |therefore |thus )*"
)
_ABOUT_EN = r"(?:the |this |that |these |those |any |my |your |our |all |of |given |provided |available |known |supplied |retrieved |above |following |existing |current |context |relevant |reference )*"
_SOURCES_EN = (
    r"(?:information|context|documents?|passages?|materials?|texts?|sources?|content|excerpts?|knowledge base)"
)
_BASIS_EN = (
    rf"(?:(?:based on|according to|from|given|with|in|using) {_ABOUT_EN}{_SOURCES_EN}(?: provided| given| above)? )?"
)
_QUESTION_EN = r"(?:(?:this|that|the|your|his|her) )?(?:user s )?(?:specific )?(?:question|query)"
_TAIL_EN = (
    rf"(?: (?:with|from|based on|using|by|in|given) {_ABOUT_EN}{_SOURCES_EN}(?: provided| given| above| alone)?)?"
)
_REFUSED_EN = [
    rf"{_BASIS_EN}{_QUESTION_EN} (?:can not|cannot|can t|could not|couldn t) be answered(?: directly| accurately)?{_TAIL_EN}",
    rf"{_BASIS_EN}(?:there is |there isn t |i have |we have )?(?:not enough|enough|insufficient|no)"
    rf" (?:relevant |further )?(?:information|context|answer)(?: (?:has been|was|is|were))?(?: provided| given| available| found)?"
    rf"{_TAIL_EN}(?: to answer {_QUESTION_EN})?{_TAIL_EN}",
    rf"{_BASIS_EN}(?:i|we|it) (?:am |is |are )?(?:can not|cannot|can t|could not|couldn t|unable to|not able to|not possible to)"
    rf" (?:answer|find|determine|provide)(?: an?| the| any)?(?: answer| information)?(?: to| for| on| about)?"
    rf"(?: {_QUESTION_EN})?{_TAIL_EN}",
    rf"{_ABOUT_EN}{_SOURCES_EN}(?: provided| given| above)? (?:do not|does not|don t|doesn t|did not|didn t) "
    rf"(?:contain|provide|include|have|give|offer)(?: an?| the| any)? (?:answer|information)(?: (?:to|for|on|about))?(?: {_QUESTION_EN})?",
    r"(?:i|we) (?:do not|don t) know(?: the answer)?(?: to (?:this|that|the) question)?",
]
# These name what is missing in their own words. Only a sentence without marks is taken for a refusal on their account:
# "the file does not contain headers.[1]" is an answer.
_OPEN_EN = [
    rf"{_ABOUT_EN}{_SOURCES_EN}(?: provided| given| above)? (?:do not|does not|don t|doesn t|did not|didn t|cannot|can not) "
    r"(?:contain|provide|include|mention|have|give|specify|state|say|offer|discuss|answer|address|cover)(?: .{0,100})?",
    rf"{_BASIS_EN}(?:there is |there isn t |i have |we have )?(?:not enough|enough|insufficient|no) (?:relevant |further )?"
    r"(?:information|context|answer)(?: available| provided| given)? (?:to|on|about|regarding|for|in) .{1,100}",
    rf"{_BASIS_EN}(?:i|we|it) (?:am |is |are )?(?:can not|cannot|can t|could not|unable to|not possible to) "
    r"(?:answer|find|determine|provide|tell|say) .{1,100}",
]
_CLOSED = (
    re.compile(f"{_LEAD_ZH}(?:{'|'.join(_REFUSED_ZH)})"),
    re.compile(f"{_LEAD_EN}(?:{'|'.join(_REFUSED_EN)})"),
)
_OPEN = re.compile(f"{_LEAD_ZH}(?:{'|'.join(_OPEN_ZH)})"), re.compile(f"{_LEAD_EN}(?:{'|'.join(_OPEN_EN)})")
_APOLOGY = re.compile(_LEAD_ZH), re.compile(_LEAD_EN)
_MARK = r"[\[【［〔]\^?\d[\d\s,，、;；-]*[\]】］〕]"
_MARKS = re.compile(_MARK)
_SENTENCE = re.compile(rf".+?(?:[。！？!?；;\n]|\.(?=\s|$|\[)|$)(?:\s*{_MARK})*", re.DOTALL)
_COMMA = re.compile("[,，]")
_MAXIMUM_SENTENCE = 200
# Every refusal has one of these near its beginning; other texts need not be held back while they stream.
_HINT_REACH = 16
_HINT = re.compile(
    r"抱歉|对不起|不好意思|遗憾|无法|不能|没|未|不足|不知|不包含|不涉及|缺|难以|根据|依据|依照|按照|基于|资料|信息|文档|文件|内容|材料|段落|知识库|上下文"
    r"|原文|文本|文章|文中|文献|sorry|apolog|unfortunately|regrettably|not|no |n't|n’t|insufficient|unable|document|information"
    r"|context|passage|material|source|text|content|excerpt|knowledge|question|based on|according|provided|given|available"
    r"|retrieved|supplied|existing|there is|i can|we can"
)


def refusal_text(language: Language) -> str:
    """Return the product's refusal sentence in the language of the question."""
    return REFUSALS[language]


def is_refusal(text: str) -> bool:
    """Say whether a generated text refuses: one of its first two sentences does, and the others cite nothing.

    A text whose other sentences carry `[n]` marks answers in part and is not a refusal.
    """
    pieces = _pieces(text)
    if not _HINT.search(fold(text[:_HINT_REACH])):
        return False
    position = next((index for index, piece in enumerate(pieces[:2]) if is_refusal_sentence(piece)), None)
    if position is None:
        return False
    others = pieces[:position] + pieces[position + 1 :]
    return not any(_MARKS.search(piece) and _bare(_MARKS.sub("", piece)) for piece in others)


def may_become_refusal(text: str) -> bool:
    """Say whether the beginning of a text that is still being generated may turn out to be a refusal."""
    if len(text) < _HINT_REACH and len(_pieces(text)) < 2:
        return True
    if not _HINT.search(fold(text[:_HINT_REACH])):
        return False
    pieces = _pieces(text)
    if len(pieces) <= 2 and len(pieces[-1]) <= _MAXIMUM_SENTENCE:
        return True
    return any(is_refusal_sentence(piece) for piece in pieces[:2])


def is_refusal_sentence(sentence: str) -> bool:
    """Say whether one sentence, marks and punctuation aside, is a refusal and nothing else."""
    if len(sentence) > _MAXIMUM_SENTENCE:
        return False
    bare = _MARKS.sub("", sentence)
    patterns = _CLOSED if bare != sentence else _CLOSED + _OPEN
    if _matches(bare, patterns):
        return True
    clauses = [clause for clause in _COMMA.split(bare) if not _matches(clause, _APOLOGY)]
    return len(clauses) > 1 and all(_matches(clause, patterns) for clause in clauses)


def _matches(text: str, patterns: Sequence[re.Pattern[str]]) -> bool:
    folded = _bare(text)
    return any(
        pattern.fullmatch(form) for pattern in patterns for form in (folded, folded.replace(" ", ""), f"{folded} ")
    )


def _pieces(text: str) -> list[str]:
    """Return the sentences of a text in which anything can be read; only the first two matter, so this is cheap."""
    return [match[0] for match in _SENTENCE.finditer(text) if _bare(match[0])]


def _bare(text: str) -> str:
    """Return folded letters and digits, other characters as single spaces."""
    kept = (character if unicodedata.category(character)[0] in "LN" else " " for character in fold(text))
    return " ".join("".join(kept).split())
