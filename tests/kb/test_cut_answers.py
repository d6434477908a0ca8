"""Answers that an engine cut off at its bound of tokens: what is whole of them stays, and everybody is told."""

from __future__ import annotations

from typing import cast

import pytest

from kb.answer import Answerer
from kb.answer_cache import AnswerCache
from kb.cli.answers import show_answer, show_stream
from kb.engines.base import Cut
from kb.payloads import answer_payload
from kb.records import Answer, DeltaEvent, DoneEvent, Question
from kb.refusal import refusal_text
from kb.retriever import Retriever
from tests.fakes.engines import ScriptedEngine
from tests.kb.passages import FixedRetriever

FACTS = ("员工每年享有十五天带薪年假。产假为一百二十八天。", "The backup starts at 02:30 every night.")
WHOLE = "员工每年享有十五天带薪年假。[1]"


def answerer_of(pieces: list[str | Cut], cache: AnswerCache | None = None) -> Answerer:
    engine = ScriptedEngine(pieces)
    return Answerer(cast(Retriever, FixedRetriever(FACTS)), lambda name: engine, kb="test", cache=cache)


def done(answerer: Answerer) -> tuple[str, Answer]:
    events = list(answerer.stream(Question("年假与产假有多少天？")))
    last = events[-1]
    assert isinstance(last, DoneEvent)
    return "".join(event.text for event in events if isinstance(event, DeltaEvent)), last.answer


@pytest.mark.parametrize("pieces", [[f"{WHOLE}产假为一百", Cut()], [WHOLE, "产假为", "一百", Cut()]])
def test_the_unfinished_sentence_is_left_out(pieces: list[str | Cut]) -> None:
    """Half a number is no answer: the sentence goes, its marks with it, and the answer says that it was cut off."""
    _, answer = done(answerer_of(pieces))
    assert (answer.answer, answer.status, answer.truncated) == (WHOLE, "answered", True)
    assert [citation.n for citation in answer.citations] == [1]
    assert cast(dict[str, object], answer_payload(answer)["usage"])["truncated"] is True


def test_marks_of_what_is_left_out_go_too() -> None:
    """A mark in the unfinished sentence leaves no citation behind."""
    text, answer = done(answerer_of([WHOLE, "备份在凌晨", "[2]，另", Cut()]))
    assert text.startswith(WHOLE)
    assert answer.answer == WHOLE
    assert [(citation.n, citation.document_id) for citation in answer.citations] == [(1, "d1")]


@pytest.mark.parametrize(
    ("before", "unfinished"),
    [
        ("根据资料，相关规定如下：\n\n", "- 员工每年享有十五天带薪年假"),
        ("根据资料，相关规定如下：\n\n", "- 员工每年享有十五天带薪年假[1]，并且"),
        ("**According to the passages:**\n\n", "The backup starts at 02:30 [2] every night"),
        ("```\n", "员工每年享有十五天带薪年假"),
        ("## 年假\n", "员工每年享有十五天带薪年假"),
        ("是的。", "员工每年享有十五天带薪年假"),
    ],
)
def test_an_opening_alone_is_no_answer(before: str, unfinished: str) -> None:
    """Where nothing but an opening line would remain, the unfinished sentence stays and says that it breaks off."""
    _, answer = done(answerer_of([before + unfinished, Cut()]))
    assert (answer.status, answer.truncated) == ("answered", True)
    assert answer.answer.startswith((before + unfinished).split("[")[0].rstrip())
    assert "……" in answer.answer
    assert [citation.supported for citation in answer.citations] == [True]


def test_whole_answers_are_not_cut_off() -> None:
    """Without a `Cut` nothing is left out and nothing said."""
    text, answer = done(answerer_of([f"{WHOLE}产假为一百二十八天"]))
    assert text == answer.answer == f"{WHOLE}产假为一百二十八天"
    assert not answer.truncated


def test_half_a_number_alone_is_refused() -> None:
    """Where the only sentence breaks off within a number, nothing bears it out; that it was cut off is told."""
    _, answer = done(answerer_of(["产假为一百", "[1]", Cut()]))
    assert (answer.status, answer.answer, answer.truncated) == ("refused", refusal_text("zh"), True)


def test_cut_answers_are_not_given_again() -> None:
    """What was cut off is tried anew."""
    cache = AnswerCache()
    done(answerer_of([WHOLE, Cut()], cache))
    assert len(cache) == 0
    done(answerer_of([WHOLE], cache))
    assert len(cache) == 1


def test_a_person_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """On the command line the whole part is shown, and a notice beside it."""
    answerer = answerer_of([WHOLE, "产假为一百", Cut()])
    answer = show_stream(answerer.stream(Question("年假？")))
    streamed = capsys.readouterr()
    show_answer(answer)
    plain = capsys.readouterr()
    assert "what was finished of it:" in streamed.err
    for shown in (streamed, plain):
        assert f"{WHOLE}\n" in shown.out
        assert "cut off at the bound of tokens (engine.max_new_tokens, or what" in shown.err
