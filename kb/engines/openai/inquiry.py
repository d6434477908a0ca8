"""Small questions to a server beside the answers: what it is, how large its context is, how long a prompt is."""

from __future__ import annotations

import json
import ssl
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import httpx

from kb.engines.foreign_json import parse

_MOST_BYTES = 4 << 20


def root_of(base_url: str) -> str:
    """Return the address of the server itself: without the `/v1` or `/api` at the end of a base URL."""
    parts = urlsplit(base_url.rstrip("/"))
    path = parts.path.removesuffix("/v1").removesuffix("/api")
    return urlunsplit((parts.scheme, parts.netloc, path, "", ""))


class Inquiry:
    """Asks one server. Proxies named in the environment are not used, redirects are not followed."""

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
        self._timeout = httpx.Timeout(seconds, connect=connect_seconds)

    def get(self, path: str) -> Any:
        """Return the JSON that GET gives, None for anything but 200 or no JSON; raise httpx.HTTPError without one."""
        return self._ask("GET", path, None)[1]

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """Return the JSON that POST gives, None for anything but 200 or no JSON; raise httpx.HTTPError without one."""
        return self._ask("POST", path, body)[1]

    def get_with_status(self, path: str) -> tuple[int, Any]:
        """Return the status that GET gives beside what `get` returns."""
        return self._ask("GET", path, None)

    def _ask(self, method: str, path: str, body: Mapping[str, Any] | None) -> tuple[int, Any]:
        data = None if body is None else json.dumps(body, ensure_ascii=False).encode()
        headers = self._headers if body is None else {**self._headers, "content-type": "application/json"}
        try:
            return self._answer(method, self._root + path, data, headers)
        except UnicodeError as error:
            # A host name with a part that is too long or empty fails where it is looked up.
            raise httpx.ConnectError(f"no such host name: {error}") from error

    def _answer(self, method: str, url: str, data: bytes | None, headers: Mapping[str, str]) -> tuple[int, Any]:
        with self._client() as client, client.stream(method, url, content=data, headers=headers) as response:
            if response.status_code != httpx.codes.OK:
                return response.status_code, None
            held = b""
            for piece in response.iter_bytes():
                held += piece
                if len(held) > _MOST_BYTES:
                    return response.status_code, None
        try:
            return response.status_code, parse(held)
        except ValueError:
            return response.status_code, None

    def _client(self) -> httpx.Client:
        return httpx.Client(timeout=self._timeout, verify=self._trust, trust_env=False, follow_redirects=False)
