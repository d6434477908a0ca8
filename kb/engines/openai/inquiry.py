"""Small questions to a server beside the answers: what it is, how large its context is, how long a prompt is."""

from __future__ import annotations

import copy
import json
import ssl
import threading
import time
from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import urlsplit, urlunsplit

import httpx

from kb.engines.foreign_json import parse
from kb.engines.openai.exchange import End, Exchange, Head

_MOST_BYTES = 4 << 20


def root_of(base_url: str) -> str:
    """Return the address of the server itself: without the `/v1` or `/api` at the end of a base URL."""
    parts = urlsplit(base_url.rstrip("/"))
    path = parts.path.removesuffix("/v1").removesuffix("/api")
    return urlunsplit((parts.scheme, parts.netloc, path, "", ""))


class Inquiry:
    """Asks one server, each question for at most `seconds` from the connection to the last byte of the answer.

    Proxies named in the environment are not used, redirects are not followed.
    """

    def __init__(
        self, base_url: str, api_key: str | None, trust: ssl.SSLContext | bool, connect_seconds: float, seconds: float
    ) -> None:
        self.connect_seconds = connect_seconds
        self._root = root_of(base_url)
        headers = {"accept": "application/json", "accept-encoding": "identity"}
        if api_key:
            headers["authorization"] = f"Bearer {api_key}"
        self._headers = headers
        self._trust = trust
        self._seconds = seconds
        self._ends = float("inf")
        self._cancel = threading.Event()

    def until(self, cancel: threading.Event, seconds: float) -> Inquiry:
        """Return this inquiry for questions that end, all together, after `seconds` or once `cancel` is set."""
        bounded = copy.copy(self)
        bounded._cancel, bounded._ends = cancel, time.monotonic() + seconds
        return bounded

    def get(self, path: str) -> Any:
        """Return the JSON that GET gives, None for anything but 200 or no JSON; raise httpx.HTTPError without one."""
        return self._ask("GET", path, None)[1]

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """Return the JSON that POST gives, None for anything but 200 or no JSON; raise httpx.HTTPError without one."""
        return self._ask("POST", path, body)[1]

    def get_with_status(self, path: str) -> tuple[int, Any]:
        """Return the status that GET gives beside what `get` returns."""
        return self._ask("GET", path, None)

    def _ask(self, method: Literal["GET", "POST"], path: str, body: Mapping[str, Any] | None) -> tuple[int, Any]:
        data = None if body is None else json.dumps(body, ensure_ascii=False).encode()
        headers = self._headers if body is None else {**self._headers, "content-type": "application/json"}
        self._require_time(self._ends)
        exchange = Exchange(self._root + path, data, headers, self.connect_seconds, self._trust, method)
        try:
            return self._answer(exchange)
        finally:
            exchange.close()

    def _answer(self, exchange: Exchange) -> tuple[int, Any]:
        status, held = 0, bytearray()
        ends = min(self._ends, time.monotonic() + self.connect_seconds + self._seconds)
        connected = False
        while True:
            self._require_time(ends)
            item = exchange.next()
            if exchange.connected and not connected:
                connected, ends = True, min(ends, time.monotonic() + self._seconds)
            if isinstance(item, Head):
                status = item.status
                if status != httpx.codes.OK or item.packed:
                    return status, None
            elif isinstance(item, bytes):
                held += item
                if len(held) > _MOST_BYTES:
                    return status, None
            elif isinstance(item, End):
                if item.error is not None:
                    raise item.error
                return status, _parsed(bytes(held))

    def _require_time(self, ends: float) -> None:
        if self._cancel.is_set():
            raise httpx.ReadTimeout("nobody waits for the answer any longer")
        if time.monotonic() >= ends:
            raise httpx.ReadTimeout("no whole answer in time")


def _parsed(body: bytes) -> Any:
    try:
        return parse(body)
    except ValueError:
        return None
