"""The servers that can answer: which of them are sound, and which has the least to do."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, urlsplit

from indexes.errors import ConfigurationError
from kb.engines.openai.dialects import Dialect, dialect_of
from kb.engines.openai.failures import Failure

# After a failure a server is left alone for one second, and twice as long after each further one, up to a minute.
_FIRST_PAUSE: Final = 1.0
_LONGEST_PAUSE: Final = 60.0
# Models that always think, and whose chat templates open the thought.
_THINKERS: Final = re.compile(r"\bqwq\b|thinking|deepseek-r1", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """One configured server. `dialect` names its kind; "auto" sends only standard fields (Ollama is known by port)."""

    base_url: str
    model: str = ""
    dialect: str = "auto"
    api_key: str | None = None


class Endpoint:
    """One server and what is known of it. Raises ConfigurationError for an address or a key that cannot work."""

    def __init__(self, address: ServerAddress) -> None:
        parts = urlsplit(address.base_url)
        readable = address.base_url.isprintable() and " " not in address.base_url
        if parts.scheme not in ("http", "https") or not parts.hostname or not _has_sound_port(parts) or not readable:
            raise ConfigurationError("engine.base_url must be an address such as http://127.0.0.1:8000/v1")
        if parts.username is not None or parts.password is not None:
            raise ConfigurationError("engine.base_url must not hold a password: name a variable in engine.api_key_env")
        key = address.api_key
        if key is not None and not (key.isascii() and key.isprintable()):
            raise ConfigurationError("the API key holds characters that cannot be sent in a header")
        self.base_url = address.base_url
        self.model = address.model
        self.api_key = key
        self.dialect: Dialect = dialect_of(address.dialect, address.base_url)
        self.tolerant = address.dialect == "auto"
        self.url = self.dialect.url(address.base_url)
        # Where the server answered only the fewest fields, it is spared the others from then on.
        self.only_fewest_fields = False
        # Its answers begin with a thought that only its end marks, by the model's name or as far as it was seen.
        self.thinks_unmarked = _THINKERS.search(address.model) is not None
        self.running = 0
        self.failures = 0
        self.sound_from = 0.0

    def masked(self, said: str) -> str:
        """Return `said` without the key, which some servers repeat."""
        return said.replace(self.api_key, "***") if self.api_key else said


class EndpointPool:
    """Chooses among servers. Safe to use from many threads; `clock` is monotonic, in seconds."""

    def __init__(self, addresses: Sequence[ServerAddress], clock: Callable[[], float] = time.monotonic) -> None:
        if not addresses:
            raise ConfigurationError("the engine 'openai' needs engine.base_url or engine.endpoints")
        self.endpoints = tuple(Endpoint(address) for address in addresses)
        self._clock = clock
        self._lock = threading.Lock()

    def take(self, candidates: Collection[Endpoint]) -> Endpoint:
        """Return the candidate with the fewest answers running, and count one more for it.

        Servers that failed lately come after all others, the one whose pause ends first before the rest. When a
        pause is over a single question tries the server, and the others stay away until that one is answered.
        """
        with self._lock:
            now = self._clock()
            order = {endpoint: place for place, endpoint in enumerate(self.endpoints)}
            sound = [endpoint for endpoint in candidates if endpoint.sound_from <= now]
            chosen = (
                min(sound, key=lambda endpoint: (endpoint.running, order[endpoint]))
                if sound
                else min(candidates, key=lambda endpoint: (endpoint.sound_from, order[endpoint]))
            )
            if chosen.failures:
                chosen.sound_from = now + _pause(chosen.failures)
            chosen.running += 1
            return chosen

    def give_back(self, endpoint: Endpoint) -> None:
        """End what `take` began."""
        with self._lock:
            endpoint.running -= 1

    def succeeded(self, endpoint: Endpoint) -> None:
        """Forget the failures of a server that answers."""
        with self._lock:
            endpoint.failures, endpoint.sound_from = 0, 0.0

    def failed(self, endpoint: Endpoint, failure: Failure) -> None:
        """Leave a server alone for a while, for as long as it asked where it did."""
        if not failure.blames:
            return
        with self._lock:
            endpoint.failures += 1
            pause = max(_pause(endpoint.failures), min(failure.after or 0.0, _LONGEST_PAUSE))
            endpoint.sound_from = self._clock() + pause


def _pause(failures: int) -> float:
    return min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0 ** (min(failures, 10) - 1))


def _has_sound_port(parts: SplitResult) -> bool:
    try:
        return parts.port is None or parts.port > 0
    except ValueError:
        return False
