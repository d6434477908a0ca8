"""Answers that were given before, and when they may be given again."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexes.errors import EngineUnavailableError
from kb.answer import Answerer
from kb.answer_cache import AnswerCache, CacheKey, cache_key, normalised, size_of
from kb.engines.base import Cut, Engine, GenerationOptions
from kb.engines.extractive.engine import ExtractiveEngine
from kb.prompt import PROMPT_VERSION
from kb.records import Answer, DeltaEvent, DoneEvent, HitsEvent, Message, Prompt, Question, Usage
from kb.retriever import Retriever
from tests.fakes.engines import ScriptedEngine
from tests.kb.knowledge import DOCUMENTS, knowledge_base
from tests.kb.passages import FixedRetriever

FACTS = ("东犬灯塔高21米。", "它由花岗石砌成。")
ASKED = Question("灯塔多高？")
SAID = "东犬灯塔高21米。[1]"


class Counter:
    """Counts how often an engine is asked, and says which answer it is."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self, prompt: Prompt) -> str:
        self.asked += 1
        return SAID


def answerer_of(
    engine: Engine,
    cache: AnswerCache | None,
    *,
    facts: Sequence[str] = FACTS,
    version: int = 1,
    options: GenerationOptions | None = None,
    cache_history: bool = False,
    refuse_unsupported: bool = True,
) -> Answerer:
    return Answerer(
        cast(Retriever, FixedRetriever(facts, version=version)),
        lambda name: engine,
        kb="test",
        options=options,
        cache=cache,
        cache_history=cache_history,
        refuse_unsupported=refuse_unsupported,
    )


def key_of(question: str = "q", *, kb: str = "k", version: int = 1, engine: object = FACTS) -> CacheKey:
    return cache_key(
        kb=kb,
        version=version,
        question=question,
        filters={},
        passages=(),
        history=(),
        engine=cast(Engine, engine),
        options=GenerationOptions(),
        prompt_version=PROMPT_VERSION,
        refuse_unsupported=True,
    )


def answer_of(text: str) -> Answer:
    return Answer(text, "answered", "e", (), (), 1.0, "k", 1, {}, None, "1", "r")


def test_the_same_question_is_generated_once() -> None:
    """The second answer comes from the cache and says so: same text and citations, own hits, times and request."""
    counter = Counter()
    answerer = answerer_of(ScriptedEngine(counter), AnswerCache())
    first, second = (answerer.answer(ASKED, request_id=name) for name in ("r-1", "r-2"))
    assert counter.asked == 1
    assert (first.cached, second.cached) == (False, True)
    assert (second.answer, second.citations, second.hits) == (first.answer, first.citations, first.hits)
    assert (second.request_id, second.engine, second.usage) == ("r-2", "scripted", Usage(0, 0))
    assert second.prompt_version == PROMPT_VERSION
    assert set(second.timings_ms) == {"retrieve", "generate", "total"}


def test_an_engine_that_does_not_count_does_not_from_memory_either() -> None:
    """The tokens of an engine without a tokenizer are unknown, whether its answer is new or given again."""
    answerer = answerer_of(ExtractiveEngine(), AnswerCache())
    first, second = answerer.answer(ASKED), answerer.answer(ASKED)
    assert (first.usage, second.usage, first.cached, second.cached) == (None, None, False, True)


def test_a_kept_answer_streams_as_events() -> None:
    """From the cache too come the hits, the text and the whole answer, in this order."""
    answerer = answerer_of(ScriptedEngine(SAID), AnswerCache())
    answerer.answer(ASKED)
    hits, *deltas, done = list(answerer.stream(ASKED))
    assert isinstance(hits, HitsEvent)
    assert isinstance(done, DoneEvent)
    assert "".join(event.text for event in deltas if isinstance(event, DeltaEvent)) == done.answer.answer == SAID
    assert done.answer.cached


def test_spelling_that_changes_nothing_is_the_same_question() -> None:
    """Full width, composition, spaces and closing marks make no other question."""
    assert normalised(" 灯塔 多高？？ ") == normalised("灯塔　多高")
    assert normalised("What is ＧＰＵ?") == normalised("What  is GPU")
    assert normalised("cafe\u0301 在哪") == normalised("café 在哪")


@pytest.mark.parametrize(
    "questions",
    [
        ("灯塔多高", "燈塔多高", "塔多高", "C 是什么", "C++ 是什么", "C# 是什么"),
        ("功率是不是5mW？", "功率是不是5MW？"),
        ("面积是不是10²？", "面积是不是102？", "面积是不是10₂？", "面积是不是10②？"),
        ("IT 部门在哪", "it 部门在哪"),
        ("½ 是多少", "1/2 是多少"),
        ("Maße", "Masse"),
    ],
)
def test_spelling_that_changes_something_is_another_question(questions: tuple[str, ...]) -> None:
    """Other words, scripts, cases, signs and raised digits ask for something else."""
    assert len({normalised(question) for question in questions}) == len(questions)


CHANGES: list[Callable[[ScriptedEngine, AnswerCache], tuple[Answerer, Question]]] = [
    lambda engine, cache: (answerer_of(engine, cache, version=2), ASKED),
    lambda engine, cache: (answerer_of(engine, cache, facts=FACTS[:1]), ASKED),
    lambda engine, cache: (answerer_of(engine, cache, facts=("东犬灯塔高21米，很高。", FACTS[1])), ASKED),
    lambda engine, cache: (answerer_of(engine, cache, options=GenerationOptions(temperature=0)), ASKED),
    lambda engine, cache: (answerer_of(engine, cache, options=GenerationOptions(max_new_tokens=511)), ASKED),
    lambda engine, cache: (answerer_of(engine, cache, refuse_unsupported=False), ASKED),
    lambda engine, cache: (answerer_of(ScriptedEngine(engine.script), cache), ASKED),
    lambda engine, cache: (answerer_of(engine, cache), replace(ASKED, text="灯塔有多高呢？")),
    lambda engine, cache: (answerer_of(engine, cache), replace(ASKED, filters={"source": "a"})),
    lambda engine, cache: (
        answerer_of(engine, cache, cache_history=True),
        replace(ASKED, history=(Message("user", "你好"),)),
    ),
]


@pytest.mark.parametrize("change", CHANGES)
def test_whatever_an_answer_depends_on_makes_another(
    change: Callable[[ScriptedEngine, AnswerCache], tuple[Answerer, Question]],
) -> None:
    """Another version, passage, option, engine, question, filter or history is generated anew."""
    counter, cache = Counter(), AnswerCache()
    engine = ScriptedEngine(counter)
    answerer_of(engine, cache).answer(ASKED)
    answerer, question = change(engine, cache)
    assert not answerer.answer(question).cached
    assert counter.asked == 2
    assert answerer.answer(question).cached


def test_prompt_version_is_part_of_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """After the instructions changed their name no answer under the old ones is given."""
    cache = AnswerCache()
    engine = ScriptedEngine(SAID)
    answerer_of(engine, cache).answer(ASKED)
    monkeypatch.setattr("kb.answer.PROMPT_VERSION", "grounded-next")
    assert not answerer_of(engine, cache).answer(ASKED).cached


def test_conversations_are_kept_only_where_that_is_wanted() -> None:
    """By default an answer within a conversation, the first too, is neither kept nor taken from the cache."""
    counter = Counter()
    engine = ScriptedEngine(counter)
    later = replace(ASKED, history=(Message("user", "你好"), Message("assistant", "你好！")))
    opening = replace(ASKED, chat=True)
    for talk, wanted, times in ((later, False, 2), (later, True, 1), (opening, False, 2), (opening, True, 1)):
        counter.asked = 0
        answerer = answerer_of(engine, AnswerCache(), cache_history=wanted)
        assert [answerer.answer(talk).cached for _ in range(2)] == [False, wanted]
        assert counter.asked == times


def test_without_a_cache_nothing_is_kept() -> None:
    """Where none is given every question is generated."""
    counter = Counter()
    answerer = answerer_of(ScriptedEngine(counter), None)
    assert not any(answerer.answer(ASKED).cached for _ in range(2))
    assert counter.asked == 2


def test_refusals_failures_and_cut_answers_are_not_kept() -> None:
    """A model's refusal, an answer that was cut off, one cancelled and one broken off are tried again."""
    cache = AnswerCache()
    answerer_of(ScriptedEngine("根据已有资料无法回答该问题。"), cache).answer(ASKED)
    answerer_of(ScriptedEngine("塔高300米，建于1999年。[1]"), cache).answer(ASKED)
    answerer_of(ScriptedEngine([SAID, "它由花岗石砌成。[2]", Cut()]), cache).answer(ASKED)
    cancel = threading.Event()
    engine = ScriptedEngine(
        [SAID, "它由花岗石砌成。[2]", "很高。"], on_piece=lambda number: cancel.set() if number == 2 else None
    )
    assert answerer_of(engine, cache).answer(ASKED, cancel).status == "answered"
    with pytest.raises(EngineUnavailableError):
        answerer_of(ScriptedEngine([SAID, "x"], fail_after=1), cache).answer(ASKED)
    assert len(cache) == 0


def test_an_answer_that_is_whole_at_its_bound_is_kept() -> None:
    """What was cut off the engine says: an answer that ends with the last token that it may have is whole."""
    cache = AnswerCache()
    engine = ScriptedEngine([SAID, "它由花岗石砌成。[2]"])
    answerer = answerer_of(engine, cache, options=GenerationOptions(max_new_tokens=2))
    first = answerer.answer(ASKED)
    assert (first.usage and first.usage.completion_tokens, first.truncated, len(cache)) == (2, False, 1)


def test_the_least_used_goes_first() -> None:
    """Over its number of entries the cache drops what was not asked for longest."""
    cache = AnswerCache(entries=2)
    cache.put(key_of("a"), answer_of("a"))
    cache.put(key_of("b"), answer_of("b"))
    assert cache.get(key_of("a")) is not None
    cache.put(key_of("c"), answer_of("c"))
    assert cache.get(key_of("b")) is None
    assert cache.get(key_of("a")) is not None
    assert cache.get(key_of("c")) is not None


def test_a_new_version_drops_the_answers_of_the_old() -> None:
    """The first answer of a new version frees those of the old one of the same knowledge base, and no others."""
    cache = AnswerCache()
    cache.put(key_of("a"), answer_of("a"))
    cache.put(key_of("b"), answer_of("b"))
    cache.put(key_of("a", kb="other"), answer_of("a"))
    cache.put(key_of("a", version=2), answer_of("new"))
    assert len(cache) == 2
    assert cache.get(key_of("a", kb="other")) is not None


@settings(max_examples=100)
@given(st.lists(st.tuples(st.integers(0, 8), st.integers(0, 3000)), max_size=30))
def test_bounds_hold_whatever_is_put(puts: list[tuple[int, int]]) -> None:
    """Neither number nor bytes are ever exceeded, and the count of bytes is that of what is held."""
    cache = AnswerCache(entries=4, max_bytes=20_000)
    for name, length in puts:
        answer = answer_of("字" * length)
        cache.put(key_of(str(name)), answer)
        assert len(cache) <= 4
        assert cache.held_bytes <= 20_000
        assert (cache.get(key_of(str(name))) is answer) == (size_of(answer) <= 20_000)
    held = [cache.get(key_of(str(name))) for name in range(9)]
    assert cache.held_bytes == sum(size_of(answer) for answer in held if answer is not None)


def test_many_threads_share_it() -> None:
    """Threads that read and write at once lose no bound and get only what was put under their key."""
    cache = AnswerCache(entries=8, max_bytes=1 << 20)
    wrong: list[str] = []

    def work(seed: int) -> None:
        for step in range(300):
            name = "abcdefghijklmnop"[(seed * 7 + step) % 16]
            found = cache.get(key_of(name))
            if found is not None and found.answer != name:
                wrong.append(name)
            cache.put(key_of(name), answer_of(name))

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert len(cache) == 8
    assert cache.held_bytes == 8 * size_of(answer_of("a"))


def test_confidence_and_refusal_are_those_of_now(tmp_path: Path) -> None:
    """An answer that is kept does not outlive a threshold: what is refused now is refused, whatever was said before."""
    cache = AnswerCache()
    engine = ScriptedEngine(lambda prompt: f"{prompt.passages[0].hit.text[:24]}[1]")
    with knowledge_base(tmp_path, DOCUMENTS) as retriever:
        question = Question("东犬灯塔建于哪一年？")
        assert Answerer(retriever, lambda name: engine, kb="test", cache=cache).answer(question).status == "answered"
        strict = Answerer(retriever, lambda name: engine, kb="test", cache=cache, threshold=1.0)
        assert strict.answer(question).status == "refused"


@pytest.mark.parametrize(("entries", "size"), [(0, 1), (1, 0)])
def test_a_cache_without_room_is_an_error(entries: int, size: int) -> None:
    """A bound under one is a mistake of the caller."""
    with pytest.raises(ValueError, match="at least one"):
        AnswerCache(entries, size)
