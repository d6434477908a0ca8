"""TGI's own route `/generate_stream`, as recorded.

Assumed (from its documentation and its OpenAPI description), beyond what `tgi.py` says:

- The request is `{"inputs": text, "parameters": {...}}`: the chat template is the client's work.
- Each event is one token, written as `data:` without a space: `{"index", "token": {"id", "text", "logprob",
  "special"}, "generated_text": null, "details": null}`; the last has `generated_text` and `details` with
  `finish_reason`, `generated_tokens` and, in version 3, `input_length`. There is no `[DONE]`.
- `/info` tells the model, so that a client knows its template. Qwen3 thinks unless an empty thought stands at the end.
- Special tokens come as tokens with `special: true`; the stop string itself comes as a token.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from tests.kb.engines.dialect_servers.serving import Reply, Request, json_reply, token_count
from tests.kb.engines.dialect_servers.tgi import TgiServer, validation


class TgiNativeServer(TgiServer):
    """Takes rendered text, refuses what does not fit."""

    dialect = "tgi-native"
    switches_thinking = True
    model = "Qwen/Qwen3-8B"

    def told_not_to_think(self, body: dict[str, Any]) -> bool:
        return bool(body["inputs"].endswith("<|im_start|>assistant\n<think>\n\n</think>\n\n"))

    def is_question(self, request: Request) -> bool:
        return request.path == "/generate_stream"

    def respond(self, request: Request) -> Reply:
        if not self.authorised(request):
            return self.unauthorised()
        if not self.is_question(request):
            return self.look(request)
        text, parameters = request.body["inputs"], request.body["parameters"]
        prompt_tokens = token_count([text])
        if parameters.get("temperature") == 0 or not 0 < parameters.get("top_p", 0.5) < 1:
            return json_reply({"error": "`temperature` must be strictly positive", "error_type": "validation"}, 422)
        if prompt_tokens + parameters["max_new_tokens"] > self.context:
            return validation(self.context, prompt_tokens)
        return Reply(kind="text/event-stream", pieces=self.with_fault(self.tokens(request.body, prompt_tokens)))

    def tokens(self, body: dict[str, Any], prompt_tokens: int) -> Iterator[bytes]:
        parameters = body["parameters"]
        thoughts = self.thoughts(body)[: parameters["max_new_tokens"]]
        words, finish = self.words(parameters["stop"], parameters["max_new_tokens"] - len(thoughts))
        if thoughts:
            words = ["<think>", *thoughts, "</think>", "\n\n", *words]
        for place, word in enumerate(words):
            yield self.token(place, word)
        details = {
            "finish_reason": "stop_sequence" if finish == "stop" else "length",
            "generated_tokens": len(words),
            "seed": None,
            "input_length": prompt_tokens,
        }
        yield self.token(len(words), "<|im_end|>", special=True, generated_text="".join(words), details=details)

    def token(self, place: int, text: str, *, special: bool = False, **more: object) -> bytes:
        told = {"id": place, "text": text, "logprob": -0.1, "special": special}
        value = {"index": place + 1, "token": told, "generated_text": None, "details": None, **more}
        return f"data:{json.dumps(value, ensure_ascii=False)}\n\n".encode()
