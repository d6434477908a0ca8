"""Dialects: what each server wants beyond the standard fields, and what it calls them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from indexes.errors import ConfigurationError, EngineUnavailableError
from kb.engines.base import GenerationOptions
from kb.records import Message

Body = dict[str, Any]
Extras = Callable[[GenerationOptions], Body]
_OLLAMA_PORT = 11434


@dataclass(frozen=True, slots=True)
class Part:
    """What one message of a stream holds: answer text, token counts, and whether the answer ends with it."""

    text: str = ""
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    done: bool = False


@dataclass(frozen=True, slots=True)
class Dialect:
    """How to ask one kind of server. `raises_context` tells a user how to give it a larger context."""

    name: str
    raises_context: str
    extras: Extras = lambda options: {}
    asks_usage: bool = True
    fixed_model: str = ""
    native_ollama: bool = False

    def url(self, base_url: str) -> str:
        """Return the address to post to; a base URL without a path gets `/v1`."""
        base = base_url.rstrip("/")
        if self.native_ollama:
            return base.removesuffix("/v1").removesuffix("/api") + "/api/chat"
        path = urlsplit(base).path
        return f"{base}/chat/completions" if path else f"{base}/v1/chat/completions"

    def body(self, model: str, messages: Sequence[Message], options: GenerationOptions, window: int) -> Body:
        """Return the request. `options.max_new_tokens` must fit the window already."""
        turns = [{"role": message.role, "content": _sendable(message.content)} for message in messages]
        if self.native_ollama:
            return {
                "model": model,
                "messages": turns,
                "stream": True,
                "think": False,
                "options": {"num_ctx": window, "num_predict": options.max_new_tokens, **_ollama_sampling(options)},
            }
        body: Body = {
            "model": model or self.fixed_model or "default",
            "messages": turns,
            "stream": True,
            "max_tokens": options.max_new_tokens,
            "temperature": options.temperature,
        }
        if options.temperature > 0:
            body["top_p"] = options.top_p
        if options.seed is not None:
            body["seed"] = options.seed
        if self.asks_usage:
            body["stream_options"] = {"include_usage": True}
        return body | self.extras(options)

    def read(self, message: str) -> Part:
        """Return what a message of the stream holds; raise EngineUnavailableError where it reports an error."""
        try:
            value = json.loads(message)
        except ValueError:
            raise EngineUnavailableError("the server sent something that is not JSON") from None
        if not isinstance(value, dict):
            raise EngineUnavailableError("the server sent JSON that is no message of a chat")
        if error := error_text(value):
            raise EngineUnavailableError(f"the server reported: {error}")
        return _ollama_part(value) if self.native_ollama else _openai_part(value)


def minimal_body(body: Body) -> Body:
    """Return `body` with nothing but what every server has known from the first, for one that refuses the rest."""
    return {key: body[key] for key in ("model", "messages", "stream", "max_tokens", "temperature") if key in body}


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


def error_text(value: Mapping[str, Any]) -> str:
    """Return the message of an error body in any of the shapes that servers use, or "" where there is none."""
    error = value.get("error")
    for found in (error.get("message") if isinstance(error, dict) else error, value.get("detail")):
        if found:
            return " ".join((found if isinstance(found, str) else json.dumps(found, ensure_ascii=False)).split())[:300]
    return json.dumps(error)[:300] if error else ""


def _openai_part(value: Mapping[str, Any]) -> Part:
    usage = value.get("usage")
    counts = usage if isinstance(usage, dict) else {}
    choices = value.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], dict) else {}
    said = choice.get("delta") or choice.get("message") or {}
    text = said.get("content") if isinstance(said, dict) else None
    return Part(
        text if isinstance(text, str) else "",
        _count(counts.get("prompt_tokens")),
        _count(counts.get("completion_tokens")),
        choice.get("finish_reason") is not None,
    )


def _ollama_part(value: Mapping[str, Any]) -> Part:
    said = value.get("message")
    text = said.get("content") if isinstance(said, dict) else None
    return Part(
        text if isinstance(text, str) else "",
        _count(value.get("prompt_eval_count")),
        _count(value.get("eval_count")),
        value.get("done") is True,
    )


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _sendable(text: str) -> str:
    """Lone surrogates cannot be sent as UTF-8."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _ollama_sampling(options: GenerationOptions) -> Body:
    sampling: Body = {
        "temperature": options.temperature,
        "top_p": options.top_p,
        "top_k": options.top_k,
        "repeat_penalty": options.repetition_penalty,
    }
    return sampling if options.seed is None else sampling | {"seed": options.seed}


def _top_level(options: GenerationOptions) -> Body:
    return {"top_k": options.top_k, "repetition_penalty": options.repetition_penalty}


def _without_thinking(options: GenerationOptions) -> Body:
    return {**_top_level(options), "chat_template_kwargs": {"enable_thinking": False}}


def _llama_cpp(options: GenerationOptions) -> Body:
    return {"top_k": options.top_k, "repeat_penalty": options.repetition_penalty}


def _transformers(options: GenerationOptions) -> Body:
    return {"chat_template_kwargs": {"enable_thinking": False}}


DIALECTS: Final[Mapping[str, Dialect]] = {
    dialect.name: dialect
    for dialect in (
        Dialect("openai", "give the server a larger context"),
        Dialect("vllm", "start vLLM with a larger --max-model-len", _without_thinking),
        Dialect("sglang", "start SGLang with a larger --context-length", _without_thinking),
        Dialect("tgi", "start TGI with larger --max-input-tokens and --max-total-tokens", fixed_model="tgi"),
        Dialect("llama.cpp", "start llama-server with a larger -c", _llama_cpp),
        Dialect("ollama", "raise engine.window, which is sent as num_ctx", native_ollama=True),
        Dialect("lmstudio", "load the model in LM Studio with a larger context length", _llama_cpp),
        Dialect("llamafile", "start llamafile with a larger -c", _llama_cpp),
        Dialect("text-generation-webui", "start the web UI with a larger --ctx-size", _top_level),
        Dialect("transformers", "use a model with a larger context", _transformers, asks_usage=False),
    )
}
