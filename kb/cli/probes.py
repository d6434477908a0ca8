"""Looking for model servers: on the usual ports of this machine, and at a configured address."""

from __future__ import annotations

import json
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import httpx

from indexes.errors import EngineUnavailableError
from kb.engines.openai.endpoints import ServerAddress
from kb.engines.openai.inquiry import Inquiry
from kb.engines.openai.recognise import OURSELVES, Recognised, recognise
from kb.engines.openai.tls import trust

# Port and the dialect of the server that usually listens there; it counts where nothing else tells.
PORTS = {
    8000: "vllm",
    8080: "llama.cpp",
    11434: "ollama",
    1234: "lmstudio",
    5000: "text-generation-webui",
    30000: "sglang",
}
_CONNECT_SECONDS = 0.3
_REACH_SECONDS = 3.0
_READ_SECONDS = 2.0
# For all questions to one server together: one that answers is recognised in far less.
_WHOLE_SECONDS = 6.0
_SHOWN_MODELS = 5
# Servers that answer only to the names that they list; the others take any, or more than they list.
_NAMES_COUNT = ("vllm", "ollama")
# What is offered as the window where the server tells more: a cache of this size fits most cards.
_LARGEST_WINDOW = 32_768
# Under this there is no room for passages beside the default bound on answers.
_LEAST_WINDOW = 1024


@dataclass(frozen=True, slots=True)
class Server:
    """A server that was found: its dialect, what is known of it, and the lines for kb.toml ("" where none are due)."""

    port: int
    dialect: str
    models: tuple[str, ...]
    context: int | None
    advice: str
    configuration: str


def find_servers(ports: dict[int, str] | None = None) -> list[Server]:
    """Return the servers on loopback that answer questions. Takes at most some seconds a port, all at once."""
    candidates = PORTS if ports is None else ports
    with ThreadPoolExecutor(max_workers=len(candidates) or 1) as pool:
        found = pool.map(lambda entry: _probe(*entry), candidates.items())
    return [server for server in found if server is not None]


def reach(base_url: str, api_key: str | None = None, ca_file: str = "") -> Recognised:
    """Return what a configured server is; raise EngineUnavailableError where it cannot be reached.

    A server that is there but tells nothing of itself, as some do not, has no dialect and no models.
    """
    inquiry = Inquiry(base_url, api_key, trust([base_url], ca_file), _REACH_SECONDS, _READ_SECONDS)
    try:
        found = recognise(inquiry.until(threading.Event(), _WHOLE_SECONDS))
    except httpx.HTTPError as error:
        raise EngineUnavailableError(f"{base_url} cannot be reached: {error}; start the server") from error
    if found is not None and found.wants_key:
        raise EngineUnavailableError(f"{base_url} refuses the key (engine.api_key_env)")
    return found or Recognised(None, ())


def about(address: ServerAddress, ca_file: str = "") -> str:
    """Describe a configured server in one line: its models, and what in its settings does not suit it.

    Raises EngineUnavailableError where it cannot be reached.
    """
    found = reach(address.base_url, address.api_key, ca_file)
    if found.dialect == OURSELVES:
        raise EngineUnavailableError(
            f"{address.base_url} is this program's own service (kb serve): engine.base_url must name a model server"
        )
    said = address.base_url + (f", which serves {', '.join(found.models[:_SHOWN_MODELS])}" if found.models else "")
    # Both routes of TGI are one server.
    configured = address.dialect.removesuffix("-native")
    if found.dialect is not None and found.dialect != configured:
        said += f"; it is {found.dialect}: set dialect = {json.dumps(found.dialect)} instead of {address.dialect!r}"
    if found.dialect in _NAMES_COUNT and found.models and address.model not in found.models:
        said += f"; it does not list the model {address.model!r}"
    return said


def _probe(port: int, usual: str) -> Server | None:
    inquiry = Inquiry(f"http://127.0.0.1:{port}", None, False, _CONNECT_SECONDS, _READ_SECONDS)
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=_CONNECT_SECONDS):
            pass
        found = recognise(inquiry.until(threading.Event(), _WHOLE_SECONDS))
    except (OSError, httpx.HTTPError):
        # Nothing listens there, or something that is no such server: that is the usual case, and no finding.
        return None
    if found is None:
        return None
    if found.dialect == OURSELVES:
        return Server(port, OURSELVES, found.models, None, "is this program's own service (kb serve)", "")
    dialect = found.dialect or usual
    certainty = "" if found.dialect else " (by its port: nothing else tells)"
    if found.wants_key:
        advice = f"a server that wants a key{certainty}: put it into a variable and name that in engine.api_key_env"
    else:
        shown = ", ".join(found.models[:_SHOWN_MODELS]) or "models that it does not name"
        more = f" and {len(found.models) - _SHOWN_MODELS} more" if len(found.models) > _SHOWN_MODELS else ""
        advice = f"{dialect}{certainty} serves {shown}{more}"
    return Server(port, dialect, found.models, found.context, advice, _configuration(port, dialect, found))


def _configuration(port: int, dialect: str, found: Recognised) -> str:
    """Return the lines for kb.toml that use the server."""
    model = found.models[0] if found.models else "MODEL"
    values: dict[str, str | int] = {
        "name": "openai",
        "dialect": dialect,
        "base_url": f"http://127.0.0.1:{port}" + ("" if dialect in ("ollama", "tgi-native") else "/v1"),
        "model": model,
    }
    if found.wants_key:
        values["api_key_env"] = "KB_ENGINE_KEY"
    if found.context is not None and found.context >= _LEAST_WINDOW:
        values["window"] = min(found.context, _LARGEST_WINDOW)
    # JSON's strings and numbers are TOML's too.
    lines = [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in values.items()]
    return "\n".join(["[engine]", *lines])
