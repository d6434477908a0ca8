"""Identifiers of a question, and the passages that have them."""

from __future__ import annotations

import pytest

from kb.identifiers import passages_about
from tests.kb.passages import passages_of


@pytest.mark.parametrize(
    ("question", "kept"),
    [
        ("MX-300 的重量是多少？", [1]),
        ("mx500 保修多久", [2]),
        ("ＭＸ－５００ 的保修期", [2]),
        ("MX-700 的重量是多少？", []),
        ("Win10 能装吗？", [3]),
        ("MX-300 和 MX-500 哪个重？", []),
        ("2026 年的预算是多少？", [1, 2, 3]),
        ("Q3 的目标是什么？", [1, 2, 3]),
        ("What happened in 2015?", [1, 2, 3]),
        ("Who kicked the 24-yard goal?", [1, 2, 3]),
    ],
)
def test_only_passages_with_the_identifier_are_kept(question: str, kept: list[int]) -> None:
    """What is joined, cased or abbreviated in another way is the same identifier; another number is another."""
    passages = passages_of("MX 300 重 210 克。", "MX-500 保修 24 个月，MX-5000 保修 36 个月。", "支持 Windows 10。")
    assert [passage.n for passage in passages_about(question, passages)] == kept
