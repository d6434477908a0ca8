"""An answer in the making: what is known of it so far, and the events that end it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

from indexes.text.matching import detect_language
from kb.prompt import PROMPT_VERSION
from kb.records import Answer, Citation, DeltaEvent, DoneEvent, Event, Status, Usage
from kb.refusal import refusal_text
from kb.retriever import Grounding


class Clock:
    """Milliseconds since the question came in."""

    def __init__(self) -> None:
        self._started = time.perf_counter()
        self._retrieved = self._started

    def retrieved(self) -> None:
        """Note that retrieval has ended."""
        self._retrieved = time.perf_counter()

    def timings(self) -> dict[str, float]:
        """Return the milliseconds of retrieval, of what came after, and of both."""
        now = time.perf_counter()
        return {
            "retrieve": round(1e3 * (self._retrieved - self._started), 3),
            "generate": round(1e3 * (now - self._retrieved), 3),
            "total": round(1e3 * (now - self._started), 3),
        }


@dataclass
class Draft:
    """What is known of an answer so far."""

    ground: Grounding
    kb: str
    request_id: str
    clock: Clock
    engine: str | None = None
    usage: Usage | None = None
    prompt_version: str = PROMPT_VERSION
    cached: bool = False
    truncated: bool = False

    def refused(self, question: str) -> Iterator[Event]:
        """Yield the refusal as one piece of text, and the end."""
        sentence = refusal_text(detect_language(question))
        yield DeltaEvent(sentence)
        yield self.done(sentence, "refused")

    def repeated(self, known: Answer) -> Iterator[Event]:
        """Yield an answer that was generated earlier from the same passages."""
        # An engine that counts took nothing for it; one that does not count says so here too.
        self.usage = None if known.usage is None else Usage(0, 0)
        self.engine, self.prompt_version, self.cached = known.engine, known.prompt_version, True
        yield DeltaEvent(known.answer)
        yield self.done(known.answer, known.status, known.citations)

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
                cached=self.cached,
                truncated=self.truncated,
            )
        )
