"""Asking over HTTP: the answerer's events, from a thread, for a client that may go away at any moment."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

from starlette.requests import Request

from kb.api.dependencies import Service
from kb.api.errors import ServiceError, request_id_of
from kb.api.limits import while_connected
from kb.api.streaming import Work
from kb.records import Answer, DoneEvent, Event, Question


@dataclass(frozen=True, slots=True)
class Asked:
    """A question at work whose first event is there."""

    first: Event
    work: Work[Event]


async def ask_whole(service: Service, request: Request, kb: str, question: Question) -> Answer:
    """Return the answer; stop the work where the client goes away."""

    async def run() -> Answer:
        asked = await _start(service, request, kb, question)
        async for event in events_of(service, asked):
            if isinstance(event, DoneEvent):
                return event.answer
        raise ServiceError("internal")

    return await while_connected(asyncio.create_task(run()), request.receive)


async def ask_events(service: Service, request: Request, kb: str, question: Question) -> Asked:
    """Return once the first event is there, so that a failure before it still has a status of its own."""
    return await while_connected(asyncio.create_task(_start(service, request, kb, question)), request.receive)


async def events_of(service: Service, asked: Asked) -> AsyncIterator[Event]:
    """Yield all events of a question and count its outcome; the work is stopped when the caller leaves early."""
    outcome = "stopped"
    try:
        event = asked.first
        while not isinstance(event, DoneEvent):
            yield event
            following = await anext(asked.work, None)
            if following is None:
                # The work ended before its answer: it was asked to.
                raise ServiceError("shutting_down" if service.works.closing else "internal")
            event = following
        outcome = event.answer.status
        yield event
    except Exception:
        outcome = "failed"
        raise
    finally:
        asked.work.stop()
        service.metrics.question(outcome)


async def _start(service: Service, request: Request, kb: str, question: Question) -> Asked:
    request_id = request_id_of(request.scope)

    def produce(cancel: threading.Event) -> Iterator[Event]:
        answerer = service.application.answerer(kb)
        yield from answerer.stream(question, cancel=cancel, request_id=request_id)

    work = await service.works.start(produce)
    try:
        async for event in work:
            return Asked(event, work)
    except BaseException as error:
        work.stop()
        service.metrics.question("failed" if isinstance(error, Exception) else "stopped")
        raise
    raise ServiceError("shutting_down" if service.works.closing else "internal")
