"""What can go wrong at a server before its answer begins, and what may still be tried then."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

import httpx

from indexes.errors import EngineUnavailableError
from kb.engines.foreign_json import parse
from kb.engines.openai.dialect_parts import error_text, quotable
from kb.engines.openai.exchange import Head

_BUSY: Final = frozenset({429, 502, 503, 504})
# How servers say that a prompt is too long: "maximum context length is", "exceeds the available context size",
# "`inputs` must have less than ... tokens", "longer than the model's context length".
_TOO_LONG: Final = re.compile(
    r"context (?:length|size|window)|inputs` (?:must have|tokens)|n_ctx|too many tokens", re.I
)


class Failure(Exception):
    """Nothing of an answer has come, so another server may be asked.

    `repeat`: this server too may answer in a while, after `after` seconds where it said so. `blames`: it counts against
    the server, which is then left alone for some time; a request that is at fault itself does not.
    """

    def __init__(
        self, error: EngineUnavailableError, *, repeat: bool, after: float | None = None, blames: bool = True
    ) -> None:
        super().__init__(str(error))
        self.error = error
        self.repeat = repeat
        self.after = after
        self.blames = blames


class FieldsRefused(Failure):
    """The server does not like the request's fields (400 or 422)."""


def failure_of_status(
    head: Head, url: str, model: str, has_key: bool, raises_context: str, masked: Callable[[str], str] = str
) -> Failure:
    """Return what a status other than 200 means. The server's words are quoted; `masked` takes secrets out of them."""
    said = _words(head.error_body, masked)
    status = head.status
    detail = f" ({said})" if said else ""
    if status in (401, 403):
        advice = "check the key in the variable of api_key_env" if has_key else "set engine.api_key_env"
        return Failure(
            EngineUnavailableError(f"{url} refused the request with {status}{detail}: {advice}"), repeat=False
        )
    if status == 404:
        message = f"{url} answered 404{detail}: check engine.base_url and engine.model ({model!r})"
        return Failure(EngineUnavailableError(message), repeat=False)
    if 300 <= status < 400:
        message = f"{url} redirects elsewhere ({status}): correct engine.base_url"
        return Failure(EngineUnavailableError(message), repeat=False)
    error = EngineUnavailableError(f"{url} answered {status}{detail}")
    if status in (400, 413, 422):
        if _TOO_LONG.search(said):
            longer = f"{error}: lower engine.window, or {raises_context}"
            return Failure(EngineUnavailableError(longer), repeat=False, blames=False)
        return FieldsRefused(error, repeat=False, blames=False)
    return Failure(error, repeat=status in _BUSY, after=head.retry_after)


def _words(body: bytes, masked: Callable[[str], str]) -> str:
    """Return what an error body says: the message of its JSON, or plain text, but no web page."""
    try:
        value = parse(body)
    except ValueError:
        text = body.decode("utf-8", "replace").strip()
        return "" if text[:1] in ("<", "{", "[") else quotable(masked(text))
    return error_text(value, masked) if isinstance(value, dict) else ""


def failure_of_connection(error: httpx.HTTPError, url: str, connect_seconds: float) -> Failure:
    """Return what a broken or refused connection means."""
    if isinstance(error, httpx.ConnectTimeout):
        message = f"no connection within {connect_seconds:g} s: is the server running?"
    elif isinstance(error, httpx.ConnectError) and "CERTIFICATE_VERIFY_FAILED" in str(error):
        message = "its certificate is not trusted: name a PEM file of its authority in engine.ca_file"
        return Failure(EngineUnavailableError(f"{url}: {message}"), repeat=False)
    elif isinstance(error, httpx.ConnectError):
        message = f"no connection ({error}): is the server running?"
    else:
        message = f"the connection broke off ({quotable(str(error)) or type(error).__name__})"
    return Failure(EngineUnavailableError(f"{url}: {message}"), repeat=True)
