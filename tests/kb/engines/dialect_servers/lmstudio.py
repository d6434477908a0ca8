"""LM Studio's server, as recorded: port 1234.

Assumed (from its documentation of the REST and OpenAI-compatible interfaces):

- `/api/v0/models` tells `state`, `max_context_length` and, of a loaded model, `loaded_context_length`.
- A path that it does not know is answered with status 200 and `{"error": "Unexpected endpoint or method. ..."}`.
- Usage comes where `stream_options.include_usage` asks for it, in a chunk without choices. Thinking comes as
  `reasoning_content` where that is switched on, and between tags otherwise.
- Thinking is a setting of the loaded model; `chat_template_kwargs` in a request is passed over.
- What happens to a prompt over the context is a setting of the model (middle cut out, oldest turns dropped, or an
  error); cut is assumed, since that is the worse.
- An error within a stream is an event named `error`.
"""

from __future__ import annotations

import json

from tests.kb.engines.dialect_servers.openai_form import OpenAIServer, listed
from tests.kb.engines.dialect_servers.serving import Reply, Request, json_reply


class LmStudioServer(OpenAIServer):
    """Cuts what does not fit, tells beforehand what fits."""

    dialect = "lmstudio"
    model = "qwen2.5-7b-instruct"
    long_prompt = "cuts"
    tells_context = True
    switches_thinking = False

    def look(self, request: Request) -> Reply:
        if request.path == "/v1/models":
            return json_reply(listed(self.model, "organization_owner"))
        if request.path == "/api/v0/models":
            told = {"type": "llm", "state": "loaded", "max_context_length": 32768}
            return json_reply(listed(self.model, "", **told, loaded_context_length=self.context))
        message = f"Unexpected endpoint or method. ({request.method} {request.path}). Returning 200 anyway"
        return json_reply({"error": message})

    def overlong(self, prompt_tokens: int, most: int) -> Reply | None:
        return None

    def error_within(self, message: str) -> bytes:
        return b"event: error\ndata: " + json.dumps({"error": {"message": message}}).encode() + b"\n\n"
