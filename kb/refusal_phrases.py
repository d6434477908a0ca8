"""Expressions for the ways in which models say that they cannot answer, in Chinese and English.

They are matched on folded text (lower case, Simplified, NFKC) of letters and digits alone: without spaces for Chinese,
with single spaces for English. Each is meant for a whole sentence or clause.
"""

from __future__ import annotations

import re
from typing import Final

_SOURCES_ZH = "(?:资料片段|资料|信息|文档|文件|内容|材料|段落|片段|知识库|上下文|原文|文本|文章|文中|文献)"
_ABOUT_ZH = (
    "(?:已有|现有|已知|当前|目前|所?提供|给出|给定|上述|以上|以下|检索到?"
    "|相关|有关|参考|这些|该|此|本|的|中|里|内|仅|只|您|你|我|和|与|目前|由于|因为)"
)
_LEAD_ZH = (
    "(?:(?:非常|很|十分)?(?:抱歉|对不起|不好意思|遗憾的?是?)|您好|你好|但是?|不过|因此|所以|故"
    "|作为(?:一个|一名)?.{0,16}助[手理]){0,6}"
)
_BASIS_ZH = f"(?:(?:根据|依据|依照|按照|基于|从|在|由)?{_ABOUT_ZH}*(?:{_SOURCES_ZH}{_ABOUT_ZH}*)+(?:来看|而言)?)"
_WHO_ZH = "(?:我们?|暂时?|均|都|并|也|还|是){0,4}"
_OBJECT_ZH = "(?:该|此|这个?|这一|上述|您|你|用户|提出|所问|问|关于|的|任何|相关|有关|具体|确切|准确)*"
_QUESTION_ZH = "(?:(?:该|此|这个?|这一|上述|您的?|你的?)?(?:问题|提问)(?:的答案)?)"
_CLOSED_ZH = (
    f"{_WHO_ZH}(?:无法|不能|没法|难以){_BASIS_ZH}(?:来|去)?(?:准确|直接|完整)?(?:回答|得出|确定|找到|判断|解答|作答|给出)"
    f"{_OBJECT_ZH}(?:问题|答案|提问|信息)?(?:的|问题|答案)*",
    f"{_QUESTION_ZH}(?:已)?超出(?:了)?{_BASIS_ZH}(?:所)?(?:涵盖|覆盖|涉及)?的?(?:范围|内容)",
    f"{_QUESTION_ZH}{_BASIS_ZH}{_WHO_ZH}(?:没有|找不到|无)(?:明确|直接|相关)?的?(?:答案|回答|说明)",
    f"{_WHO_ZH}(?:在|从)?{_BASIS_ZH}?{_WHO_ZH}(?:找不到|查不到|未找到|没找到|没有找到)(?:任何|相关|有关|明确)*的?(?:答案|信息|资料|内容)",
    f"(?:{_BASIS_ZH}|目前|暂)?(?:没有|无|缺乏|缺少)(?:足够|充足|任何|相关|有关)*的?(?:信息|资料|内容|依据)(?:来|以|可以|可)?"
    f"(?:回答|解答|判断|确定)?{_OBJECT_ZH}(?:问题|答案)?",
    f"{_WHO_ZH}(?:无法|不能)(?:作答|回答|给出答案)|我?不清楚(?:答案)?",
    f"{_BASIS_ZH}?{_WHO_ZH}(?:无法|不能|不足以|未能|没法|难以)(?:准确|直接|完整|够)?"
    "(?:回答|得出|确定|找到|判断|解答|作答|给出|得知|获知|推断)(?:出|到)?"
    f"{_OBJECT_ZH}(?:问题|答案|提问|信息)?(?:的|问题|答案)*",
    f"我?(?:没有|未|未能|没能)(?:从{_BASIS_ZH})?(?:提供|找到|检索到|获得)到?(?:足够|充足|任何|与.{{1,20}}|的)*"
    "(?:相关|有关)?的?(?:信息|资料|内容|答案)",
    "我?不知道(?:答案|该问题的答案|这个问题的答案)?",
)
_OPEN_ZH = (
    f"{_BASIS_ZH}(?:并|均|都|也|还)*(?:(?:没有|没|未|未能|没能|并未)(?:曾|有|明确|具体|直接)*"
    "(?:写|写明|描述|记录|列出|指出|提供|包含|包括|提及|提到|找到|涉及|说明|给出|含有|记载|介绍|回答)"
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
_IN_EN = f"(?:in|from|by|within) {_ABOUT_EN}{_SOURCES_EN}{_GIVEN_EN}"
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
    f"(?:the |an )?(?:answer(?: to {_QUESTION_EN})?|(?:this |that |such )?information) "
    f"(?:{_CANNOT_EN} be (?:found|determined)"
    "|is not (?:provided|given|available|found|included|contained|present|stated))"
    f"(?: {_IN_EN})?",
    f"{_QUESTION_EN} is (?:outside|beyond|out of)(?: of)? the scope of {_ABOUT_EN}{_SOURCES_EN}{_GIVEN_EN}",
    f"{_ABOUT_EN}{_SOURCES_EN}{_GIVEN_EN} (?:is|are) silent (?:on|about) .{{1,60}}",
    f"(?:i|we) (?:{_DO_NOT_EN}) have (?:enough|sufficient|any) (?:relevant )?(?:information|context)"
    f"(?: to answer(?: {_QUESTION_EN}| that| this| it)?)?{_TAIL_EN}",
)
_OPEN_EN = (
    f"(?:none|neither|no part) of {_ABOUT_EN}{_SOURCES_EN}{_GIVEN_EN} (?:mentions?|contains?|provides?|states?|says?"
    "|specif(?:y|ies)|includes?|gives?|answers?|addresses|covers?)(?: .{0,100})?",
    f"it is not (?:stated|specified|mentioned|said|clear|possible to (?:tell|say|determine)) {_IN_EN} .{{1,100}}",
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

_ABSENT_ZH = (
    "(?:没有|没能|没|未能|未|无法|不能|不足|缺乏|缺少|找不到|查不到|无从|不包含|不涉及|不含|并无|暂无|超出)"
    "(?:.{0,14}(?:提供|提及|提到|包含|包括|涉及|说明|介绍|给出|找到|查到|得到|答案|信息|内容|资料|回答|作答|解答|判断|确定|得知|获知|推断|确认|描述|记载|记录|出现|显示|数据|范围)|$)"
)
_ABSENT_EN = (
    "(?:not|no|none|nothing|cannot|can t|don t|doesn t|isn t|aren t|didn t|wasn t|couldn t|unable|insufficient|lacks?"
    "|fails? to|neither|outside|beyond|silent)"
)
_TELLING_EN = (
    "(?:mention|contain|provide|include|specif|state|find|found|answer|determine|address|say|said|discuss|cover|give|tell"
    "|detail|descri|indicate|reveal|available|information|enough|sufficient|scope|silent)"
)

LOOSE: Final[tuple[tuple[re.Pattern[str], ...], ...]] = (
    (re.compile(_SOURCES_ZH), re.compile(_ABSENT_ZH)),
    (
        re.compile(
            r"\b(?:passages?|documents?|context|materials?|sources?|excerpts?|texts?|knowledge base|information)\b"
        ),
        re.compile(rf"\b{_ABSENT_EN}\b.{{0,80}}\b{_TELLING_EN}|\b{_TELLING_EN}\w*\b.{{0,40}}\b{_ABSENT_EN}\b"),
    ),
)
"""All of a group stand in a sentence that may be a refusal in other words; only where nothing is cited."""

DEMANDING: Final = re.compile(
    "须|必须|应当|应该|(?<!申)请|可以|不予|不得|禁止|否则|但|不过|然而|方可|才能|即可|将被"
    r"|\b(?:must|shall|should|may|need|needs|have to|has to|required|but|however"
    r"|though|although|except|unless|if|when)\b"
)
"""Says something beside what is missing: what is asked of somebody, or what there is instead."""

HINT: Final = re.compile(
    "抱歉|对不起|不好意思|遗憾|无法|不能|没|未|不足|不知|不包含|不涉及|缺|难以|根据|依据|依照|按照|基于"
    "|资料|信息|文档|文件|内容|材料|段落|片段|知识库|上下文|原文|文本|文章|文中|文献|问题|不清楚|暂|助手"
    "|sorry|apolog|unfortunately|regrettably|not|no |n't|n’t|insufficient|unable|document|informa|context|passage"
    "|material|source|text|content|excerpt|knowledge|question|based on|according|provided|given|available|retrieved"
    "|supplied|existing|there is|i can|we can|answer|none|neither"
)
"""One of these stands near the beginning of every refusal."""
