"""`transformers serve`, as recorded: port 8000.

Assumed (from the source of version 5.23; `test_transformers_serve.py` runs the real one):

- `/v1/models` lists the models in the cache, with the account as owner; `/openapi.json` has `/load_model`.
- No `[DONE]`; the usage stands on the last chunk with the finish reason, always. Thinking of models whose template
  knows it comes as `reasoning_content`.
- A field that it does not know is 422 with `detail`; a model other than the one it was started with 400 with `detail`.
- It knows no key. Nothing tells the context, and a longer prompt is neither refused nor cut.
- An error within a stream is `{"error": "text"}`.
"""

from __future__ import annotations

from typing import Any

from tests.kb.engines.dialect_servers.openai_form import OpenAIServer, listed
from tests.kb.engines.dialect_servers.serving import Reply, Request, event, json_reply

_KNOWN = {"model", "messages", "stream", "max_tokens", "temperature", "top_p", "seed", "stop", "chat_template_kwargs"}


class TransformersServer(OpenAIServer):
    """Strict about fields. A prompt beyond the model's context is assumed to be read in part, as the worst case."""

    dialect = "transformers"
    thinking_field = "reasoning_content"
    ends_with_done = False
    usage = "always"
    usage_with_finish = True
    checks_key = False
    status_of_wrong_model = 400
    long_prompt = "cuts"

    def look(self, request: Request) -> Reply:
        if request.path == "/v1/models":
            return json_reply(listed(self.model, "Qwen"))
        if request.path == "/openapi.json":
            return json_reply({"info": {"title": "FastAPI"}, "paths": {"/load_model": {}, "/v1/chat/completions": {}}})
        return json_reply({"detail": "Not Found"}, 404)

    def chat(self, body: dict[str, Any]) -> Reply:
        if unknown := set(body) - _KNOWN:
            return json_reply({"detail": f"Unexpected fields in the request: {unknown}"}, 422)
        return super().chat(body)

    def overlong(self, prompt_tokens: int, most: int) -> Reply | None:
        return None

    def error(self, status: int, message: str) -> Reply:
        return json_reply({"detail": message}, status)

    def error_within(self, message: str) -> bytes:
        return event({"error": message})
