"""The outermost layer of the service: an identity for each request, safe headers, the access log and the last resort.

The log line holds method, route template, status and time: no query, no body, no document names.
"""

from __future__ import annotations

import logging
import re
import time
import uuid

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kb.api.errors import ClientGoneError, error_of, error_response
from kb.api.metrics import Metrics

access = logging.getLogger("kb.access")

_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_QUIET = frozenset({"/healthz", "/readyz", "/metrics"})
# What nginx logs where the client went away first; never sent.
CLIENT_GONE = 499

_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}


class RequestContext:
    """ASGI middleware; see the module. A client's own `X-Request-ID` of 1 to 64 plain characters is kept."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        request_id = given if _ID.fullmatch(given) else uuid.uuid4().hex
        scope["kb.request_id"] = request_id
        status = 0
        started = time.perf_counter()

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["X-Request-ID"] = request_id
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        self._metrics.begin()
        try:
            await self._app(scope, receive, send_with_headers)
        except ClientGoneError:
            status = CLIENT_GONE
        except Exception as error:
            known = error_of(error, request_id)
            if status:
                # The response has begun, so an error cannot be written: the connection is cut by the server.
                raise
            response = error_response(known.code, request_id, known.message, known.headers)
            await response(scope, receive, send_with_headers)
        finally:
            seconds = time.perf_counter() - started
            route = route_of(scope)
            method = scope["method"] if scope["method"] in _METHODS else "OTHER"
            self._metrics.end(method, route, status or CLIENT_GONE, seconds)
            level = logging.DEBUG if route in _QUIET else logging.INFO
            access.log(level, "%s %s %s %d %.1fms", request_id, method, route, status or CLIENT_GONE, seconds * 1e3)


_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def route_of(scope: Scope) -> str:
    """Return the template of the route that served the request, or "-": never the path as it was sent."""
    path = getattr(scope.get("route"), "path", None)
    return path if isinstance(path, str) else "-"
