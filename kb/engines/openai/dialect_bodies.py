"""Requests in the words of each kind of server."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, Final

from kb.engines.base import GenerationOptions
from kb.records import Message

Body = dict[str, Any]
Extras = Callable[[GenerationOptions], Body]
# Servers encode the rendered prompt with its control tokens, so one inside a document would end its turn.
_CONTROL: Final = re.compile(r"<(?=\|(?:im_start|im_end|endoftext)\|>)")
# Qwen3's kinds that answer with or without a thought; those of these names have one way only.
_ONE_WAY: Final = re.compile(r"(?<![a-z])(?:instruct|thinking|coder|base)(?![a-z])", re.IGNORECASE)
# What Qwen3's own template writes before an answer that is to come without a thought.
_EMPTY_THOUGHT: Final = "<think>\n\n</think>\n\n"
_FEWEST: Final = ("model", "messages", "stream", "max_tokens", "temperature")


def turns_of(messages: Sequence[Message]) -> list[dict[str, str]]:
    """Return the messages as every server takes them; control tokens of ChatML inside them are broken up."""
    return [{"role": message.role, "content": _sendable(message.content)} for message in messages]


def openai_body(model: str, messages: Sequence[Message], options: GenerationOptions, asks_usage: bool) -> Body:
    """Return a streaming chat completion with nothing but standard fields."""
    body: Body = {
        "model": model,
        "messages": turns_of(messages),
        "stream": True,
        "max_tokens": options.max_new_tokens,
        "temperature": options.temperature,
    }
    if options.temperature > 0:
        body["top_p"] = options.top_p
    if options.seed is not None:
        body["seed"] = options.seed
    if options.stop:
        body["stop"] = list(options.stop)
    if asks_usage:
        body["stream_options"] = {"include_usage": True}
    return body


def ollama_body(model: str, messages: Sequence[Message], options: GenerationOptions, window: int) -> Body:
    """Return a request of `/api/chat`, which unlike Ollama's OpenAI route takes the size of the context."""
    sampling: Body = {
        "temperature": options.temperature,
        "top_p": options.top_p,
        "top_k": options.top_k,
        "repeat_penalty": options.repetition_penalty,
    }
    if options.seed is not None:
        sampling["seed"] = options.seed
    if options.stop:
        sampling["stop"] = list(options.stop)
    return {
        "model": model,
        "messages": turns_of(messages),
        "stream": True,
        "think": False,
        "options": {"num_ctx": window, "num_predict": options.max_new_tokens, **sampling},
    }


def tgi_body(model: str, messages: Sequence[Message], options: GenerationOptions) -> Body:
    """Return a request of `/generate_stream`, which takes the rendered text: Qwen's form, ChatML.

    `model` tells whether an empty thought has to stand before the answer, so that the model does not think. `truncate`
    is left out: with it TGI would cut a long prompt instead of refusing it. A `top_p` of 1 and a temperature of 0 are
    refused by TGI and mean none.
    """
    parameters: Body = {
        "max_new_tokens": options.max_new_tokens,
        "do_sample": options.temperature > 0,
        "repetition_penalty": options.repetition_penalty,
        "return_full_text": False,
        "details": True,
        "stop": ["<|im_end|>", "<|endoftext|>", *options.stop],
    }
    if options.temperature > 0:
        parameters |= {"temperature": options.temperature, "top_k": options.top_k}
        if options.top_p < 1:
            parameters["top_p"] = options.top_p
    if options.seed is not None:
        parameters["seed"] = options.seed
    thought = _EMPTY_THOUGHT if thinks_unless_told(model) else ""
    return {"inputs": chatml(messages) + thought, "parameters": parameters}


def chatml(messages: Sequence[Message]) -> str:
    """Return the text of a prompt in ChatML, up to where the assistant's turn begins."""
    turns = [f"<|im_start|>{turn['role']}\n{turn['content']}<|im_end|>\n" for turn in turns_of(messages)]
    return "".join(turns) + "<|im_start|>assistant\n"


def thinks_unless_told(model: str) -> bool:
    """Return whether a model of this name or path is a Qwen3 that can do without thinking, and thinks if left to it."""
    name = re.split(r"[/\\]", model.rstrip("/\\"))[-1]
    return "qwen3" in name.lower() and _ONE_WAY.search(name) is None


def without_whole_nucleus(body: Body) -> Body:
    """Return `body` without a `top_p` of 1, which means none, for a server that refuses it."""
    return {key: value for key, value in body.items() if key != "top_p" or value < 1}


def minimal_body(body: Body) -> Body:
    """Return `body` with nothing but what every server has known from the first, for one that refuses the rest."""
    return {key: body[key] for key in _FEWEST if key in body}


def no_extras(options: GenerationOptions) -> Body:
    """Only standard fields."""
    return {}


def top_level(options: GenerationOptions) -> Body:
    """Return sampling fields under the names of transformers."""
    return {"top_k": options.top_k, "repetition_penalty": options.repetition_penalty}


def without_thinking(options: GenerationOptions) -> Body:
    """Return those of `top_level`, and what switches Qwen3's thinking off in the chat template."""
    return top_level(options) | template_only(options)


def llama_cpp_sampling(options: GenerationOptions) -> Body:
    """Return sampling fields under the names of llama.cpp, which passes over `repetition_penalty`."""
    return {"top_k": options.top_k, "repeat_penalty": options.repetition_penalty}


def llama_cpp(options: GenerationOptions) -> Body:
    """Return those of `llama_cpp_sampling`, and what switches thinking off in the chat template."""
    return llama_cpp_sampling(options) | template_only(options)


def webui(options: GenerationOptions) -> Body:
    """Return those of `top_level`, and the field by which text-generation-webui switches thinking off."""
    return {**top_level(options), "enable_thinking": False}


def template_only(options: GenerationOptions) -> Body:
    """Return what switches thinking off, for a server that answers 422 to sampling fields of its own."""
    return {"chat_template_kwargs": {"enable_thinking": False}}


def top_k_only(options: GenerationOptions) -> Body:
    """Return the one field beyond the standard that Qwen's own server reads."""
    return {"top_k": options.top_k}


def _sendable(text: str) -> str:
    """Lone surrogates cannot be sent as UTF-8."""
    return _CONTROL.sub("< ", text.encode("utf-8", "replace").decode("utf-8"))
