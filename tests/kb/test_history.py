"""What a conversation adds to a question before it is searched."""

from __future__ import annotations

import pytest

from kb.history import retrieval_query
from kb.records import Message

HISTORY = (Message("user", "东犬灯塔是什么时候建立的？"), Message("assistant", "1872年，位于马祖。[1]"))


@pytest.mark.parametrize("follow_up", ["它有多高？", "在哪里？", "为什么？", "那里有什么？", "谁建的？"])
def test_follow_ups_take_the_subject_along(follow_up: str) -> None:
    """A question that leans on the conversation is searched with its subject, not with what the answer said."""
    query = retrieval_query(follow_up, HISTORY)
    assert query.startswith(follow_up)
    assert "东犬灯塔" in query
    assert "马祖" not in query


@pytest.mark.parametrize(
    "question", ["如何在德国申请长期居留许可证件？", "How do I install the Debian kernel package?"]
)
def test_whole_questions_are_left_alone(question: str) -> None:
    """A question with a subject of its own is searched as it is."""
    assert retrieval_query(question, HISTORY) == question


def test_english_pronouns_point_back() -> None:
    """An English follow-up with a pronoun takes the earlier subject along."""
    query = retrieval_query("When was it built?", [Message("user", "Where is the Summer Theatre?")])
    assert "summer" in query and "theatre" in query


def test_without_history_nothing_is_added() -> None:
    """A first question is searched as it is, however short."""
    assert retrieval_query("多高？", ()) == "多高？"


@pytest.mark.parametrize(
    ("asked", "question", "query"),
    [
        (["年休假有几天？"], "病假呢？", "病假呢？"),
        (["病假需要什么证明？"], "那婚假呢？", "那婚假呢？ 需要 证明"),
        (["年休假有几天？", "病假呢？"], "由谁批准？", "由谁批准？ 病假"),
        (["机房的灭火系统多久检测一次？"], "报告呢？", "报告呢？ 机房的灭火系统 检测一次"),
        (["东犬灯塔建于哪一年？"], "它们呢？", "它们呢？ 东犬灯塔建于"),
    ],
)
def test_one_thing_takes_the_place_of_another_of_its_kind(asked: list[str], question: str, query: str) -> None:
    """What is asked about instead drives out what was asked about before, and only that."""
    assert retrieval_query(question, [Message("user", text) for text in asked]) == query


def test_one_product_takes_the_place_of_another() -> None:
    """A follow-up about another product is searched with that product alone."""
    history = (Message("user", "MX-300 的电池保修多久？"), Message("assistant", "24 个月。"))
    query = retrieval_query("那 MX-500 呢？", history)
    assert "保修" in query
    assert "300" not in query
