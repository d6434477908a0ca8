"""Chat completions in OpenAI's form, for those dialects that speak it: the parts in which they agree."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from tests.kb.engines.dialect_servers.serving import DialectServer, Reply, Request, event, json_reply, token_count


def chunk(delta: dict[str, Any], finish: str | None = None, **more: object) -> dict[str, Any]:
    """One chunk of a streamed completion."""
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1700000000,
        "model": "m",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
        **more,
    }


def listed(identifier: str, owner: str, **more: object) -> dict[str, Any]:
    """A list of models with one entry."""
    return {
        "object": "list",
        "data": [{"id": identifier, "object": "model", "created": 1700000000, "owned_by": owner, **more}],
    }


class OpenAIServer(DialectServer):
    """A chat completion: what a subclass does not say otherwise is as OpenAI's own documentation has it."""

    # How thinking is told: in a field of its own, or inside the text between tags.
    thinking_field: ClassVar[str] = ""
    line_ending: ClassVar[str] = "\n"
    ends_with_done: ClassVar[bool] = True
    # Which requests get usage: "asked" those with stream_options.include_usage, "always", "never".
    usage: ClassVar[str] = "asked"
    # Whether it stands on the chunk with the finish reason instead of a chunk of its own without choices.
    usage_with_finish: ClassVar[bool] = False
    status_of_wrong_model: ClassVar[int] = 404
    switches_thinking = True

    def told_not_to_think(self, body: dict[str, Any]) -> bool:
        return (body.get("chat_template_kwargs") or {}).get("enable_thinking") is False

    def respond(self, request: Request) -> Reply:
        if not self.authorised(request):
            return self.unauthorised()
        if request.method == "POST" and request.path == "/v1/chat/completions":
            return self.chat(request.body)
        return self.look(request)

    def look(self, request: Request) -> Reply:
        """Answer what is no question."""
        return self.error(404, "Not Found")

    def unauthorised(self) -> Reply:
        return self.error(401, "Invalid API key")

    def chat(self, body: dict[str, Any]) -> Reply:
        if self.checks_model and body["model"] != self.model:
            return self.error(self.status_of_wrong_model, f"The model `{body['model']}` does not exist.")
        prompt_tokens = token_count([turn["content"] for turn in body["messages"]])
        if prompt_tokens >= self.context:
            refusal = self.overlong(prompt_tokens, body["max_tokens"])
            if refusal is not None:
                return refusal
            prompt_tokens = self.context // 2
        return Reply(kind="text/event-stream", pieces=self.with_fault(self.stream(body, prompt_tokens)))

    def overlong(self, prompt_tokens: int, most: int) -> Reply | None:
        """Refuse a prompt that does not fit, or return None: it is cut to half of the context."""
        raise NotImplementedError

    def stream(self, body: dict[str, Any], prompt_tokens: int) -> Iterator[bytes]:
        # What is thought counts towards the bound on the answer.
        thoughts = self.thoughts(body)[: body["max_tokens"]]
        words, finish = self.words(body.get("stop") or (), body["max_tokens"] - len(thoughts))
        yield self.event(chunk({"role": "assistant", "content": ""}))
        for thought in thoughts if self.thinking_field else ():
            yield self.event(chunk({self.thinking_field: thought}))
        inline = ["<think>", *thoughts, "</think>", "\n\n"] if thoughts and not self.thinking_field else []
        for word in [*inline, *words]:
            yield self.event(chunk({"content": word}))
        completion_tokens = len(thoughts) + len(words)
        counts = {
            "prompt_tokens": prompt_tokens,
            "completion_tokens": completion_tokens,
            "total_tokens": prompt_tokens + completion_tokens,
        }
        asked = bool((body.get("stream_options") or {}).get("include_usage"))
        told = self.usage == "always" or (self.usage == "asked" and asked)
        if told and self.usage_with_finish:
            yield self.event(chunk({}, finish, usage=counts))
        else:
            yield self.event(chunk({}, finish))
            if told:
                yield self.event({**chunk({}), "choices": [], "usage": counts})
        if self.ends_with_done:
            yield f"data: [DONE]{self.line_ending * 2}".encode()

    def event(self, value: dict[str, Any]) -> bytes:
        return event(value, self.line_ending)

    def error(self, status: int, message: str) -> Reply:
        return json_reply({"error": {"message": message, "type": "invalid_request_error", "code": None}}, status)

    def error_within(self, message: str) -> bytes:
        return self.event({"error": {"message": message, "type": "server_error", "code": 500}})
