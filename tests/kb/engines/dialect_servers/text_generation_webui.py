"""text-generation-webui with `--api`, as recorded: port 5000.

Assumed (from its documentation and the source of its OpenAI extension):

- `/v1/internal/model/info` tells `model_name`; `/v1/internal/token-count` takes `{"text"}` and gives `{"length"}`.
  Nothing tells the context.
- The model's name in the request is not checked: the loaded model answers. `/v1/models` lists whole folders.
- The stream ends with `[DONE]`; usage stands on the chunk with the finish reason.
- Thinking is switched off by `enable_thinking: false` at the top level; `chat_template_kwargs` is passed over.
- A prompt over the context is cut from its beginning; the usage counts what was left.
- A wrong key is 401 with `{"detail": "Unauthorized"}`; other errors have OpenAI's shape. A host name other than
  localhost is 400 unless it was started with `--listen`.
"""

from __future__ import annotations

from typing import Any

from tests.kb.engines.dialect_servers.openai_form import OpenAIServer, listed
from tests.kb.engines.dialect_servers.serving import Reply, Request, json_reply, token_count


class TextGenerationWebuiServer(OpenAIServer):
    """Cuts what does not fit, and tells only afterwards."""

    dialect = "text-generation-webui"
    usage = "always"
    usage_with_finish = True
    checks_model = False
    long_prompt = "cuts"

    def told_not_to_think(self, body: dict[str, Any]) -> bool:
        return body.get("enable_thinking") is False

    def look(self, request: Request) -> Reply:
        if request.path == "/v1/models":
            return json_reply(listed("Qwen_Qwen2.5-7B-Instruct", "user"))
        if request.path == "/v1/internal/model/info":
            return json_reply({"model_name": "Qwen_Qwen2.5-7B-Instruct", "lora_names": []})
        if request.path == "/v1/internal/token-count":
            return json_reply({"length": token_count([request.body["text"]])})
        return json_reply({"detail": "Not Found"}, 404)

    def unauthorised(self) -> Reply:
        return json_reply({"detail": "Unauthorized"}, 401)

    def overlong(self, prompt_tokens: int, most: int) -> Reply | None:
        return None
