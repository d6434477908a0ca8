"""Words that stand for the same in what organisations write: putting one for the other changes nothing."""

from __future__ import annotations

import re
from typing import Final

_GROUPS_TEXT = (
    "use need require consume take uses needs requires consumes takes; keep store hold retain; remain stay; "
    "get receive obtain; start begin; end finish; make produce manufacture; buy purchase; help assist; show display; "
    "large big; staff employees personnel workers; fix repair; send submit; build construct; choose select; "
    "ask request; company firm; about approximately roughly; every each; lead head run; replace substitute; "
    "costs charges; costs fees; fast quick; whole entire; must shall; "
    "生产 制造; 购买 采购; 使用 采用 运用; 位于 坐落; 举行 召开 举办; 成立 创立 创建 建立 设立; "
    "提交 递交 上交; 开始 启动; 担任 出任; 员工 职工 雇员; 公司 企业; 费用 开支; 帮助 协助; 修理 维修; "
    "显示 展示; 增加 新增 添加; 检查 审查; "
    "permitted allowed; prohibited forbidden banned; reduced decreased lowered fell dropped declined decreases; "
    "increased rose grew raised; 降低 下降 减少 下调; 提高 上升 增长 增加 上调; 严禁 禁止 不得; 未经 没有; 出口 销往; "
    "批准 审批; 发放 发给; 实施 执行; 包括 包含; 缴纳 交纳; 立即 马上; 通知 告知"
)
_GROUPS: Final = tuple(frozenset(group.split()) for group in _GROUPS_TEXT.split(";"))
_PATTERNS: Final = {word: rf"\b{word}\b" if word.isascii() else word for group in _GROUPS for word in group}


def in_words_of(text: str, other: str) -> str:
    """Return a folded text with its words in those of another text where that one has a synonym and not the word."""
    for group in _GROUPS:
        theirs = [word for word in group if _has(word, other)]
        if not theirs:
            continue
        for word in group.difference(theirs):
            if word in text:
                text = re.sub(_PATTERNS[word], theirs[0], text)
    return text


def _has(word: str, text: str) -> bool:
    return word in text and re.search(_PATTERNS[word], text) is not None


def are_synonyms(one: str, other: str) -> bool:
    """Say whether two folded words stand for the same."""
    return any(one in group and other in group for group in _GROUPS)
