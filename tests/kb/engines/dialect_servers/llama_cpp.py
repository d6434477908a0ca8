"""llama.cpp's `llama-server`, as recorded: port 8080.

Assumed (from the README of its server):

- `/v1/models` says `owned_by: "llamacpp"`; `/props` tells the context of one slot as
  `default_generation_settings.n_ctx`.
- `/apply-template` renders messages to `{"prompt"}`; `/tokenize` takes `{"content"}` and gives `{"tokens": [...]}`.
- The model's name is not checked. `repeat_penalty` is its name, `repetition_penalty` is passed over.
- `chat_template_kwargs` of a request reach the chat template (`--jinja`, on unless it is switched off).
- Usage comes where asked for, in a chunk without choices; thinking comes as `reasoning_content`.
- A prompt over the context is 400 with `type: "exceed_context_size_error"`, `n_prompt_tokens` and `n_ctx`; a wrong key
  401 with `type: "authentication_error"`; while the model loads 503 with `type: "unavailable_error"`.
- An error within a stream was a line of the field `error:` before it became a `data:` event.
"""

from __future__ import annotations

import json

from tests.kb.engines.dialect_servers.openai_form import OpenAIServer, listed
from tests.kb.engines.dialect_servers.serving import Reply, Request, json_reply, token_count


class LlamaCppServer(OpenAIServer):
    """Refuses what does not fit; any model name will do."""

    dialect = "llama.cpp"
    thinking_field = "reasoning_content"
    checks_model = False
    tells_context = True

    def look(self, request: Request) -> Reply:
        if request.path == "/v1/models":
            return json_reply(listed("qwen2.5-7b-instruct-q4_k_m.gguf", "llamacpp", meta={"n_ctx_train": 32768}))
        if request.path == "/props":
            settings = {"n_ctx": self.context, "params": {"n_predict": -1}}
            return json_reply(
                {"default_generation_settings": settings, "total_slots": 4, "build_info": "b6970-3df2244d"}
            )
        if request.path == "/apply-template":
            return json_reply({"prompt": "\n".join(turn["content"] for turn in request.body["messages"])})
        if request.path == "/tokenize":
            return json_reply({"tokens": [0] * token_count([request.body["content"]])})
        return self.error(404, "File Not Found")

    def unauthorised(self) -> Reply:
        return self.error(401, "Invalid API Key")

    def overlong(self, prompt_tokens: int, most: int) -> Reply | None:
        told = {
            "code": 400,
            "message": f"request ({prompt_tokens} tokens) exceeds the available context size ({self.context} tokens), "
            "try increasing it",
            "type": "exceed_context_size_error",
            "n_prompt_tokens": prompt_tokens,
            "n_ctx": self.context,
        }
        return json_reply({"error": told}, 400)

    def error(self, status: int, message: str) -> Reply:
        kinds = {401: "authentication_error", 404: "not_found_error", 500: "server_error", 429: "unavailable_error"}
        return json_reply({"error": {"code": status, "message": message, "type": kinds[status]}}, status)

    def error_within(self, message: str) -> bytes:
        told = {"code": 500, "message": message, "type": "server_error"}
        return f"error: {json.dumps(told)}\n\n".encode()
