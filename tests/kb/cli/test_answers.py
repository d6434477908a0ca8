"""An answer shown as it comes: what its last event changes is shown again, with the reason."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import pytest

from kb.cli.answers import show_answer, show_stream
from kb.records import Answer, DeltaEvent, DoneEvent, Event, HitsEvent


def events(written: str, answer: str, status: Literal["answered", "refused"] = "answered") -> Iterator[Event]:
    yield HitsEvent(())
    yield DeltaEvent(written)
    yield DoneEvent(Answer(answer, status, "openai", (), (), 0.9, "default", 1, {}, None, "1", "r"))


@pytest.mark.parametrize(
    ("written", "answer", "status", "said"),
    [
        ("推理：十五天吗？十五天。", "十五天。", "answered", "without what the model thought"),
        ("十五天。", "十五天。[1]", "answered", "sources marked"),
        ("一百天。", "根据已有资料无法回答该问题。", "refused", "withdrawn, for the sources give no answer:"),
    ],
)
def test_what_is_shown_again(
    capsys: pytest.CaptureFixture[str], written: str, answer: str, status: Literal["answered", "refused"], said: str
) -> None:
    """The answer that holds is written below what came, behind a line that says why."""
    assert show_stream(events(written, answer, status)).answer == answer
    captured = capsys.readouterr()
    assert captured.out.splitlines()[:2] == [written, answer]
    assert said in captured.err


def test_a_refusal_says_that_it_was_cut_off(capsys: pytest.CaptureFixture[str]) -> None:
    """Who raises the bound may get an answer: that is told beside a refusal too."""
    refused = Answer("无法回答。", "refused", "openai", (), (), 0.9, "default", 1, {}, None, "1", "r", truncated=True)
    show_answer(refused)
    assert "cut off at the bound of tokens (engine.max_new_tokens, or what" in capsys.readouterr().err


def test_an_answer_that_stays_is_shown_once(capsys: pytest.CaptureFixture[str]) -> None:
    """Where nothing changed nothing is repeated."""
    show_stream(events("十五天。[1]", "十五天。[1]"))
    captured = capsys.readouterr()
    assert captured.out == "十五天。[1]\n"
    assert captured.err == ""
