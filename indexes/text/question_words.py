"""Words that make a sentence a question and say nothing of its subject: left out of the query."""

from __future__ import annotations

import re

# What is counted or measured by them is the kind of the answer, not the subject of the question.
_MEASURES = (
    "工作日|自然日|小时|分钟|星期|公里|平方米|平米|百分点|公斤|钱|"
    "[天日月年周次名位人元块倍折号点岁米度层级台件张页款项种部家所座条份门套秒克吨]"
)
# Longest first within a family: an expression takes the first alternative that fits. Written in folded form.
_CHINESE = (
    "请问|请告诉我|请说明|请列举|你好|您好|谢谢|"
    "为什么|为甚么|为何|因何|何故|何以|"
    "是什么样的|什么样的?|怎么样的?|怎样的?|如何|怎么办|怎么|咋|"
    "什么时候|什么时间|什么地方|什么|什人|啥|何时|何地|何处|何人|何种|何事|何者|"
    "哪一[个位年月天种部家所座条些]|哪[个位年月天种部家所座条些里儿]|哪|"
    "是谁的?|谁的?|"
    f"(?:多少|几)(?:个?(?:{_MEASURES}))?|几[个些]|多大|多久|多长时间|多长|多高|多远|多重|"
    "是不是|是否|能否|可否|有没有|吗|呢|呀|"
    "有哪些|有何"
)
_ENGLISH = (
    r"\b(?:what(?:'s)?|which|who(?:'s|m|se)?|when|where|why|how|"
    r"is|are|was|were|be|been|do|does|did|has|have|had|can|could|will|would|should|"
    r"the|a|an|of|in|on|at|to|for|by|from|with|and|or|as|that|this|these|those|it|its|"
    r"please|tell me|many|much|you|your|hello|hi|hey|thanks|thank)\b"
)
_QUESTION_WORDS = re.compile(_CHINESE)
_ENGLISH_QUESTION_WORDS = re.compile(f"{_ENGLISH}|{_CHINESE}")
_IDEOGRAPH = re.compile(r"[\u3400-\u9fff]")


def without_question_words(folded: str) -> str:
    """Return a folded question with a space in place of each question word, so that no bigram spans the gap.

    In a question with CJK characters Latin words are names and codes (IT 部门, A 类客户, WHO 标准), never such words.
    """
    words = _QUESTION_WORDS if _IDEOGRAPH.search(folded) else _ENGLISH_QUESTION_WORDS
    return words.sub(" ", folded)
