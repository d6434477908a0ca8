"""Request bodies in JSON, read strictly: what RFC 8259 does not allow, or what cannot be stored as text, is refused.

The usual parser takes NaN, lone surrogates and integers of any length, and fails on deep nesting with an error of its
own; each of these would surface later as an unexpected failure.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Coroutine
from email.message import Message
from typing import Any

from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from kb.api.errors import ServiceError

_MAXIMUM_DIGITS = 19
_MAXIMUM_DEPTH = 32


def parse(body: bytes) -> object:
    """Return the value of a JSON text in UTF-8; raise ServiceError "invalid_request" for anything else.

    Refused as well: NaN and Infinity, numbers beyond a double, integers of more than 19 digits, more than 32 levels,
    lone surrogates and NUL characters.
    """
    try:
        value: object = json.loads(
            body.decode("utf-8"), parse_constant=_constant, parse_int=_integer, parse_float=_number
        )
        _check(value, _MAXIMUM_DEPTH)
    except ServiceError:
        raise
    except RecursionError:
        raise _wrong("is nested too deeply") from None
    except ValueError:
        raise _wrong("is not valid JSON in UTF-8") from None
    return value


def _wrong(what: str) -> ServiceError:
    return ServiceError("invalid_request", f"The body {what}.")


def _constant(_: str) -> float:
    raise _wrong("holds NaN or Infinity, which JSON does not have")


def _integer(digits: str) -> int:
    if len(digits) > _MAXIMUM_DIGITS + 1:
        raise _wrong("holds an integer that is too long")
    return int(digits)


def _number(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise _wrong("holds a number that is too large")
    return number


def _check(value: object, depth: int) -> None:
    if depth < 0:
        raise _wrong("is nested too deeply")
    if isinstance(value, str):
        _check_text(value)
    elif isinstance(value, list):
        for item in value:
            _check(item, depth - 1)
    elif isinstance(value, dict):
        for key, item in value.items():
            _check_text(key)
            _check(item, depth - 1)


def _check_text(text: str) -> None:
    if "\0" in text:
        raise _wrong("holds a NUL character")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise _wrong("holds a lone surrogate, which is not Unicode text") from None


class StrictJsonRoute(APIRoute):
    """A route whose body is read by `parse`; another Content-Type than JSON is answered 415."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler that FastAPI calls."""
        handle = super().get_route_handler()
        takes_body = self.body_field is not None

        async def strict(request: Request) -> Response:
            if not takes_body:
                return await handle(request)
            if not _is_json(request.headers.get("content-type", "")):
                raise ServiceError("unsupported_media_type", "Send the body as `Content-Type: application/json`.")
            return await handle(_StrictRequest(request.scope, request.receive, parse(await request.body())))

        return strict


class _StrictRequest(Request):
    """A request whose body was read and parsed already."""

    def __init__(self, scope: Any, receive: Any, value: object) -> None:
        super().__init__(scope, receive)
        # FastAPI asks for the bytes only to see whether there are any.
        self._body = b"{}"
        self._value = value

    async def json(self) -> Any:
        return self._value


def _is_json(content_type: str) -> bool:
    header = Message()
    header["content-type"] = content_type
    kind = header.get_content_type() if content_type else ""
    return kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json"))
