"""One request and its streamed response, on a connection of its own that can be cut off at any moment."""

from __future__ import annotations

import contextlib
import queue
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from indexes.errors import EngineUnavailableError
from kb.engines.openai.deadlines import Watch

_WRITE_SECONDS = 30.0
_LARGEST_ERROR_BODY = 1 << 16
_POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Head:
    """Status and content type of a response, and the body where it is an error. `retry_after` is in seconds."""

    status: int
    content_type: str
    retry_after: float | None = None
    error_body: bytes = b""


@dataclass(frozen=True, slots=True)
class End:
    """The response is over; `error` says what broke it off."""

    error: Exception | None = None


Item = Head | bytes | End


class Exchange:
    """Posts on a thread of its own, so that the reader can leave while the server is still silent.

    Proxies named in the environment are not used: what is sent are the organisation's documents.
    """

    def __init__(
        self, url: str, body: bytes, headers: dict[str, str], connect_seconds: float, trust: ssl.SSLContext | bool
    ) -> None:
        self._items: queue.SimpleQueue[Item] = queue.SimpleQueue()
        self._left = threading.Event()
        self._socket: socket.socket | None = None
        self._request = (url, body, headers, connect_seconds, trust)
        threading.Thread(target=self._run, name="openai-exchange", daemon=True).start()

    def read(self, cancel: threading.Event, watch: Watch) -> Iterator[Item]:
        """Yield the head, the pieces of the body, and the end; stop without a word once `cancel` is set.

        Raises EngineUnavailableError where `watch` says that it takes too long, also where signs of life keep coming.
        """
        while not cancel.is_set():
            item = self._next()
            if overrun := watch.overrun(nothing_here=item is None):
                raise EngineUnavailableError(f"{self._request[0]}: {overrun}")
            if item is None:
                continue
            watch.heard()
            yield item
            if isinstance(item, End):
                return

    def _next(self) -> Item | None:
        try:
            return self._items.get(timeout=_POLL_SECONDS)
        except queue.Empty:
            return None

    def close(self) -> None:
        """Cut the connection off at once. A server that watches it stops generating."""
        self._left.set()
        if self._socket is not None:
            with contextlib.suppress(OSError):  # it is closed already
                self._socket.shutdown(socket.SHUT_RDWR)

    def _run(self) -> None:
        error: Exception | None = None
        try:
            self._post()
        except UnicodeError as raised:
            # A host name with a part that is too long or empty fails where it is looked up.
            error = httpx.ConnectError(f"no such host name: {raised}")
        except Exception as raised:  # raised on the reader's side
            error = raised
        finally:
            self._items.put(End(error))

    def _post(self) -> None:
        url, body, headers, connect_seconds, trust = self._request
        # Silence is watched by the reader, which cuts the connection off.
        timeout = httpx.Timeout(None, connect=connect_seconds, write=_WRITE_SECONDS)
        with (
            httpx.Client(timeout=timeout, verify=trust, trust_env=False, follow_redirects=False) as client,
            client.stream(
                "POST", url, content=body, headers=headers, extensions={"trace": self._connected}
            ) as response,
        ):
            error_body = b""
            if response.status_code != httpx.codes.OK:
                for piece in response.iter_bytes():
                    error_body += piece
                    if len(error_body) > _LARGEST_ERROR_BODY or self._left.is_set():
                        break
            kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
            self._items.put(Head(response.status_code, kind, _seconds(response.headers.get("retry-after")), error_body))
            if response.status_code == httpx.codes.OK:
                for piece in response.iter_bytes():
                    if self._left.is_set():
                        return
                    self._items.put(piece)

    def _connected(self, event: str, information: dict[str, Any]) -> None:
        """Keep hold of the socket, the one thing that wakes a blocked read when it is shut down."""
        if event in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
            self._socket = information["return_value"].get_extra_info("socket")
            if self._left.is_set():
                raise httpx.RequestError("the reader has left")


def _seconds(value: str | None) -> float | None:
    """Return how long a `Retry-After` asks to wait: it is a number of seconds or a date. None where it is neither."""
    if not value:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        then = parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, then.timestamp() - time.time())
