"""Expressions for the ways in which models say that they cannot answer, in Chinese and English.

They are matched on folded text (lower case, Simplified, NFKC) of letters and digits alone: without spaces for Chinese,
with single spaces for English. Each is meant for a whole sentence or clause.
"""

from __future__ import annotations

import re
from typing import Final

_SOURCES_ZH = "(?:资料|信息|文档|文件|内容|材料|段落|知识库|上下文|原文|文本|文章|文中|文献)"
_ABOUT_ZH = (
    "(?:已有|现有|已知|当前|目前|所?提供|给出|给定|上述|以上|以下|检索到?"
    "|相关|有关|参考|这些|该|此|本|的|中|里|内|仅|只|您|你|我)"
)
_LEAD_ZH = "(?:(?:非常|很|十分)?(?:抱歉|对不起|不好意思|遗憾)|您好|你好|但是?|不过|因此|所以){0,6}"
_BASIS_ZH = f"(?:(?:根据|依据|依照|按照|基于|从|在|由)?{_ABOUT_ZH}*(?:{_SOURCES_ZH}{_ABOUT_ZH}*)+(?:来看|而言)?)"
_WHO_ZH = "(?:我们?|暂时?|均|都|并|也|还|是){0,4}"
_OBJECT_ZH = "(?:该|此|这个?|这一|上述|您|你|用户|提出|所问|问|关于|的|任何|相关|有关|具体|确切|准确)*"
_CLOSED_ZH = (
    f"{_BASIS_ZH}?{_WHO_ZH}(?:无法|不能|不足以|未能|没法|难以)(?:准确|直接|完整|够)?"
    "(?:回答|得出|确定|找到|判断|解答|作答|给出|得知|获知|推断)(?:出|到)?"
    f"{_OBJECT_ZH}(?:问题|答案|提问|信息)?(?:的|问题|答案)*",
    f"我?(?:没有|未|未能|没能)(?:从{_BASIS_ZH})?(?:提供|找到|检索到|获得)到?(?:足够|充足|任何|与.{{1,20}}|的)*"
    "(?:相关|有关)?的?(?:信息|资料|内容|答案)",
    "我?不知道(?:答案|该问题的答案|这个问题的答案)?",
)
_OPEN_ZH = (
    f"{_BASIS_ZH}(?:并|均|都|也|还)*(?:(?:没有|没|未|未能|没能|并未)(?:曾|有)?"
    "(?:提供|包含|包括|提及|提到|找到|涉及|说明|给出|含有|记载|介绍|回答)"
    "|不(?:包含|涉及|含有?)|(?:没有|缺乏|缺少)(?:足够|任何|相关|有关|关于)).{0,40}",
    f"{_BASIS_ZH}{_WHO_ZH}(?:无法|不能|未能|难以)(?:准确|直接|完整)?"
    "(?:得出|确定|找到|判断|给出|得知|获知|推断|回答).{0,40}",
)

_LEAD_EN = (
    "(?:(?:i am |i m |we are |we re )?(?:very |so )?sorry |i apologi[sz]e |apologies "
    "|unfortunately |regrettably |however |but |therefore |thus ){0,6}"
)
_ABOUT_EN = (
    "(?:the |this |that |these |those |any |my |your |our |all |of |given |provided |available |known |supplied "
    "|retrieved |above |following |existing |current |context |relevant |reference ){0,8}"
)
_SOURCES_EN = "(?:information|context|documents?|passages?|materials?|texts?|sources?|content|excerpts?|knowledge base)"
_GIVEN_EN = "(?: provided| given| above| alone)?"
_BASIS_EN = f"(?:(?:based on|according to|from|given|with|in|using) {_ABOUT_EN}{_SOURCES_EN}{_GIVEN_EN} )?"
_TAIL_EN = f"(?: (?:with|from|based on|using|by|in|given) {_ABOUT_EN}{_SOURCES_EN}{_GIVEN_EN})?"
_QUESTION_EN = "(?:(?:this|that|the|your|his|her) )?(?:user s )?(?:specific )?(?:question|query)"
_CANNOT_EN = "(?:can not|cannot|can t|could not|couldn t)"
_WE_CANNOT_EN = f"(?:i|we|it) (?:am |is |are )?(?:{_CANNOT_EN}|unable to|not able to|not possible to)"
_DO_NOT_EN = "(?:do not|does not|don t|doesn t|did not|didn t)"
_LITTLE_EN = "(?:there is |there isn t |i have |we have )?(?:not enough|enough|insufficient|no) (?:relevant |further )?"
_CLOSED_EN = (
    f"{_BASIS_EN}{_QUESTION_EN} {_CANNOT_EN} be answered(?: directly| accurately)?{_TAIL_EN}",
    f"{_BASIS_EN}{_LITTLE_EN}(?:information|context|answer)(?: (?:has been|was|is|were))?"
    f"(?: provided| given| available| found)?{_TAIL_EN}(?: to answer {_QUESTION_EN})?{_TAIL_EN}",
    f"{_BASIS_EN}{_WE_CANNOT_EN} (?:answer|find|determine|provide)(?: an?| the| any)?(?: answer| information)?"
    f"(?: to| for| on| about)?(?: {_QUESTION_EN})?{_TAIL_EN}",
    f"{_ABOUT_EN}{_SOURCES_EN}{_GIVEN_EN} {_DO_NOT_EN} (?:contain|provide|include|have|give|offer)(?: an?| the| any)? "
    f"(?:answer|information)(?: (?:to|for|on|about))?(?: {_QUESTION_EN})?",
    f"(?:i|we) (?:do not|don t) know(?: the answer)?(?: to {_QUESTION_EN})?",
)
_OPEN_EN = (
    f"{_ABOUT_EN}{_SOURCES_EN}{_GIVEN_EN} (?:{_DO_NOT_EN}|{_CANNOT_EN}) "
    "(?:contain|provide|include|mention|have|give|specify|state|say|offer|discuss|answer|address|cover)(?: .{0,100})?",
    f"{_BASIS_EN}{_LITTLE_EN}(?:information|context|answer)(?: available| provided| given)? "
    "(?:to|on|about|regarding|for|in) .{1,100}",
    f"{_BASIS_EN}{_WE_CANNOT_EN} (?:answer|find|determine|provide|tell|say) .{{1,100}}",
)

Patterns = tuple[re.Pattern[str], ...]

CLOSED: Final[Patterns] = (
    re.compile(f"{_LEAD_ZH}(?:{'|'.join(_CLOSED_ZH)})"),
    re.compile(f"{_LEAD_EN}(?:{'|'.join(_CLOSED_EN)})"),
)
"""Say that the question cannot be answered, and nothing else."""

OPEN: Final[Patterns] = (
    re.compile(f"{_LEAD_ZH}(?:{'|'.join(_OPEN_ZH)})"),
    re.compile(f"{_LEAD_EN}(?:{'|'.join(_OPEN_EN)})"),
)
"""Name what is missing in their own words. An answer may look like this too ("the file does not contain headers")."""

APOLOGY: Final[Patterns] = (re.compile(_LEAD_ZH), re.compile(_LEAD_EN))
"""Stand before a refusal."""

HINT: Final = re.compile(
    "抱歉|对不起|不好意思|遗憾|无法|不能|没|未|不足|不知|不包含|不涉及|缺|难以|根据|依据|依照|按照|基于"
    "|资料|信息|文档|文件|内容|材料|段落|知识库|上下文|原文|文本|文章|文中|文献"
    "|sorry|apolog|unfortunately|regrettably|not|no |n't|n’t|insufficient|unable|document|information|context|passage"
    "|material|source|text|content|excerpt|knowledge|question|based on|according|provided|given|available|retrieved"
    "|supplied|existing|there is|i can|we can"
)
"""One of these stands near the beginning of every refusal."""
