"""Words that stand for the same in what organisations write: putting one for the other changes nothing."""

from __future__ import annotations

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
    "批准 审批; 发放 发给; 实施 执行; 包括 包含; 缴纳 交纳; 立即 马上; 通知 告知"
)
_GROUPS: Final = tuple(frozenset(group.split()) for group in _GROUPS_TEXT.split(";"))


def are_synonyms(one: str, other: str) -> bool:
    """Say whether two folded words stand for the same."""
    return any(one in group and other in group for group in _GROUPS)
