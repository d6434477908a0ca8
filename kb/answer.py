"""The question road on one screen: retrieve, refuse or pack, generate, check, answer."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace

from indexes.records import Hit
from kb.answer_cache import AnswerCache, CacheKey, cache_key
from kb.checking.answer_stream import AnswerStream
from kb.checking.citations import check
from kb.checking.substance import headings_of
from kb.draft import Clock, Draft
from kb.engines.base import Cut, Engine, GenerationOptions, Restart
from kb.prompt import PROMPT_VERSION, build_prompt
from kb.question import check_question
from kb.records import Answer, DeltaEvent, DoneEvent, Event, HitsEvent, Prompt, Question, Usage
from kb.refusal import is_refusal, may_become_refusal, refusal_text
from kb.retriever import Grounding, Retriever
from kb.sentence_ends import ends_whole, without_unfinished


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
        cache: AnswerCache | None = None,
        cache_history: bool = False,
    ) -> None:
        """`engine` gives the engine of a name, or the configured one for None.

        Questions found with a confidence under `threshold` are refused before any engine is asked for.
        `passage_characters` bounds what neighbour expansion may add up to. With `refuse_unsupported` an answer
        in which nothing is borne out by what it cites becomes a refusal. `cache` keeps whole answers of engines, those
        in conversations only with `cache_history`.
        """
        self._retriever = retriever
        self._engine = engine
        self._kb = kb
        self._options = options or GenerationOptions()
        self._threshold = threshold
        self._passage_characters = passage_characters
        self._refuse_unsupported = refuse_unsupported
        self._cache = cache
        self._cache_history = cache_history

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

        The pieces of text joined are the answer's text, with exceptions that only the last event tells: an answer
        without marks is given them, an answer that nothing bears out becomes a refusal, and what turned out to be a
        model's thought or is the unfinished end of an answer that was cut off is left out. A refusal is one piece.
        With `search_only` no engine is asked: the status is "answered" with an empty text and no engine. After `cancel`
        is set the stream ends soon, with what there is.

        Raises `UsageError` for a bad question, `NotFoundError` where the knowledge base has gone,
        `EngineUnavailableError` where the engine cannot be had.
        """
        clock = Clock()
        text = check_question(question.text)
        ground = self._retriever.ground(
            text,
            top_k=question.top_k,
            score_threshold=question.score_threshold,
            filters=question.filters,
            history=question.history,
        )
        clock.retrieved()
        draft = Draft(ground, self._kb, request_id or uuid.uuid4().hex, clock)
        yield HitsEvent(ground.retrieval.hits)
        if question.search_only:
            yield draft.done("", "answered")
            return
        if not ground.retrieval.hits or ground.retrieval.confidence < self._threshold:
            yield from draft.refused(text)
            return
        engine = self._engine(question.engine)
        passages = ground.passages(self._passage_characters)
        key = self._key(question, text, ground, passages, engine)
        known = self._cache.get(key) if self._cache is not None and key is not None else None
        if known is not None:
            yield from draft.repeated(known)
            return
        prompt = build_prompt(
            text,
            passages,
            question.history,
            count_tokens=engine.count_tokens,
            window=engine.window,
            max_new_tokens=self._options.max_new_tokens,
        )
        stopped = cancel or threading.Event()
        for event in self._generate(engine, prompt, draft, stopped):
            # Kept before it is given out: whoever reads it may not come back for more.
            if isinstance(event, DoneEvent) and key is not None and not stopped.is_set():
                self._keep(key, event.answer)
            yield event

    def _key(
        self, question: Question, text: str, ground: Grounding, passages: tuple[Hit, ...], engine: Engine
    ) -> CacheKey | None:
        """Return where the answer is kept, or None where it is not to be."""
        if self._cache is None or ((question.history or question.chat) and not self._cache_history):
            return None
        return cache_key(
            kb=self._kb,
            version=ground.retrieval.version,
            question=text,
            filters=question.filters,
            passages=passages,
            history=question.history,
            engine=engine,
            options=self._options,
            prompt_version=PROMPT_VERSION,
            refuse_unsupported=self._refuse_unsupported,
        )

    def _keep(self, key: CacheKey, answer: Answer) -> None:
        """Keep an answer that is whole: no refusal, which another try may spare, and not cut off.

        Where nobody counted its tokens it may be cut off unsaid: then one that stops in mid-sentence is not kept.
        """
        whole = not answer.truncated and (answer.usage is not None or ends_whole(answer.answer))
        if self._cache is not None and answer.status == "answered" and whole:
            self._cache.put(key, replace(answer, hits=()))

    def _generate(self, engine: Engine, prompt: Prompt, draft: Draft, cancel: threading.Event) -> Iterator[Event]:
        checks = AnswerStream(prompt, quotes=engine.quotes)
        draft.engine, draft.prompt_version = engine.name, prompt.version
        written, held, shown = "", "", False
        for piece in engine.stream(prompt, self._options, cancel):
            if isinstance(piece, Usage):
                draft.usage = piece
                continue
            if isinstance(piece, Cut):
                draft.truncated = True
                continue
            if isinstance(piece, Restart):
                checks = AnswerStream(prompt, quotes=engine.quotes)
                written, held = "", ""
                continue
            held += checks.feed(piece)
            # The beginning is held back while it may be a refusal: that is sent as one piece, in our words.
            if held and not (written == "" and may_become_refusal(held)):
                yield DeltaEvent(held)
                written, held, shown = written + held, "", True
            if cancel.is_set() or checks.ended:
                break
        held += checks.close()
        finished = written + held
        if draft.truncated and finished.strip():
            finished = without_unfinished(finished, prompt.language, headings_of(prompt.passages))
            held = finished.removeprefix(written) if finished.startswith(written) else ""
        if not cancel.is_set() and (not finished.strip() or is_refusal(finished)):
            # What was shown is taken back by the last event, not by another piece.
            refusal = draft.done(refusal_text(prompt.language), "refused")
            yield from [refusal] if shown else draft.refused(prompt.question)
            return
        if held:
            yield DeltaEvent(held)
        marks = [mark for mark in checks.marks if mark.end <= len(finished)]
        checked = check(finished, marks, prompt.passages, draft.ground.place_of, cancel)
        if self._refuse_unsupported and checked.refuted and not cancel.is_set():
            yield draft.done(refusal_text(prompt.language), "refused")
            return
        yield draft.done(checked.text, "answered", checked.citations)
