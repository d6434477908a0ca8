"""What servers tell about themselves: the size of their context, and how many tokens a prompt has.

Every function returns None where this server does not say, as older versions of most do not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from kb.engines.foreign_json import table
from kb.engines.openai.dialect_bodies import turns_of
from kb.engines.openai.inquiry import Inquiry
from kb.records import Message

Context = Callable[[Inquiry, str], int | None]
Count = Callable[[Inquiry, str, Sequence[Message]], int | None]
Model = Callable[[Inquiry], str | None]


def no_context(inquiry: Inquiry, model: str) -> int | None:
    """Return None: the server has no such route."""
    return None


def no_count(inquiry: Inquiry, model: str, messages: Sequence[Message]) -> int | None:
    """Return None: the server has no such route."""
    return None


def no_model(inquiry: Inquiry) -> str | None:
    """Return None: the configured name is the model's, or does not matter."""
    return None


def listed_context(inquiry: Inquiry, model: str) -> int | None:
    """Return `max_model_len` of the model list (vLLM, SGLang)."""
    return _size(_entry(inquiry.get("/v1/models"), model).get("max_model_len"))


def tgi_context(inquiry: Inquiry, model: str) -> int | None:
    """Return `max_total_tokens` of TGI's `/info`; a prompt over a lower bound of its own is refused there, not cut."""
    return _size(table(inquiry.get("/info")).get("max_total_tokens"))


def tgi_model(inquiry: Inquiry) -> str | None:
    """Return the name or path of the model that TGI was started with."""
    told = table(inquiry.get("/info")).get("model_id")
    return told if isinstance(told, str) and told else None


def llama_cpp_context(inquiry: Inquiry, model: str) -> int | None:
    """Return the context of one slot: `-c` is shared among the slots, and `/props` tells a slot's part."""
    return _size(table(table(inquiry.get("/props")).get("default_generation_settings")).get("n_ctx"))


def ollama_context(inquiry: Inquiry, model: str) -> int | None:
    """Return the context that the model was made for; Ollama lowers a larger `num_ctx` to it without a word."""
    told = table(table(inquiry.post("/api/show", {"model": model})).get("model_info"))
    return next((_size(value) for key, value in told.items() if key.endswith(".context_length")), None)


def lmstudio_context(inquiry: Inquiry, model: str) -> int | None:
    """Return the context that the model was loaded with; None where it is not loaded yet."""
    return _size(_entry(inquiry.get("/api/v0/models"), model).get("loaded_context_length"))


def vllm_count(inquiry: Inquiry, model: str, messages: Sequence[Message]) -> int | None:
    """Return the tokens of the whole prompt, chat template included."""
    body = {"model": model, "messages": turns_of(messages), "add_generation_prompt": True}
    return _size(table(inquiry.post("/tokenize", body)).get("count"))


def sglang_count(inquiry: Inquiry, model: str, messages: Sequence[Message]) -> int | None:
    """Return the tokens of the texts alone; the template adds a few."""
    return _size(table(inquiry.post("/tokenize", {"model": model, "prompt": _texts(messages)})).get("count"))


def tgi_count(inquiry: Inquiry, model: str, messages: Sequence[Message]) -> int | None:
    """Return the tokens of the texts alone; the template adds a few."""
    return _length(inquiry.post("/tokenize", {"inputs": _texts(messages)}))


def llama_cpp_count(inquiry: Inquiry, model: str, messages: Sequence[Message]) -> int | None:
    """Return the tokens of the rendered prompt, or of the texts alone where the server cannot render."""
    rendered = table(inquiry.post("/apply-template", {"messages": turns_of(messages)})).get("prompt")
    text = rendered if isinstance(rendered, str) else _texts(messages)
    return _length(table(inquiry.post("/tokenize", {"content": text})).get("tokens"))


def llama_cpp_python_count(inquiry: Inquiry, model: str, messages: Sequence[Message]) -> int | None:
    """Return the tokens of the texts alone; the template adds a few."""
    return _size(table(inquiry.post("/extras/tokenize/count", {"input": _texts(messages)})).get("count"))


def webui_count(inquiry: Inquiry, model: str, messages: Sequence[Message]) -> int | None:
    """Return the tokens of the texts alone; the template adds a few."""
    return _size(table(inquiry.post("/v1/internal/token-count", {"text": _texts(messages)})).get("length"))


def _texts(messages: Sequence[Message]) -> str:
    return "\n".join(turn["content"] for turn in turns_of(messages))


def _entry(told: object, model: str) -> Mapping[str, Any]:
    """Return the entry of `model` in a list of models; the only entry where the list has one."""
    data = table(told).get("data")
    entries = [entry for entry in data if isinstance(entry, dict)] if isinstance(data, list) else []
    named = [entry for entry in entries if entry.get("id") == model]
    return named[0] if named else entries[0] if len(entries) == 1 else {}


def _size(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


def _length(value: object) -> int | None:
    return len(value) if isinstance(value, list) and value else None
