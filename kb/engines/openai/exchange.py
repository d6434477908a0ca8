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
from typing import Any, Literal

import httpx

from indexes.errors import EngineUnavailableError
from kb.engines.openai.deadlines import Watch

_WRITE_SECONDS = 30.0
_LARGEST_ERROR_BODY = 1 << 16
_POLL_SECONDS = 0.05
# Pieces of at most 64 KiB that may wait for the reader; then the server has to.
_MOST_WAITING = 32


@dataclass(frozen=True, slots=True)
class Head:
    """Status and content type of a response, and the body where it is an error. `retry_after` is in seconds.

    `packed` names an encoding, such as gzip, in which the server wrapped the body though asked not to. Such a body is
    not read: a few bytes of it can unpack to any size.
    """

    status: int
    content_type: str
    retry_after: float | None = None
    error_body: bytes = b""
    packed: str = ""


@dataclass(frozen=True, slots=True)
class End:
    """The response is over; `error` says what broke it off."""

    error: Exception | None = None


Item = Head | bytes | End


class Exchange:
    """Asks on a thread of its own, so that the reader can leave while the server is still silent.

    Proxies named in the environment are not used: what is sent are the organisation's documents.
    """

    def __init__(
        self,
        url: str,
        body: bytes | None,
        headers: dict[str, str],
        connect_seconds: float,
        trust: ssl.SSLContext | bool,
        method: Literal["GET", "POST"] = "POST",
    ) -> None:
        self._items: queue.Queue[Item] = queue.Queue(_MOST_WAITING)
        self._left = threading.Event()
        self._socket: socket.socket | None = None
        self._request = (method, url, body, headers, connect_seconds, trust)
        threading.Thread(target=self._run, name="openai-exchange", daemon=True).start()

    @property
    def connected(self) -> bool:
        """Whether there is a connection already."""
        return self._socket is not None

    def read(self, cancel: threading.Event, watch: Watch) -> Iterator[Item]:
        """Yield the head, the pieces of the body, and the end; stop without a word once `cancel` is set.

        Raises EngineUnavailableError where `watch` says that it takes too long, also where signs of life keep coming.
        """
        while not cancel.is_set():
            item = self.next()
            if item is None and watch.over:
                return
            if overrun := watch.overrun(nothing_here=item is None):
                raise EngineUnavailableError(f"{self._request[1]}: {overrun}")
            if item is None:
                continue
            watch.heard()
            yield item
            if isinstance(item, End):
                return

    def next(self) -> Item | None:
        """Return what comes next, None where nothing does for a moment."""
        try:
            return self._items.get(timeout=_POLL_SECONDS)
        except queue.Empty:
            return End(httpx.ReadError("it was cut off from here")) if self._left.is_set() else None

    def close(self) -> None:
        """Cut the connection off at once. A server that watches it stops generating."""
        self._left.set()
        if self._socket is not None:
            with contextlib.suppress(OSError):  # it is closed already
                self._socket.shutdown(socket.SHUT_RDWR)

    def _run(self) -> None:
        error: Exception | None = None
        try:
            self._ask()
        except UnicodeError as raised:
            # A host name with a part that is too long or empty fails where it is looked up.
            error = httpx.ConnectError(f"no such host name: {raised}")
        except Exception as raised:  # raised on the reader's side
            error = raised
        finally:
            self._put(End(error))

    def _put(self, item: Item) -> None:
        """Hand something to the reader, once it has room for it."""
        while not self._left.is_set():
            with contextlib.suppress(queue.Full):
                self._items.put(item, timeout=_POLL_SECONDS)
                return

    def _ask(self) -> None:
        method, url, body, headers, connect_seconds, trust = self._request
        # Silence is watched by the reader, which cuts the connection off.
        timeout = httpx.Timeout(None, connect=connect_seconds, write=_WRITE_SECONDS)
        with (
            httpx.Client(timeout=timeout, verify=trust, trust_env=False, follow_redirects=False) as client,
            client.stream(
                method, url, content=body, headers=headers, extensions={"trace": self._connected}
            ) as response,
        ):
            error_body = b""
            packed = response.headers.get("content-encoding", "").strip().lower().replace("identity", "")
            if response.status_code != httpx.codes.OK and not packed:
                for piece in response.iter_raw():
                    error_body += piece
                    if len(error_body) > _LARGEST_ERROR_BODY or self._left.is_set():
                        break
            kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
            after = _seconds(response.headers.get("retry-after"))
            self._put(Head(response.status_code, kind, after, error_body, packed))
            if response.status_code == httpx.codes.OK and not packed:
                for piece in response.iter_raw():
                    if self._left.is_set():
                        return
                    self._put(piece)

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
