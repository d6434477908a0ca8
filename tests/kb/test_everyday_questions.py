"""Everyday questions, worded freely, about small knowledge bases of one document and of five."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kb.records import Answer, Question
from kb.settings import load_settings
from kb.wiring import Application

EVERYDAY = Path(__file__).resolve().parent.parent / "data" / "everyday"
QUESTIONS = [json.loads(line) for line in (EVERYDAY / "questions.jsonl").read_text(encoding="utf-8").splitlines()]
DOCUMENTS = sorted({question["document"] for question in QUESTIONS})


def ask(home: Path, kb: str, documents: list[str], questions: list[str]) -> list[Answer]:
    application = Application(load_settings(None, {}, {"KB_HOME": str(home)}))
    try:
        application.pipeline(kb).ingest([str(EVERYDAY / name) for name in documents])
        answerer = application.answerer(kb)
        return [answerer.answer(Question(question)) for question in questions]
    finally:
        application.close()


def shares(questions: list[dict[str, str | None]], answers: list[Answer]) -> tuple[float, float]:
    """Return which share of the answerable was answered, and which of the unanswerable refused."""
    there = [answer.status == "answered" for q, answer in zip(questions, answers, strict=True) if q["answer"]]
    gone = [answer.status == "refused" for q, answer in zip(questions, answers, strict=True) if not q["answer"]]
    return sum(there) / len(there), sum(gone) / len(gone)


def test_one_document_is_enough(kb_home: Path) -> None:
    """With a single document most of what it says is answered, and most of what it does not say is refused."""
    asked, given = [], []
    for name in DOCUMENTS:
        questions = [question for question in QUESTIONS if question["document"] == name]
        asked += questions
        given += ask(kb_home, name.partition(".")[0], [name], [str(question["question"]) for question in questions])
    answered, refused = shares(asked, given)
    assert answered >= 0.8
    assert refused >= 0.8


def test_a_handful_of_documents(kb_home: Path) -> None:
    """With all documents together the same holds."""
    answered, refused = shares(
        QUESTIONS, ask(kb_home, "all", DOCUMENTS, [str(question["question"]) for question in QUESTIONS])
    )
    assert answered >= 0.75
    assert refused >= 0.8


@pytest.mark.parametrize(
    "question",
    [
        "a",
        "的",
        "{{7*7}}",
        '" OR 1=1 --',
        "？？？",
        "1",
        "what is it?",
        "你好",
        "您好！",
        "hello",
        "who are you?",
        "问" * 50,
    ],
)
def test_a_question_that_says_nothing_is_refused(kb_home: Path, question: str) -> None:
    """Stray characters match something everywhere, and are no question all the same."""
    (answer,) = ask(kb_home, "all", DOCUMENTS, [question])
    assert answer.status == "refused"
