"""`openai_api.py` of the first-generation Qwen repository, as recorded: port 8000.

Assumed (from its source):

- `/v1/models` lists one model, `gpt-3.5-turbo`, whatever is loaded; the model's name is not checked.
- Of the fields it reads `temperature`, `top_p`, `top_k`, `max_length` and `stop`; others are passed over, `max_tokens`
  among them. With a system message the first, turns must alternate.
- Streams are sent with CR LF and keep-alive comments, end with `[DONE]`, and hold no usage.
- `--api-auth user:password` asks for the base64 of that in the header, under any scheme; a wrong one is 401 with an
  empty body.
- Older turns that do not fit `max_window_size` are dropped without a word; the last question never is. Nothing tells.
- An error is 500 with plain text; within a stream the connection just ends.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.kb.engines.dialect_servers.openai_form import OpenAIServer, listed
from tests.kb.engines.dialect_servers.serving import Reply, Request, json_reply


class QwenOpenAIApiServer(OpenAIServer):
    """Tells nothing about tokens at all."""

    dialect = "qwen-openai-api"
    line_ending = "\r\n"
    usage = "never"
    tells_usage = False
    checks_model = False
    long_prompt = "hides"
    # Nothing reads such a field, and first-generation models do not think.
    switches_thinking = False

    def look(self, request: Request) -> Reply:
        if request.path == "/v1/models":
            return json_reply(listed("gpt-3.5-turbo", "owner", root=None, parent=None, permission=None))
        return json_reply({"detail": "Not Found"}, 404)

    def unauthorised(self) -> Reply:
        return Reply(401, "text/plain", [], {"WWW-Authenticate": "Basic"})

    def stream(self, body: dict[str, Any], prompt_tokens: int) -> Iterator[bytes]:
        yield b": ping - 2026-01-01 00:00:00\r\n\r\n"
        # `max_tokens` is not read: the answer is as long as the model's own bound lets it be.
        yield from super().stream({**body, "max_tokens": 1 << 20}, prompt_tokens)

    def overlong(self, prompt_tokens: int, most: int) -> Reply | None:
        return None

    def error(self, status: int, message: str) -> Reply:
        return Reply(status, "text/plain", [b"Internal Server Error"])

    def error_within(self, message: str) -> bytes:
        return b""
