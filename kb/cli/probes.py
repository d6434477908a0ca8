"""Looking for OpenAI-compatible servers: on the usual ports of this machine, and at a configured address."""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import httpx

from indexes.errors import EngineUnavailableError
from kb.engines.inquiry import Inquiry
from kb.engines.tls import trust

# Port and the server that usually listens there, with the name of its dialect.
PORTS = {
    8000: "vllm",
    8080: "llama.cpp",
    11434: "ollama",
    1234: "lmstudio",
    5000: "text-generation-webui",
    30000: "sglang",
}
_CONNECT_SECONDS = 0.3
_READ_SECONDS = 2.0
_REACH_SECONDS = 3.0
_SHOWN_MODELS = 5


@dataclass(frozen=True, slots=True)
class Server:
    """A server that was found; `advice` says how to use it."""

    port: int
    models: tuple[str, ...]
    advice: str


def find_servers(ports: dict[int, str] | None = None) -> list[Server]:
    """Return the servers on loopback that list models as OpenAI's interface does. Takes at most a few seconds."""
    candidates = PORTS if ports is None else ports
    with ThreadPoolExecutor(max_workers=len(candidates) or 1) as pool:
        found = pool.map(lambda entry: _probe(*entry), candidates.items())
    return [server for server in found if server is not None]


def reach(base_url: str, api_key: str | None = None, ca_file: str = "") -> tuple[str, ...]:
    """Return the models that a configured server lists; raise EngineUnavailableError where it cannot be reached.

    A server that is there but lists no models, as some do not, gives an empty tuple.
    """
    inquiry = Inquiry(base_url, api_key, trust(ca_file), _REACH_SECONDS, _READ_SECONDS)
    try:
        status, told = inquiry.get_with_status("/v1/models")
    except httpx.HTTPError as error:
        raise EngineUnavailableError(f"{base_url} cannot be reached: {error}; start the server") from error
    if status in (401, 403):
        raise EngineUnavailableError(f"{base_url} refuses the key (engine.api_key_env)")
    return _ids(told) or ()


def _probe(port: int, dialect: str) -> Server | None:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=_CONNECT_SECONDS):
            pass
        inquiry = Inquiry(f"http://127.0.0.1:{port}/v1", None, False, _CONNECT_SECONDS, _READ_SECONDS)
        models = _ids(inquiry.get("/v1/models"))
    except (OSError, httpx.HTTPError):
        # Nothing listens there, or something that is no such server: that is the usual case, and no finding.
        return None
    if models is None:
        return None
    model = models[0] if models else "MODEL"
    advice = (
        f"serves {', '.join(models[:_SHOWN_MODELS]) or 'models it does not name'}. To use it: KB_ENGINE__NAME=openai "
        f"KB_ENGINE__BASE_URL=http://127.0.0.1:{port}/v1 KB_ENGINE__MODEL={model} (usual dialect here: {dialect})"
    )
    return Server(port, models, advice)


def _ids(told: object) -> tuple[str, ...] | None:
    """Return the ids of a list of models in OpenAI's form, None for anything else."""
    entries = told.get("data") if isinstance(told, dict) else None
    if not isinstance(entries, list):
        return None
    return tuple(str(entry["id"]) for entry in entries if isinstance(entry, dict) and "id" in entry)
