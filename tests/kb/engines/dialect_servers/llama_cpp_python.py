"""llama-cpp-python's server, as recorded: `python -m llama_cpp.server`, port 8000.

Seen in a run of version 0.3.36 (`test_llama_cpp_python.py` runs the real one):

- `/v1/models` says `owned_by: "me"`; nothing tells the context; `/extras/tokenize/count` takes `{"input"}`.
- Any model name will do. Streams end with `[DONE]` and hold no usage, also where it is asked for.
- `chat_template_kwargs` is an option of its start (`--chat_template_kwargs`); in a request it is passed over.
- A prompt over the context is 400 with `code: "context_length_exceeded"` without streaming; with streaming it is
  status 200 and an empty stream.
- A wrong key is 401 with `{"detail": "Invalid API key"}`. Other errors are 500 with `type: "internal_server_error"`.
"""

from __future__ import annotations

from tests.kb.engines.dialect_servers.openai_form import OpenAIServer, listed
from tests.kb.engines.dialect_servers.serving import Reply, Request, json_reply, token_count


class LlamaCppPythonServer(OpenAIServer):
    """Refuses what does not fit, tells no usage."""

    dialect = "llama-cpp-python"
    usage = "never"
    tells_usage = False
    checks_model = False
    questions_refused = 3
    switches_thinking = False

    def look(self, request: Request) -> Reply:
        if request.path == "/v1/models":
            return json_reply(listed("qwen2.5-7b-instruct-q4_k_m.gguf", "me", permissions=[]))
        if request.path == "/extras/tokenize/count":
            return json_reply({"count": token_count([request.body["input"]])})
        if request.path == "/openapi.json":
            return json_reply({"info": {"title": "🦙 llama.cpp Python API"}, "paths": {"/extras/tokenize": {}}})
        return json_reply({"detail": "Not Found"}, 404)

    def unauthorised(self) -> Reply:
        return json_reply({"detail": "Invalid API key"}, 401)

    def overlong(self, prompt_tokens: int, most: int) -> Reply:
        return Reply(kind="text/event-stream")

    def error(self, status: int, message: str) -> Reply:
        return json_reply({"error": {"message": message, "type": "internal_server_error", "code": None}}, status)
