"""The OpenAI-compatible form: a model is a knowledge base, and a chat completion is an answer with citations."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from indexes.errors import UsageError
from kb.api.asking import Asked, ask_events, ask_whole, events_of
from kb.api.dependencies import Service, ServiceDependency
from kb.api.errors import ServiceError, error_body, error_of, request_id_of
from kb.api.schemas import ChatRequest
from kb.api.streaming import EventStream
from kb.api.strict_json import StrictJsonRoute
from kb.payloads import citation_payload
from kb.question import check_question
from kb.records import Answer, DoneEvent, Message, Question

# Characters of a streamed chunk.
_PIECE: Final = 64

router = APIRouter(prefix="/v1", route_class=StrictJsonRoute, tags=["OpenAI-compatible"])


@router.get("/models")
def models(service: ServiceDependency) -> JSONResponse:
    """List the knowledge bases that can be asked."""
    data = [
        {"id": size.kb, "object": "model", "created": 0, "owned_by": "qwen-kb", "version": size.version}
        for size in service.sizes()
    ]
    return JSONResponse({"object": "list", "data": data})


@router.post("/chat/completions", response_class=JSONResponse)
async def chat_completions(body: ChatRequest, service: ServiceDependency, request: Request) -> Response:
    """Answer the last user message from the documents; earlier messages are its history.

    `message.citations` holds the citations. Sampling parameters and system messages have no effect: what an answer may
    rest on is not the caller's to change. A stream waits, with comments that keep it open, until the answer is checked:
    clients of this form cannot take back what they were sent.
    """
    question = _question(body)
    envelope = _Envelope(request_id_of(request.scope), body.model)
    if body.stream:
        asked = await ask_events(service, request, body.model, question)
        with_usage = body.stream_options is not None and body.stream_options.include_usage
        return EventStream(_chunks(service, asked, envelope, with_usage), asked.work.stop)
    return JSONResponse(envelope.completion(await ask_whole(service, request, body.model, question)))


def _question(body: ChatRequest) -> Question:
    """Return the last message as the question, the turns before it as history."""
    last = body.messages[-1]
    if last.role != "user":
        raise ServiceError("invalid_request", "`messages`: the last one must be the user's.")
    try:
        text = check_question(last.text)
    except UsageError as error:
        raise ServiceError("invalid_request", f"`messages`: {error}.") from None
    turns = (turn for turn in body.messages[:-1] if turn.role in ("user", "assistant") and turn.text)
    return Question(text, history=tuple(Message(turn.role, turn.text) for turn in turns), chat=True)


class _Envelope:
    """What all objects of one completion share."""

    def __init__(self, request_id: str, model: str) -> None:
        self._head = {"id": f"chatcmpl-{request_id}", "created": int(time.time()), "model": model}

    def completion(self, answer: Answer) -> dict[str, object]:
        """Return the plain form."""
        message = {"role": "assistant", "content": answer.answer, **_extras(answer)}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": _finish(answer)}
        return {**self._head, "object": "chat.completion", "choices": [choice], "usage": _usage(answer)}

    def chunk(self, delta: dict[str, object], finish: str | None = None) -> dict[str, object]:
        """Return one chunk of the streamed form."""
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return {**self._head, "object": "chat.completion.chunk", "choices": [choice]}

    def usage_chunk(self, answer: Answer) -> dict[str, object]:
        """Return the last chunk of a stream that was asked for usage."""
        return {**self._head, "object": "chat.completion.chunk", "choices": [], "usage": _usage(answer)}


async def _chunks(service: Service, asked: Asked, envelope: _Envelope, with_usage: bool) -> AsyncIterator[bytes]:
    """Yield the checked answer in pieces; what comes before the check is not shown, since it may be withdrawn."""
    try:
        yield _data(envelope.chunk({"role": "assistant", "content": ""}))
        async for event in events_of(service, asked):
            if isinstance(event, DoneEvent):
                text = event.answer.answer
                for at in range(0, len(text), _PIECE):
                    yield _data(envelope.chunk({"content": text[at : at + _PIECE]}))
                yield _data(envelope.chunk(_extras(event.answer), _finish(event.answer)))
                if with_usage:
                    yield _data(envelope.usage_chunk(event.answer))
    except Exception as error:
        request_id = str(envelope.chunk({})["id"]).removeprefix("chatcmpl-")
        known = error_of(error, request_id)
        yield _data(error_body(known.code, known.message, request_id))
    yield b"data: [DONE]\n\n"


def _extras(answer: Answer) -> dict[str, object]:
    """Return what a message says beyond the OpenAI form."""
    return {
        "citations": [citation_payload(citation) for citation in answer.citations],
        "status": answer.status,
        "confidence": round(float(answer.confidence), 6),
        "version": answer.version,
    }


def _finish(answer: Answer) -> str:
    return "length" if answer.truncated else "stop"


def _usage(answer: Answer) -> dict[str, int] | None:
    if answer.usage is None:
        return None
    prompt, completion = answer.usage.prompt_tokens, answer.usage.completion_tokens
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


def _data(value: dict[str, Any]) -> bytes:
    return f"data: {json.dumps(value, ensure_ascii=False, allow_nan=False)}\n\n".encode()
