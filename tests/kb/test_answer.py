"""The question road: answers, refusals, streams and what ends them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest

from indexes.errors import EngineUnavailableError, UsageError
from kb.answer import Answerer
from kb.engines.base import Engine, Restart
from kb.engines.extractive.engine import ExtractiveEngine
from kb.records import Answer, DeltaEvent, DoneEvent, Event, HitsEvent, Message, Prompt, Question
from kb.refusal import refusal_text
from kb.retriever import Retriever
from tests.fakes.engines import ScriptedEngine
from tests.kb.knowledge import DOCUMENTS, knowledge_base

BUILT = "东犬灯塔建于哪一年？"
ABSENT = "红楼梦的作者是谁？"


@pytest.fixture(scope="module")
def retriever(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Retriever]:
    with knowledge_base(tmp_path_factory.mktemp("answer"), DOCUMENTS) as made:
        yield made


def answerer_of(retriever: Retriever, engine: Engine, **flags: bool) -> Answerer:
    return Answerer(retriever, lambda name: engine, kb="test", **flags)  # type: ignore[arg-type]  # one boolean flag


def played(events: Iterator[Event]) -> tuple[HitsEvent, str, int, Answer]:
    """Return the hits, the text of all deltas, how many there were, and the answer; check the order."""
    listed = list(events)
    assert isinstance(listed[0], HitsEvent)
    assert isinstance(listed[-1], DoneEvent)
    deltas = [event.text for event in listed[1:-1] if isinstance(event, DeltaEvent)]
    assert len(deltas) == len(listed) - 2
    return listed[0], "".join(deltas), len(deltas), listed[-1].answer


def number_of(prompt: Prompt, title: str) -> int:
    return next(passage.n for passage in prompt.passages if passage.hit.title == title)


def test_an_extractive_answer_is_quoted_and_cited(retriever: Retriever) -> None:
    """The answer quotes the sentence that answers, streams exactly what it ends as, and cites its span."""
    hits, text, _, answer = played(answerer_of(retriever, ExtractiveEngine()).stream(Question(BUILT)))
    assert answer.status == "answered"
    assert answer.engine == "extractive"
    assert "1872年" in answer.answer
    assert text == answer.answer
    assert answer.hits == tuple(hits.hits)
    assert answer.citations[0].title == "lighthouse"
    for citation in answer.citations:
        assert citation.quote == DOCUMENTS[citation.title][citation.start : citation.end]
        assert citation.supported
        assert citation.page == 1
        assert f"[{citation.n}]" in answer.answer
    assert answer.prompt_version == "grounded-1"
    assert answer.kb == "test"
    assert answer.version == 1
    assert set(answer.timings_ms) == {"retrieve", "generate", "total"}


def test_what_is_not_there_is_refused_before_any_engine(retriever: Retriever) -> None:
    """A refusal asks for no engine, keeps the hits, and is one piece of text in the language of the question."""

    def no_engine(name: str | None) -> Engine:
        raise AssertionError("an engine was asked for")

    answerer = Answerer(retriever, no_engine, kb="test")
    for question, language in ((ABSENT, "zh"), ("Who painted the ceiling of that chapel?", "en")):
        hits, text, pieces, answer = played(answerer.stream(Question(question)))
        assert text == answer.answer == refusal_text(language)  # type: ignore[arg-type]  # both are languages
        assert pieces == 1
        assert (answer.status, answer.engine, answer.citations) == ("refused", None, ())
        assert answer.hits == tuple(hits.hits)


def test_a_model_answer_is_renumbered_while_it_streams(retriever: Retriever) -> None:
    """The streamed text of a model already has the final numbers; marks of passages that do not exist are gone."""

    def script(prompt: Prompt) -> str:
        theatre, lighthouse = number_of(prompt, "theatre"), number_of(prompt, "lighthouse")
        assert theatre != 1
        return f"它于1870年开放[{theatre}]。塔高19.5米[{lighthouse}, 77]。"

    engine = ScriptedEngine(script)
    _, text, _, answer = played(answerer_of(retriever, engine).stream(Question("东犬灯塔 Summer Theatre 多高")))
    assert text == answer.answer == "它于1870年开放。[1]塔高19.5米。[2]"
    assert [(c.n, c.title, c.supported) for c in answer.citations] == [(1, "theatre", True), (2, "lighthouse", True)]
    assert answer.usage is not None
    assert answer.usage.completion_tokens > 0


def test_a_swapped_number_is_marked(retriever: Retriever) -> None:
    """A sentence with another number than its source is kept beside a true one, and marked unsupported."""

    def script(prompt: Prompt) -> str:
        n = number_of(prompt, "lighthouse")
        return f"灯塔由英国工程师设计。[{n}]它建于1873年。[{n}]"

    answer = answerer_of(retriever, ScriptedEngine(script)).answer(Question(BUILT))
    assert answer.status == "answered"
    assert False in [citation.supported for citation in answer.citations]


def test_an_answer_that_nothing_bears_out_becomes_a_refusal(retriever: Retriever) -> None:
    """A model that makes everything up is overruled, the hits stay; with the flag off its answer stands, marked."""
    engine = ScriptedEngine("它建于1999年，塔高300米。[1]")
    refused = answerer_of(retriever, engine).answer(Question(BUILT))
    assert (refused.status, refused.answer, refused.citations) == ("refused", refusal_text("zh"), ())
    assert refused.engine == "scripted"
    assert refused.hits
    kept = answerer_of(retriever, engine, refuse_unsupported=False).answer(Question(BUILT))
    assert kept.status == "answered"
    assert [citation.supported for citation in kept.citations] == [False]


def test_marks_are_attached_to_an_answer_without(retriever: Retriever) -> None:
    """A true answer without marks is given its citations."""
    answer = answerer_of(retriever, ScriptedEngine("东犬灯塔建于1872年，塔高19.5米。")).answer(Question(BUILT))
    assert answer.status == "answered"
    assert answer.answer.endswith("[1]")
    assert answer.citations[0].title == "lighthouse"


@pytest.mark.parametrize(
    "said",
    ["抱歉，根据已知信息无法回答该问题。", "The question cannot be answered with the given information", "", " \n"],
)
def test_a_models_own_refusal_is_ours(retriever: Retriever, said: str) -> None:
    """A model that refuses, in whatever words, or says nothing gives our refusal as one piece."""
    _, text, pieces, answer = played(answerer_of(retriever, ScriptedEngine(said)).stream(Question(BUILT)))
    assert text == answer.answer == refusal_text("zh")
    assert pieces == 1
    assert answer.status == "refused"
    assert answer.engine == "scripted"


def test_a_thought_is_taken_back(retriever: Retriever) -> None:
    """What an engine takes back is not in the answer, nor are its marks among the citations."""

    def script(prompt: Prompt) -> list[str | Restart]:
        mark = f"[{number_of(prompt, 'lighthouse')}]"
        return ["推理：也许是1999年[9]？", f"建于1872年{mark}。", Restart(), f"东犬灯塔建于1872年，塔高19.5米。{mark}"]

    hits, text, _, answer = played(answerer_of(retriever, ScriptedEngine(script)).stream(Question(BUILT)))
    assert text.startswith("推理")
    assert answer.answer == "东犬灯塔建于1872年，塔高19.5米。[1]"
    assert [citation.title for citation in answer.citations] == [hits.hits[0].title]


@pytest.mark.parametrize(
    "said",
    ["<|im_start|>assistant\n{}", "{}<|im_end|>\n<|im_start|>user\n再问", "{}<|endoftext|>\n东犬灯塔高99米。[1]"],
)
def test_tokens_of_a_chat_template_are_no_text(retriever: Retriever, said: str) -> None:
    """What a server lets through of the template neither shows nor refuses an answer, and another turn is not read."""
    whole = "东犬灯塔建于1872年，塔高19.5米。[1]"

    def script(prompt: Prompt) -> str:
        return said.format(whole.replace("[1]", f"[{number_of(prompt, 'lighthouse')}]"))

    _, text, _, answer = played(answerer_of(retriever, ScriptedEngine(script)).stream(Question(BUILT)))
    assert (answer.status, answer.answer, text) == ("answered", whole, whole)


@pytest.mark.parametrize("size", [1, 4, 1000])
def test_a_refusal_behind_a_short_sentence_is_one_piece(retriever: Retriever, size: int) -> None:
    """A short sentence is held back while what follows it may refuse, however the text is cut."""
    said = "灯塔高21米。根据已有资料无法回答该问题。"
    engine = ScriptedEngine([said[at : at + size] for at in range(0, len(said), size)])
    _, text, pieces, answer = played(answerer_of(retriever, engine).stream(Question(BUILT)))
    assert (answer.status, text, pieces) == ("refused", refusal_text("zh"), 1)


def test_a_late_refusal_is_not_said_twice(retriever: Retriever) -> None:
    """Where a model refuses after something was shown, the last event takes that back and no piece repeats it."""
    shown = "东犬灯塔建于1872年，由英国工程师设计。"

    engine = ScriptedEngine([shown, Restart(), refusal_text("zh")])
    _, text, pieces, answer = played(answerer_of(retriever, engine).stream(Question(BUILT)))
    assert (answer.status, answer.answer) == ("refused", refusal_text("zh"))
    assert (text, pieces) == (shown, 1)


def test_searching_only_asks_no_engine(retriever: Retriever) -> None:
    """With `search_only` there are hits, no text and no engine."""
    engine = ScriptedEngine("x")
    hits, _, pieces, answer = played(answerer_of(retriever, engine).stream(Question(BUILT, search_only=True)))
    assert (answer.answer, answer.status, answer.engine, pieces) == ("", "answered", None, 0)
    assert hits.hits
    assert engine.prompts == []


def test_cancelling_ends_the_stream(retriever: Retriever) -> None:
    """After cancelling no more is generated; what was said so far is the answer."""
    cancel = threading.Event()
    said = ["东犬灯塔建于1872年。", "塔高19.5米。", *["还有更多。"] * 500]
    engine = ScriptedEngine(said, on_piece=lambda number: cancel.set() if number == 2 else None)
    _, text, _, answer = played(answerer_of(retriever, engine).stream(Question(BUILT), cancel))
    assert "更多" not in text
    assert text.startswith("东犬灯塔建于1872年。")
    assert answer.status == "answered"


@pytest.mark.parametrize(
    "said", [["根据已有资料无法", "回答该问题。", "更多"], ["东犬灯塔建于", "1999年。[1]", "更多"], ["", "", "更多"]]
)
def test_whoever_leaves_is_not_refused(retriever: Retriever, said: list[str]) -> None:
    """What was said before cancelling is judged no more: half an answer shows neither a refusal nor an untruth."""
    cancel = threading.Event()
    engine = ScriptedEngine(said, on_piece=lambda number: cancel.set() if number == 2 else None)
    *_, answer = played(answerer_of(retriever, engine).stream(Question(BUILT), cancel))
    assert (answer.status, answer.answer) == ("answered", "".join(said[:2]))


def test_the_end_of_the_turn_stops_the_engine(retriever: Retriever) -> None:
    """What a model says behind the end of its turn is not waited for."""
    asked: list[int] = []
    said = [
        "东犬灯塔建于1872年。[1]",
        "<|im_end|>\n<|im_start|>user\n再问一个问题，请回答：塔有多高，是谁造的，用的是什么石头？",
        *["塔高19.5米。"] * 50,
    ]
    engine = ScriptedEngine(said, on_piece=asked.append)
    *_, answer = played(answerer_of(retriever, engine).stream(Question(BUILT)))
    assert answer.answer == said[0]
    assert asked == [0, 1]


def test_an_engine_that_goes_away_raises(retriever: Retriever) -> None:
    """The error of an engine reaches the caller, also in the middle of an answer."""
    with pytest.raises(EngineUnavailableError):
        answerer_of(retriever, ScriptedEngine("东犬灯塔建于1872年。[1]", fail_after=2)).answer(Question(BUILT))


def test_bad_questions_are_usage_errors(retriever: Retriever) -> None:
    """A blank question is refused before anything is searched."""
    with pytest.raises(UsageError):
        answerer_of(retriever, ExtractiveEngine()).answer(Question(" \n"))


def test_requests_keep_their_limits_and_names(retriever: Retriever) -> None:
    """The request's engine, top_k, threshold and id are used; without an id one is made."""
    asked: list[str | None] = []

    def engine(name: str | None) -> Engine:
        asked.append(name)
        return ExtractiveEngine()

    answerer = Answerer(retriever, engine, kb="test")
    question = Question(BUILT, top_k=1, engine="extractive")
    answer = answerer.answer(question, request_id="r-1")
    assert (answer.request_id, len(answer.hits), asked) == ("r-1", 1, ["extractive"])
    assert len(answerer.answer(question).request_id) == 32
    assert answerer.answer(replace(question, score_threshold=1.0)).status == "refused"


def test_history_reaches_retrieval_and_prompt(retriever: Retriever) -> None:
    """A follow-up is answered from the document that the conversation is about, and the model sees the conversation."""
    history = (Message("user", BUILT), Message("assistant", "1872年。[1]"))
    engine = ScriptedEngine(lambda prompt: f"塔高19.5米。[{number_of(prompt, 'lighthouse')}]")
    answer = answerer_of(retriever, engine).answer(Question("它有多高？", history=history))
    assert answer.status == "answered"
    assert BUILT in engine.prompts[0].messages[-1].content


@pytest.mark.parametrize(
    ("question", "title", "holds"),
    [
        ("When was the Summer Theatre in operation?", "theatre", "1870 to 1939"),
        ("Summer Theatre 在哪裡？", "theatre", "Saxon Garden"),
        ("How do I run apt-get update?", "package", "apt-get update"),
        ("東犬燈塔是用什麼石頭建造的？", "lighthouse", "花岗石"),
    ],
)
def test_questions_cross_scripts_and_languages(retriever: Retriever, question: str, title: str, holds: str) -> None:
    """English, Traditional and mixed questions are answered in the words of the document."""
    answer = answerer_of(retriever, ExtractiveEngine()).answer(Question(question))
    assert answer.status == "answered"
    assert holds in answer.answer
    assert answer.citations[0].title == title
