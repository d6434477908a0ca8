"""Looking for OpenAI-compatible servers: on the usual ports of this machine, and at a configured address."""

from __future__ import annotations

import json
import os
import socket
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from indexes.errors import EngineUnavailableError

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
_MOST_BYTES = 1 << 20
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


def reach(base_url: str, api_key_env: str) -> tuple[str, ...]:
    """Return the models that a configured server lists; raise EngineUnavailableError where it cannot be reached.

    A server that is there but lists no models, as some do not, gives an empty tuple.
    """
    key = os.environ.get(api_key_env, "") if api_key_env else ""
    try:
        return _models(base_url.rstrip("/") + "/models", key)
    except urllib.error.HTTPError as error:
        if error.code in (401, 403):
            raise EngineUnavailableError(f"{base_url} refuses the key (engine.api_key_env)") from error
        return ()
    except ValueError:
        return ()
    except OSError as error:
        reason = getattr(error, "reason", error)
        raise EngineUnavailableError(f"{base_url} cannot be reached: {reason}; start the server") from error


def _probe(port: int, dialect: str) -> Server | None:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=_CONNECT_SECONDS):
            pass
        models = _models(f"http://127.0.0.1:{port}/v1/models", "")
    except (OSError, ValueError):
        # Nothing listens there, or something that is no such server: that is the usual case, and no finding.
        return None
    model = models[0] if models else "MODEL"
    advice = (
        f"serves {', '.join(models[:_SHOWN_MODELS]) or 'models it does not name'}. To use it: KB_ENGINE__NAME=openai "
        f"KB_ENGINE__BASE_URL=http://127.0.0.1:{port}/v1 KB_ENGINE__MODEL={model} (usual dialect here: {dialect})"
    )
    return Server(port, models, advice)


def _models(address: str, key: str) -> tuple[str, ...]:
    """Return the ids that GET /v1/models lists. Raise OSError, or ValueError for an answer of another form."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    request = urllib.request.Request(address, headers=headers)  # noqa: S310  # the settings allow only http and https
    # Without proxies: what is looked for is on this machine or in its network.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=_READ_SECONDS) as response:
        answer = json.loads(response.read(_MOST_BYTES))
    entries = answer.get("data") if isinstance(answer, dict) else None
    if not isinstance(entries, list):
        raise ValueError("not a list of models")
    return tuple(str(entry["id"]) for entry in entries if isinstance(entry, dict) and "id" in entry)
