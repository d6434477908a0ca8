"""SGLang's server, as recorded: `python -m sglang.launch_server`, port 30000.

Assumed (from its documentation of native and OpenAI-compatible APIs):

- `/v1/models` says `owned_by: "sglang"` and `max_model_len`; `/get_model_info` tells the model's path.
- `/tokenize` takes `{"model", "prompt"}` and gives `{"tokens", "count", "max_model_len"}`: the text alone.
- Streams, extra sampling fields and usage are as vLLM's.
- A prompt over the context is 400; errors are flat: `{"object": "error", "message", "type", "param", "code"}`.
- A wrong key is 401 with `{"error": "Unauthorized"}`. The model's name in the request is not checked.
"""

from __future__ import annotations

from tests.kb.engines.dialect_servers.openai_form import OpenAIServer, listed
from tests.kb.engines.dialect_servers.serving import Reply, Request, json_reply, token_count


class SglangServer(OpenAIServer):
    """Refuses what does not fit; any model name will do."""

    dialect = "sglang"
    thinking_field = "reasoning_content"
    checks_model = False
    tells_context = True

    def look(self, request: Request) -> Reply:
        if request.path == "/v1/models":
            return json_reply(listed(self.model, "sglang", root=self.model, max_model_len=self.context))
        if request.path == "/get_model_info":
            return json_reply({"model_path": self.model, "tokenizer_path": self.model, "is_generation": True})
        if request.path == "/tokenize":
            count = token_count([request.body["prompt"]])
            return json_reply({"tokens": [0] * count, "count": count, "max_model_len": self.context})
        return json_reply({"detail": "Not Found"}, 404)

    def unauthorised(self) -> Reply:
        return json_reply({"error": "Unauthorized"}, 401)

    def overlong(self, prompt_tokens: int, most: int) -> Reply:
        return self.error(
            400,
            f"The input ({prompt_tokens} tokens) is longer than the model's context length ({self.context} tokens).",
        )

    def error(self, status: int, message: str) -> Reply:
        return json_reply(
            {"object": "error", "message": message, "type": "BadRequestError", "param": None, "code": status}, status
        )
