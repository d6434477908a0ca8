"""vLLM's OpenAI server, as recorded: `vllm serve`, port 8000.

Assumed (from its documentation and its `entrypoints/openai` and `entrypoints/serve` protocols):

- `/v1/models` says `owned_by: "vllm"` and the size of the context as `max_model_len`; `/version` tells the version.
- `/tokenize` takes `messages` and gives `{"count", "max_model_len", "tokens"}`, chat template included.
- Sampling fields beyond OpenAI's (`top_k`, `repetition_penalty`, `chat_template_kwargs`) stand at the top level.
- Usage comes only where `stream_options.include_usage` asks for it, in a last chunk without choices.
- Thinking comes as `reasoning_content` where a reasoning parser is on.
- A prompt, or prompt and `max_tokens` together, over the context is 400, never cut. Errors are
  `{"error": {"message", "type", "param", "code"}}` today and were flat with `"object": "error"` before; a wrong key is
  401 with `{"error": "Unauthorized"}`; a wrong model is 404.
"""

from __future__ import annotations

from typing import ClassVar

from tests.kb.engines.dialect_servers.openai_form import OpenAIServer, listed
from tests.kb.engines.dialect_servers.serving import Reply, Request, json_reply, token_count


class VllmServer(OpenAIServer):
    """Refuses what does not fit, and tells beforehand what fits."""

    dialect = "vllm"
    thinking_field = "reasoning_content"
    tells_context = True
    flat_errors: ClassVar[bool] = False

    def look(self, request: Request) -> Reply:
        if request.path == "/v1/models":
            return json_reply(listed(self.model, "vllm", root=self.model, max_model_len=self.context))
        if request.path == "/version":
            return json_reply({"version": "0.11.0"})
        if request.path == "/tokenize":
            count = token_count([turn["content"] for turn in request.body["messages"]])
            return json_reply({"count": count, "max_model_len": self.context, "tokens": [0] * count})
        return json_reply({"detail": "Not Found"}, 404)

    def unauthorised(self) -> Reply:
        return json_reply({"error": "Unauthorized"}, 401)

    def overlong(self, prompt_tokens: int, most: int) -> Reply:
        return self.error(
            400,
            f"This model's maximum context length is {self.context} tokens. However, you requested "
            f"{prompt_tokens + most} tokens ({prompt_tokens} in the messages, {most} in the completion).",
        )

    def error(self, status: int, message: str) -> Reply:
        told = {"message": message, "type": "BadRequestError", "param": None, "code": status}
        return json_reply({"object": "error", **told} if self.flat_errors else {"error": told}, status)


class OldVllmServer(VllmServer):
    """Before 0.10 the errors were flat."""

    flat_errors = True
