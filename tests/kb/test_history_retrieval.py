"""Query rewriting with history, through the real search: follow-ups find their subject, new questions stand alone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from kb.records import Message
from kb.retriever import Retriever
from tests.kb.knowledge import knowledge_base

DOCUMENTS = {
    "annual": "年休假：入职满一年的员工每年有十天年休假，须提前两周提出申请，由部门主管批准。",
    "sick": "病假：员工生病须提交医院证明，由人事部批准，病假期间发放基本工资。",
    "marriage": "婚假：登记结婚的员工有十三天婚假，须在一年内休完，由部门主管批准。",
    "server": "The backup server keeps nightly copies for ninety days. It is managed by the operations desk.",
    "printer": "The printer on the second floor prints colour pages. It is managed by the reception desk.",
    "travel": "Travel to customers is paid in economy class. Receipts are handed in within six weeks.",
    "room": "机房温度应保持在十八度至二十七度之间，超过三十度时通知暖通工程师。",
    "fire": "机房灭火系统每年检测一次，检测由消防公司进行，报告存档五年。",
}
DIALOGUES = [
    (["病假需要什么证明？"], "那由谁批准？", "sick"),
    (["婚假有几天？"], "要在多久之内休完？", "marriage"),
    (["年休假有几天？"], "它要提前多久申请？", "annual"),
    (["How long does the backup server keep copies?"], "Who manages it?", "server"),
    (["Does the printer print colour pages?"], "Who manages it?", "printer"),
    (["机房的灭火系统多久检测一次？"], "报告呢？", "fire"),
    (["年休假有几天？"], "病假呢？", "sick"),
    (["年休假有几天？"], "那婚假呢？", "marriage"),
    (["年休假有几天？", "病假呢？"], "由谁批准？", "sick"),
    (["机房的灭火系统多久检测一次？", "报告呢？"], "存档几年？", "fire"),
]
NEW_SUBJECTS = [
    (["病假需要什么证明？"], "机房温度超过三十度时应当通知谁？", "room"),
    (
        ["How long does the backup server keep copies?"],
        "Within how many weeks are travel receipts handed in?",
        "travel",
    ),
    (["机房的灭火系统多久检测一次？"], "登记结婚的员工有几天婚假？", "marriage"),
]


@pytest.fixture(scope="module")
def retriever(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Retriever]:
    with knowledge_base(tmp_path_factory.mktemp("dialogues"), DOCUMENTS) as made:
        yield made


def conversation(asked: list[str]) -> list[Message]:
    # Answers name other subjects: what an assistant said is not searched for.
    return [
        message
        for question in asked
        for message in (Message("user", question), Message("assistant", "打印机、机房温度和 travel receipts。"))
    ]


@pytest.mark.parametrize(("asked", "follow_up", "title"), DIALOGUES)
def test_a_follow_up_finds_what_the_conversation_is_about(
    retriever: Retriever, asked: list[str], follow_up: str, title: str
) -> None:
    """A question without a subject of its own is found by that of the questions before it, the latest first."""
    assert retriever.retrieve(follow_up, history=conversation(asked)).hits[0].title == title


def test_without_the_conversation_they_cannot_be_told() -> None:
    """The same words follow different subjects, so that nothing but the history can have chosen."""
    by_follow_up: dict[str, set[str]] = {}
    for _, follow_up, title in DIALOGUES:
        by_follow_up.setdefault(follow_up, set()).add(title)
    assert by_follow_up["Who manages it?"] == {"server", "printer"}


@pytest.mark.parametrize(("asked", "question", "title"), NEW_SUBJECTS)
def test_a_new_subject_is_not_pulled_back(retriever: Retriever, asked: list[str], question: str, title: str) -> None:
    """A whole question is searched as it stands: hits, scores and confidence are those without a history."""
    with_history = retriever.retrieve(question, history=conversation(asked))
    alone = retriever.retrieve(question)
    assert with_history.hits[0].title == title
    assert (with_history.hits, with_history.confidence) == (alone.hits, alone.confidence)


def test_confidence_of_a_follow_up_is_that_of_its_subject(retriever: Retriever) -> None:
    """Alone the follow-up shows nothing and is refused; after the question before, it is sure enough to be answered."""
    history = conversation(["病假需要什么证明？"])
    assert retriever.retrieve("那由谁批准？", history=history).confidence >= 0.5
    assert retriever.retrieve("那呢？").confidence < 0.5
