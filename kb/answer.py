"""The question road on one screen: retrieve, refuse or pack, generate, check, answer."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from indexes.text import detect_language
from kb.citations import SpanNumbers, check
from kb.engines.base import Engine, GenerationOptions
from kb.links import LinkGuard
from kb.marks import MarkRewriter
from kb.prompt import PROMPT_VERSION, build_prompt
from kb.question import check_question
from kb.records import Answer, Citation, DeltaEvent, DoneEvent, Event, HitsEvent, Prompt, Question, Status, Usage
from kb.refusal import is_refusal, may_become_refusal, refusal_text
from kb.retriever import Grounding, Retriever


class Answerer:
    """Answers questions from one knowledge base, with citations or with a refusal. Safe to share between threads."""

    def __init__(
        self,
        retriever: Retriever,
        engine: Callable[[str | None], Engine],
        *,
        kb: str,
        options: GenerationOptions | None = None,
        threshold: float = 0.5,
        passage_characters: int = 6_000,
        refuse_unsupported: bool = True,
    ) -> None:
        """`engine` gives the engine of a name, or the configured one for None.

        Questions found with a confidence under `threshold` are refused before any engine is asked for.
        `passage_characters` bounds what neighbour expansion may add up to. With `refuse_unsupported` an answer
        in which nothing is borne out by what it cites becomes a refusal.
        """
        self._retriever = retriever
        self._engine = engine
        self._kb = kb
        self._options = options or GenerationOptions()
        self._threshold = threshold
        self._passage_characters = passage_characters
        self._refuse_unsupported = refuse_unsupported

    def answer(
        self, question: Question, cancel: threading.Event | None = None, request_id: str | None = None
    ) -> Answer:
        """Return the whole answer; see `stream`."""
        for event in self.stream(question, cancel, request_id):
            if isinstance(event, DoneEvent):
                return event.answer
        raise AssertionError("a stream ends with its answer")

    def stream(
        self, question: Question, cancel: threading.Event | None = None, request_id: str | None = None
    ) -> Iterator[Event]:
        """Yield the hits, the text as it is generated, and at last the whole checked answer.

        The pieces of text joined are the answer's text, with two exceptions that only the last event tells: an answer
        without marks is given them, and an answer that nothing bears out becomes a refusal. A refusal is one piece.
        With `search_only` no engine is asked: the status is "answered" with an empty text and no engine. After `cancel`
        is set the stream ends soon, with what there is.

        Raises `UsageError` for a bad question, `NotFoundError` where the knowledge base has gone,
        `EngineUnavailableError` where the engine cannot be had.
        """
        clock = _Clock()
        text = check_question(question.text)
        ground = self._retriever.ground(
            text,
            top_k=question.top_k,
            score_threshold=question.score_threshold,
            filters=question.filters,
            history=question.history,
        )
        clock.retrieved()
        draft = _Draft(ground, self._kb, request_id or uuid.uuid4().hex, clock)
        yield HitsEvent(ground.retrieval.hits)
        if question.search_only:
            yield draft.done("", "answered")
            return
        if not ground.retrieval.hits or ground.retrieval.confidence < self._threshold:
            yield from draft.refused(text)
            return
        engine = self._engine(question.engine)
        prompt = build_prompt(
            text,
            ground.passages(self._passage_characters),
            question.history,
            count_tokens=engine.count_tokens,
            window=engine.window,
            max_new_tokens=self._options.max_new_tokens,
        )
        yield from self._generate(engine, prompt, draft, cancel or threading.Event())

    def _generate(self, engine: Engine, prompt: Prompt, draft: _Draft, cancel: threading.Event) -> Iterator[Event]:
        rewriter = MarkRewriter(len(prompt.passages), SpanNumbers(prompt.passages).number_of)
        sources = (prompt.question, *(passage.hit.text for passage in prompt.passages))
        guard = LinkGuard(sources, prompt.language)
        draft.engine, draft.prompt_version = engine.name, prompt.version
        written, held = "", ""
        for piece in engine.stream(prompt, self._options, cancel):
            if isinstance(piece, Usage):
                draft.usage = piece
                continue
            held += guard.feed(rewriter.feed(piece))
            # The beginning is held back while it may be a refusal: that is sent as one piece, in our words.
            if held and not (written == "" and may_become_refusal(held)):
                yield DeltaEvent(held)
                written, held = written + held, ""
            if cancel.is_set():
                break
        held += guard.feed(rewriter.close()) + guard.close()
        finished = written + held
        if not cancel.is_set() and (not finished.strip() or is_refusal(finished)):
            yield from draft.refused(prompt.question)
            return
        if held:
            yield DeltaEvent(held)
        checked = check(finished, guard.moved(rewriter.marks), prompt.passages, draft.ground.page_of)
        if self._refuse_unsupported and checked.refuted and not cancel.is_set():
            yield draft.done(refusal_text(prompt.language), "refused")
            return
        yield draft.done(checked.text, "answered", checked.citations)


class _Clock:
    """Milliseconds since the question came in."""

    def __init__(self) -> None:
        self._started = time.perf_counter()
        self._retrieved = self._started

    def retrieved(self) -> None:
        self._retrieved = time.perf_counter()

    def timings(self) -> dict[str, float]:
        now = time.perf_counter()
        return {
            "retrieve": round(1e3 * (self._retrieved - self._started), 3),
            "generate": round(1e3 * (now - self._retrieved), 3),
            "total": round(1e3 * (now - self._started), 3),
        }


@dataclass
class _Draft:
    """What is known of an answer so far."""

    ground: Grounding
    kb: str
    request_id: str
    clock: _Clock
    engine: str | None = None
    usage: Usage | None = None
    prompt_version: str = PROMPT_VERSION

    def refused(self, question: str) -> Iterator[Event]:
        """Yield the refusal as one piece of text, and the end."""
        sentence = refusal_text(detect_language(question))
        yield DeltaEvent(sentence)
        yield self.done(sentence, "refused")

    def done(self, text: str, status: Status, citations: tuple[Citation, ...] = ()) -> DoneEvent:
        """Return the last event."""
        retrieval = self.ground.retrieval
        return DoneEvent(
            Answer(
                answer=text,
                status=status,
                engine=self.engine,
                citations=citations,
                hits=retrieval.hits,
                confidence=retrieval.confidence,
                kb=self.kb,
                version=retrieval.version,
                timings_ms=self.clock.timings(),
                usage=self.usage,
                prompt_version=self.prompt_version,
                request_id=self.request_id,
            )
        )
