"""The HTTP/1.1 connection of uvicorn with what it leaves out: a deadline for request heads, and a bound on sockets.

Without the deadline a client that sends half a head holds its socket for ever, and a few hundred of them use up the
process's file descriptors.
"""

from __future__ import annotations

import asyncio
import json
import uuid

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from kb.api.errors import KINDS, error_body

HEAD_SECONDS = 10.0
CONNECTIONS = 500


class PatientH11(H11Protocol):
    """Closes a connection whose request head is not complete after `HEAD_SECONDS`.

    With more than `CONNECTIONS` open, the one that has waited longest without a request being served is closed.
    """

    _head_deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take a new connection, whose first head is awaited."""
        super().connection_made(transport)  # type: ignore[arg-type]  # uvicorn narrows asyncio's signature
        self._await_head()
        if len(self.connections) > CONNECTIONS:
            self._close_an_idle_one()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the deadline."""
        self._head_arrived()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take bytes; what is not a whole head yet starts the deadline, unless it runs already."""
        super().data_received(data)
        if self.transport.is_closing() or self.conn.their_state is not h11.IDLE:
            self._head_arrived()
        elif self.conn.trailing_data[0]:
            self._await_head()

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

    def _await_head(self) -> None:
        if self._head_deadline is None:
            self._head_deadline = self.loop.call_later(HEAD_SECONDS, self.transport.close)

    def _head_arrived(self) -> None:
        if self._head_deadline is not None:
            self._head_deadline.cancel()
            self._head_deadline = None

    def _close_an_idle_one(self) -> None:
        idle = [
            connection
            for connection in self.connections
            if isinstance(connection, PatientH11) and connection._head_deadline is not None
        ]
        if idle:
            min(idle, key=lambda connection: connection._deadline_at).transport.abort()
        else:
            self.transport.abort()

    @property
    def _deadline_at(self) -> float:
        return self._head_deadline.when() if self._head_deadline is not None else float("inf")
