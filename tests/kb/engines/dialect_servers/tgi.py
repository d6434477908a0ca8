"""TGI's OpenAI route, as recorded: `text-generation-launcher`, port 80 in its container, 8080 outside by custom.

Assumed (from its documentation and its OpenAPI description):

- `/info` tells `model_id`, `max_input_tokens` and `max_total_tokens`, with `router: "text-generation-router"`.
- `/tokenize` takes `{"inputs"}` and gives a list of `{"id", "text", "start", "stop"}`.
- It has no `chat_template_kwargs`: what a template can be told, it is not. A `top_p` of 1 or more is refused.
- The model's name is not checked ("tgi" by custom). TGI itself knows no key; a gateway before it does.
- Usage comes where `stream_options.include_usage` asks for it; the stream ends with `[DONE]`.
- A prompt that does not fit is 422 with `error_type: "validation"`, never cut unless `truncate` asks for that; too
  many requests are 429 with `error_type: "overloaded"`. An error within a stream is an event of the same shape.
"""

from __future__ import annotations

from typing import Any

from tests.kb.engines.dialect_servers.openai_form import OpenAIServer, listed
from tests.kb.engines.dialect_servers.serving import Reply, Request, event, json_reply, token_count


class TgiServer(OpenAIServer):
    """Refuses what does not fit; any model name will do."""

    dialect = "tgi"
    checks_model = False
    tells_context = True
    switches_thinking = False

    def chat(self, body: dict[str, Any]) -> Reply:
        if not 0 < body.get("top_p", 0.5) < 1:
            message = "Input validation error: `top_p` must be > 0.0 and < 1.0"
            return json_reply({"error": message, "error_type": "validation"}, 422)
        return super().chat(body)

    def look(self, request: Request) -> Reply:
        if request.path == "/v1/models":
            return json_reply(listed(self.model, self.model))
        if request.path == "/info":
            return json_reply(
                {
                    "model_id": self.model,
                    "max_input_tokens": self.context - 1,
                    "max_total_tokens": self.context,
                    "router": "text-generation-router",
                    "version": "3.3.4",
                }
            )
        if request.path == "/tokenize":
            count = token_count([request.body["inputs"]])
            return json_reply([{"id": 0, "text": "", "start": 0, "stop": 0}] * count)
        return Reply(404, "text/plain")

    def overlong(self, prompt_tokens: int, most: int) -> Reply:
        return validation(self.context, prompt_tokens)

    def error(self, status: int, message: str) -> Reply:
        return json_reply({"error": message, "error_type": "overloaded" if status == 429 else "generation"}, status)

    def error_within(self, message: str) -> bytes:
        return event({"error": message, "error_type": "generation"})


def validation(context: int, prompt_tokens: int) -> Reply:
    """What TGI answers to a prompt that does not fit."""
    message = f"Input validation error: `inputs` must have less than {context} tokens. Given: {prompt_tokens}"
    return json_reply({"error": message, "error_type": "validation"}, 422)
