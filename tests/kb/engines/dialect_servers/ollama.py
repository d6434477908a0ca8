"""Ollama's own interface, as recorded: port 11434.

Assumed (from its documentation of the API, and from measurements of others):

- `/api/chat` streams JSON lines (`application/x-ndjson`); the last has `done: true`, `prompt_eval_count` and
  `eval_count`. Thinking comes as `message.thinking`.
- `options.num_ctx` sets the context of the request. A longer prompt is cut without a word: status 200, and only
  `prompt_eval_count` shows it. A `num_ctx` over what the model was made for is lowered to that, again without a word.
- Qwen3 thinks unless the request says `think: false`.
- `/api/tags` lists models, `/api/show` tells `model_info` with `<family>.context_length`, `/api/version` the version.
- Errors are `{"error": "..."}`, within a stream too; a missing model is 404. Ollama knows no key; a gateway does.
- The OpenAI route is there as well, but takes no `num_ctx`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from tests.kb.engines.dialect_servers.openai_form import listed
from tests.kb.engines.dialect_servers.serving import DialectServer, Reply, Request, json_reply, token_count


class OllamaServer(DialectServer):
    """Cuts what does not fit into `num_ctx`; `context` is what the model was made for."""

    dialect = "ollama"
    model = "qwen3:8b"
    long_prompt = "cuts"
    tells_context = True
    switches_thinking = True

    def told_not_to_think(self, body: dict[str, Any]) -> bool:
        return body.get("think") is False

    def is_question(self, request: Request) -> bool:
        return request.path == "/api/chat"

    def respond(self, request: Request) -> Reply:
        if not self.authorised(request):
            return self.error(401, "unauthorized")
        if self.is_question(request):
            return self.chat(request.body)
        if request.path == "/api/tags":
            return json_reply({"models": [{"name": self.model, "model": self.model, "size": 4683087332}]})
        if request.path == "/api/version":
            return json_reply({"version": "0.12.6"})
        if request.path == "/api/show" and request.body["model"] == self.model:
            return json_reply({"model_info": {"general.architecture": "qwen3", "qwen3.context_length": self.context}})
        if request.path == "/v1/models":
            return json_reply(listed(self.model, "library"))
        return Reply(404, "text/plain", [b"404 page not found"])

    def chat(self, body: dict[str, Any]) -> Reply:
        if body["model"] != self.model:
            return self.error(404, f"model '{body['model']}' not found")
        context = min(body["options"]["num_ctx"], self.context)
        tokens = token_count([turn["content"] for turn in body["messages"]])
        kept = tokens if tokens < context else context // 2
        return Reply(kind="application/x-ndjson", pieces=self.with_fault(self.lines(body, kept)))

    def lines(self, body: dict[str, Any], prompt_tokens: int) -> Iterator[bytes]:
        options = body["options"]
        thoughts = self.thoughts(body)[: options["num_predict"]]
        words, finish = self.words(options.get("stop") or (), options["num_predict"] - len(thoughts))
        for thought in thoughts:
            yield self.line({"message": {"role": "assistant", "content": "", "thinking": thought}, "done": False})
        for word in words:
            yield self.line({"message": {"role": "assistant", "content": word}, "done": False})
        counts = {"prompt_eval_count": prompt_tokens, "eval_count": len(thoughts) + len(words)}
        last = {"message": {"role": "assistant", "content": ""}, "done": True, "done_reason": finish}
        yield self.line({**last, "total_duration": 1000, **counts})

    def line(self, value: dict[str, Any]) -> bytes:
        return json.dumps({"model": self.model, **value}, ensure_ascii=False).encode() + b"\n"

    def error(self, status: int, message: str) -> Reply:
        return json_reply({"error": message}, status)

    def error_within(self, message: str) -> bytes:
        return json.dumps({"error": message}).encode() + b"\n"
