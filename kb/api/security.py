"""Who may speak to the service: where it may listen, which Host and Origin it answers to, and the key."""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from indexes.errors import ConfigurationError
from kb.api.errors import error_response, request_id_of

LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "::1", "testserver"})
OPEN_PATHS = frozenset({"/", "/healthz", "/readyz"})
OPEN_PREFIX = "/static/"
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


def is_loopback(host: str) -> bool:
    """Say whether an address or name to listen on can be reached from this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def check_binding(host: str, api_key: str, allow_remote: bool) -> None:
    """Raise ConfigurationError where the service would be open to other machines without a key."""
    if is_loopback(host) or api_key or allow_remote:
        return
    raise ConfigurationError(
        f"listening on {host} would open the documents to other machines: set a key (KB_SERVE__API_KEY), or say "
        "serve.allow_remote = true where something else guards them"
    )


def allowed_hosts(host: str, api_key: str) -> frozenset[str] | None:
    """Return the Host names that are answered to, or None for any.

    Without a key on loopback, a page in the user's browser could reach the service through a name of its own that
    resolves to 127.0.0.1 (DNS rebinding); the name it uses gives it away.
    """
    if api_key or not is_loopback(host):
        return None
    return LOCAL_NAMES | {host.strip("[]").lower()}


class HostAndOrigin:
    """ASGI middleware: refuses foreign Host names, and changes asked for by pages of other sites."""

    def __init__(self, app: ASGIApp, hosts: Collection[str] | None) -> None:
        self._app = app
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http":
            headers = Headers(scope=scope)
            code = self._refusal(scope["method"], headers)
            if code:
                await error_response(code, request_id_of(scope))(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _refusal(self, method: str, headers: Headers) -> str:
        hosts = headers.getlist("host")
        if len(hosts) != 1 or _host_name(hosts[0]) is None:
            return "bad_request"
        if self._hosts is not None and _host_name(hosts[0]) not in self._hosts:
            return "forbidden_host"
        origin = headers.get("origin")
        if method in _SAFE_METHODS or origin is None:
            return ""
        return "" if urlsplit_netloc(origin) == hosts[0].lower() else "forbidden_origin"


class ApiKey:
    """ASGI middleware: without the key, only the page, its static files and the two probes are answered."""

    def __init__(self, app: ASGIApp, key: str) -> None:
        self._app = app
        self._key = key.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http" and self._key and not self._open(scope) and not self._holds_key(scope):
            headers = {"WWW-Authenticate": 'Bearer realm="kb"'}
            await error_response("unauthorized", request_id_of(scope), headers=headers)(scope, receive, send)
            return
        await self._app(scope, receive, send)

    @staticmethod
    def _open(scope: Scope) -> bool:
        return scope["method"] in ("GET", "HEAD") and (
            scope["path"] in OPEN_PATHS or scope["path"].startswith(OPEN_PREFIX)
        )

    def _holds_key(self, scope: Scope) -> bool:
        headers = Headers(scope=scope)
        scheme, _, token = headers.get("authorization", "").partition(" ")
        given = token.strip() if scheme.lower() == "bearer" else headers.get("x-api-key", "")
        # Header values are Latin-1; the key as configured is compared as the bytes that a client sends.
        return hmac.compare_digest(given.encode("latin-1"), self._key)


def urlsplit_netloc(origin: str) -> str:
    """Return the host and port of an Origin header in lower case, "" where it has none (such as `null`)."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""


def _host_name(header: str) -> str | None:
    """Return the host of a Host header without its port, in lower case; None where it is malformed."""
    try:
        parts = urlsplit(f"//{header}")
        if parts.netloc != header or parts.username is not None:
            return None
        parts.port  # noqa: B018  # raises ValueError for a port that is none
        return (parts.hostname or "").rstrip(".") or None
    except ValueError:
        return None
