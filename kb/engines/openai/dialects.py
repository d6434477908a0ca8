"""Dialects: what each server wants beyond the standard fields, what it calls them, and what it tells of itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import urlsplit

from indexes.errors import ConfigurationError, EngineUnavailableError
from kb.engines.base import GenerationOptions
from kb.engines.foreign_json import parse
from kb.engines.openai import dialect_bodies as bodies
from kb.engines.openai import server_facts as facts
from kb.engines.openai.dialect_bodies import Body, Extras
from kb.engines.openai.dialect_parts import Part, error_text, ollama_part, openai_part, tgi_part
from kb.engines.openai.inquiry import root_of
from kb.records import Message

_OLLAMA_PORT = 11434


@dataclass(frozen=True, slots=True)
class Dialect:
    """How to ask one kind of server. `raises_context` tells a user how to give it a larger context.

    `route` says which interface is spoken: OpenAI's, Ollama's `/api/chat` or TGI's `/generate_stream`. `context` asks
    the server for the size of its context, `count` for the tokens of a prompt (or at least of its texts), `model` for
    what it serves where the prompt's form depends on that. `refuses_whole_nucleus`: a `top_p` of 1 is an error there.
    """

    name: str
    raises_context: str
    extras: Extras = bodies.no_extras
    asks_usage: bool = True
    fixed_model: str = ""
    route: Literal["openai", "ollama", "tgi"] = "openai"
    context: facts.Context = facts.no_context
    count: facts.Count = facts.no_count
    model: facts.Model = facts.no_model
    refuses_whole_nucleus: bool = False

    @property
    def marks_end(self) -> bool:
        """Whether this kind of server always says that an answer is complete; an unknown one may not."""
        return self.name != "openai"

    @property
    def is_lines(self) -> bool:
        """Whether the stream is JSON lines instead of server-sent events."""
        return self.route == "ollama"

    def url(self, base_url: str) -> str:
        """Return the address to post to; a base URL without a path gets `/v1`."""
        if self.route != "openai":
            return root_of(base_url) + ("/api/chat" if self.route == "ollama" else "/generate_stream")
        base = base_url.rstrip("/")
        return f"{base}/chat/completions" if urlsplit(base).path else f"{base}/v1/chat/completions"

    def body(self, model: str, messages: Sequence[Message], options: GenerationOptions, window: int) -> Body:
        """Return the request for what `model` tells, or for the configured name where it tells nothing.

        `options.max_new_tokens` must fit the window already.
        """
        if self.route == "ollama":
            return bodies.ollama_body(model, messages, options, window)
        if self.route == "tgi":
            return bodies.tgi_body(model, messages, options)
        standard = bodies.openai_body(model or self.fixed_model or "default", messages, options, self.asks_usage)
        body = standard | self.extras(options)
        return bodies.without_whole_nucleus(body) if self.refuses_whole_nucleus else body

    def read(self, message: str, masked: Callable[[str], str] = str) -> Part:
        """Return what a message of the stream holds; raise EngineUnavailableError where it reports an error.

        `masked` takes secrets out of the server's words.
        """
        try:
            value = parse(message)
        except ValueError:
            raise EngineUnavailableError("the server sent something that is not JSON") from None
        if not isinstance(value, dict):
            raise EngineUnavailableError("the server sent JSON that is no message of a chat")
        if error := error_text(value, masked):
            raise EngineUnavailableError(f"the server reported: {error}")
        if self.route == "ollama":
            return ollama_part(value)
        return tgi_part(value) if self.route == "tgi" else openai_part(value)


def dialect_of(name: str, base_url: str) -> Dialect:
    """Return the dialect `name`; "auto" is the standard one, except that Ollama is known by its port.

    Through its OpenAI route Ollama cuts long prompts without a word, so it must not be taken for a standard server.
    """
    if name == "auto":
        name = "ollama" if urlsplit(base_url).port == _OLLAMA_PORT else "openai"
    found = DIALECTS.get("openai" if name == "standard" else name)
    if found is None:
        known = ", ".join(["auto", *DIALECTS])
        raise ConfigurationError(f"engine.dialect {name!r} is unknown: there are {known}")
    return found


_TGI_CONTEXT = "start TGI with larger --max-input-tokens and --max-total-tokens"
DIALECTS: Final[Mapping[str, Dialect]] = {
    dialect.name: dialect
    for dialect in (
        Dialect("openai", "give the server a larger context"),
        Dialect(
            "vllm",
            "start vLLM with a larger --max-model-len",
            bodies.without_thinking,
            context=facts.listed_context,
            count=facts.vllm_count,
        ),
        Dialect(
            "sglang",
            "start SGLang with a larger --context-length",
            bodies.without_thinking,
            context=facts.listed_context,
            count=facts.sglang_count,
        ),
        Dialect(
            "tgi",
            _TGI_CONTEXT,
            fixed_model="tgi",
            context=facts.tgi_context,
            count=facts.tgi_count,
            refuses_whole_nucleus=True,
        ),
        Dialect(
            "tgi-native",
            _TGI_CONTEXT,
            route="tgi",
            context=facts.tgi_context,
            count=facts.tgi_count,
            model=facts.tgi_model,
        ),
        Dialect(
            "llama.cpp",
            "start llama-server with a larger -c",
            bodies.llama_cpp,
            context=facts.llama_cpp_context,
            count=facts.llama_cpp_count,
        ),
        Dialect(
            "llama-cpp-python",
            "start llama_cpp.server with a larger --n_ctx",
            bodies.llama_cpp_sampling,
            count=facts.llama_cpp_python_count,
        ),
        Dialect(
            "ollama",
            "raise engine.window, which is sent as num_ctx, or take a model with a larger context",
            route="ollama",
            context=facts.ollama_context,
        ),
        Dialect(
            "lmstudio",
            "load the model in LM Studio with a larger context length",
            bodies.llama_cpp_sampling,
            context=facts.lmstudio_context,
        ),
        Dialect(
            "llamafile",
            "start llamafile with a larger -c",
            bodies.llama_cpp,
            context=facts.llama_cpp_context,
            count=facts.llama_cpp_count,
        ),
        Dialect(
            "text-generation-webui",
            "start the web UI with a larger --ctx-size",
            bodies.webui,
            count=facts.webui_count,
        ),
        Dialect("transformers", "use a model with a larger context", bodies.template_only, asks_usage=False),
        Dialect(
            "qwen-openai-api",
            "raise max_window_size in the model's generation_config.json",
            bodies.top_k_only,
            asks_usage=False,
        ),
    )
}
