"""llamafile's server, as recorded: port 8080.

Assumed (from its README and that of the llama.cpp version inside it):

- It is an older `llama-server`: `/props` and `/tokenize` are there, `/apply-template` is not.
- A prompt over the context is cut: its middle is thrown away without a word, and the usage counts what was left. (The
  newest versions refuse, as `llama-server` does.)
- It knows no key and checks no model name. Thinking stands between tags in the text;
  versions with Jinja templates read `chat_template_kwargs`, older ones pass over it.
- It lists its model as `LLaMA_CPP`, or by the name of its file.
"""

from __future__ import annotations

from tests.kb.engines.dialect_servers.llama_cpp import LlamaCppServer
from tests.kb.engines.dialect_servers.openai_form import listed
from tests.kb.engines.dialect_servers.serving import Reply, Request, json_reply


class LlamafileServer(LlamaCppServer):
    """Cuts what does not fit."""

    dialect = "llamafile"
    thinking_field = ""
    checks_key = False
    long_prompt = "cuts"

    def look(self, request: Request) -> Reply:
        if request.path == "/v1/models":
            return json_reply(listed("LLaMA_CPP", "llamacpp"))
        if request.path == "/apply-template":
            return self.error(404, "File Not Found")
        return super().look(request)

    def overlong(self, prompt_tokens: int, most: int) -> Reply | None:
        return None
