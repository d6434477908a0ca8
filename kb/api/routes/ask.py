"""`POST /ask`: the whole answer, or its events as they come."""

from __future__ import annotations

from collections.abc import AsyncIterator

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from kb.api.asking import Asked, ask_events, ask_whole, events_of
from kb.api.dependencies import Service, ServiceDependency
from kb.api.errors import error_body, error_of, request_id_of
from kb.api.schemas import AnswerBody, AskRequest
from kb.api.streaming import EventStream, event_text
from kb.api.strict_json import StrictJsonRoute
from kb.payloads import answer_payload, hits_payload
from kb.records import DeltaEvent, Event, HitsEvent, Message, Question

router = APIRouter(route_class=StrictJsonRoute, tags=["asking"])

_STREAM = {"text/event-stream": {"schema": {"type": "string"}, "example": 'event: delta\ndata: {"text": "…"}\n\n'}}


@router.post("/ask", responses={200: {"model": AnswerBody, "content": _STREAM}}, response_class=JSONResponse)
async def ask(body: AskRequest, service: ServiceDependency, request: Request) -> Response:
    """Answer a question from the documents, with citations, or refuse.

    With `stream: true` the response is server-sent events: `hits`, then `delta` (`{"text"}`) as often as needed, then
    one `done` (the whole response) or one `error`.
    """
    kb = body.kb or service.options.kb
    question = Question(
        text=body.question,
        top_k=body.top_k,
        score_threshold=body.score_threshold,
        filters=body.filters,
        history=tuple(Message(turn.role, turn.content) for turn in body.history),
        engine=body.engine,
        search_only=body.search_only,
    )
    if body.stream:
        asked = await ask_events(service, request, kb, question)
        return EventStream(_texts(service, asked, request_id_of(request.scope)), asked.work.stop)
    return JSONResponse(answer_payload(await ask_whole(service, request, kb, question)))


async def _texts(service: Service, asked: Asked, request_id: str) -> AsyncIterator[bytes]:
    """Yield the events as server-sent events; a failure is the last one."""
    try:
        async for event in events_of(service, asked):
            yield _text(event)
    except Exception as error:
        known = error_of(error, request_id)
        yield event_text("error", error_body(known.code, known.message, request_id))


def _text(event: Event) -> bytes:
    if isinstance(event, HitsEvent):
        return event_text("hits", {"hits": hits_payload(event.hits)})
    if isinstance(event, DeltaEvent):
        return event_text("delta", {"text": event.text})
    return event_text("done", answer_payload(event.answer))
