"""The HTTP/1.1 connection of uvicorn with what it leaves out: deadlines for slow clients, and a bound on sockets.

Without them a client that sends half a head, sends on after its answer, or does not read holds its socket for ever, and
a few hundred of these use up the process's file descriptors.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Callable

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from kb.api.errors import KINDS, error_body

# Seconds: for the head of a request to arrive; for a body to end whose request is answered already; for a client to
# read what waits for it.
HEAD_SECONDS = 10.0
REST_SECONDS = 5.0
READ_SECONDS = 60.0
CONNECTIONS = 500


class _Deadline:
    """Calls `expire` once, `seconds` after it was set, unless it is lifted before; setting it again changes nothing."""

    def __init__(self, loop: asyncio.AbstractEventLoop, expire: Callable[[], None]) -> None:
        self._loop = loop
        self._expire = expire
        self._timer: asyncio.TimerHandle | None = None
        self.since = float("inf")

    def set(self, seconds: float) -> None:
        if self._timer is None:
            self.since = self._loop.time()
            self._timer = self._loop.call_later(seconds, self._expire)

    def lift(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self.since = float("inf")


class PatientH11(H11Protocol):
    """Closes connections of clients that are too slow, and over `CONNECTIONS` open ones that which idles longest."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take a new connection, whose first head is awaited."""
        super().connection_made(transport)  # type: ignore[arg-type]  # uvicorn narrows asyncio's signature
        self._head = _Deadline(self.loop, self.transport.close)
        self._rest = _Deadline(self.loop, self.transport.close)
        self._read = _Deadline(self.loop, self.transport.abort)
        self._head.set(HEAD_SECONDS)
        if len(self.connections) > CONNECTIONS:
            self._close_the_idlest()

    def connection_lost(self, exc: Exception | None) -> None:
        """Lift all deadlines."""
        for deadline in (self._head, self._rest, self._read):
            deadline.lift()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take bytes; what is not a whole head yet starts its deadline, unless it runs already."""
        super().data_received(data)
        awaiting_head = self.conn.their_state is h11.IDLE
        if self.transport.is_closing() or not awaiting_head:
            self._head.lift()
        elif self.conn.trailing_data[0]:
            self._head.set(HEAD_SECONDS)
        if awaiting_head:
            self._rest.lift()

    def on_response_complete(self) -> None:
        """Finish a request; a client whose body was not awaited may not go on sending it for ever."""
        if self.conn.their_state is h11.SEND_BODY:
            self._rest.set(REST_SECONDS)
        super().on_response_complete()

    def pause_writing(self) -> None:
        """Wait for a client that does not read, but not for ever."""
        super().pause_writing()
        self._read.set(READ_SECONDS)

    def resume_writing(self) -> None:
        """Go on: the client reads."""
        self._read.lift()
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:
        """Answer what is not HTTP in the form of all errors."""
        body = json.dumps(error_body("bad_request", "", uuid.uuid4().hex)).encode()
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            (b"connection", b"close"),
        ]
        events = (
            h11.Response(status_code=KINDS["bad_request"].status, headers=headers, reason=b"Bad Request"),
            h11.Data(data=body),
            h11.EndOfMessage(),
        )
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            for event in events:
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    def _close_the_idlest(self) -> None:
        others = [connection for connection in self.connections if isinstance(connection, PatientH11)]
        min(others, key=lambda connection: connection._idle_since).transport.abort()

    @property
    def _idle_since(self) -> float:
        """When the connection began to wait for its client, on the loop's clock; infinity while a request is served."""
        kept = self.timeout_keep_alive_task
        kept_since = kept.when() - self.timeout_keep_alive if kept is not None else float("inf")
        return min(self._head.since, self._rest.since, self._read.since, kept_since)
