"""Which kind of server listens at an address: told by routes that only one kind has.

Only questions that change nothing are asked, and answers are taken for a sign only in their expected form: some
servers answer 200 to any path.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import httpx

from kb.engines.foreign_json import table
from kb.engines.openai.dialects import DIALECTS, Dialect
from kb.engines.openai.inquiry import Inquiry

OURSELVES: Final = "qwen-kb"
_OWNERS: Final = {"vllm": "vllm", "sglang": "sglang", "me": "llama-cpp-python", OURSELVES: OURSELVES}


@dataclass(frozen=True, slots=True)
class Recognised:
    """A server that answers questions. `dialect` is None where nothing told it.

    `context` is in tokens, None where the server does not say; `wants_key`: nothing more can be seen without a key.
    """

    dialect: str | None
    models: tuple[str, ...]
    context: int | None = None
    wants_key: bool = False


def recognise(inquiry: Inquiry) -> Recognised | None:
    """Return what listens, None for something that is no such server. Raises httpx.HTTPError where nothing answers."""
    status, told = inquiry.get_with_status("/v1/models")
    if status in (401, 403):
        return Recognised(None, (), wants_key=True)
    models = model_ids(told)
    dialect = _by_owner(told) or _by_route(inquiry, models or ())
    if dialect is None and models is None:
        return None
    if dialect == "ollama":
        models = _ollama_models(inquiry) or models
    elif dialect == "tgi":
        models = models or _strings([table(_seen(inquiry, "/info")).get("model_id")])
    known = DIALECTS.get(dialect or "")
    context = _context(inquiry, known, models[0]) if known and models else None
    return Recognised(dialect, models or (), context)


def model_ids(told: object) -> tuple[str, ...] | None:
    """Return the ids of a list of models in OpenAI's form, None for anything else."""
    entries = table(told).get("data")
    if not isinstance(entries, list):
        return None
    return _strings(entry.get("id") for entry in entries if isinstance(entry, dict))


def _by_owner(told: object) -> str | None:
    entries = table(told).get("data")
    first = table(entries[0]) if isinstance(entries, list) and entries else {}
    if first.get("id") == "gpt-3.5-turbo" and first.get("owned_by") == "owner":
        return "qwen-openai-api"
    owner = first.get("owned_by")
    return _OWNERS.get(owner) if isinstance(owner, str) else None


def _by_route(inquiry: Inquiry, models: tuple[str, ...]) -> str | None:
    signs: tuple[tuple[str, Callable[[object], bool], str], ...] = (
        ("/api/tags", lambda told: isinstance(table(told).get("models"), list), "ollama"),
        ("/info", lambda told: "max_total_tokens" in table(told), "tgi"),
        ("/props", lambda told: "default_generation_settings" in table(told), "llama.cpp"),
        ("/api/v0/models", lambda told: isinstance(table(told).get("data"), list), "lmstudio"),
        ("/v1/internal/model/info", lambda told: "model_name" in table(told), "text-generation-webui"),
        # A service without knowledge bases yet lists none that would show whose it is.
        ("/openapi.json", lambda told: table(table(told).get("info")).get("title") == OURSELVES, OURSELVES),
        ("/openapi.json", lambda told: "/extras/tokenize" in table(table(told).get("paths")), "llama-cpp-python"),
        ("/openapi.json", lambda told: "/load_model" in table(table(told).get("paths")), "transformers"),
    )
    for path, is_sign, dialect in signs:
        if is_sign(_seen(inquiry, path)):
            named = any("llamafile" in model.lower() or model == "LLaMA_CPP" for model in models)
            return "llamafile" if dialect == "llama.cpp" and named else dialect
    return None


def _ollama_models(inquiry: Inquiry) -> tuple[str, ...]:
    entries = table(_seen(inquiry, "/api/tags")).get("models")
    return _strings(table(entry).get("name") for entry in entries) if isinstance(entries, list) else ()


def _context(inquiry: Inquiry, dialect: Dialect, model: str) -> int | None:
    try:
        return dialect.context(inquiry, model)
    except httpx.HTTPError:
        return None


def _seen(inquiry: Inquiry, path: str) -> Any:
    """Return an answer, None where the server gives none to this question: it may to the next."""
    try:
        return inquiry.get(path)
    except httpx.HTTPError:
        return None


def _strings(values: Any) -> tuple[str, ...]:
    return tuple(value for value in values if isinstance(value, str))
