"""How much the service takes on: bytes and seconds of a request's body, and questions at work at once."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import TypeVar

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kb.api.errors import ClientGoneError, ServiceError, error_response, request_id_of

T = TypeVar("T")

BODY_BYTES = 64 * 1024
BODY_SECONDS = 30.0
UPLOAD_BYTES = 32 * 1024 * 1024
UPLOAD_SECONDS = 600.0
UPLOAD_PATH = "/documents"
# Room for the boundaries and part headers around an uploaded file.
_MULTIPART_BYTES = 16 * 1024
# A client that is told "too large" usually goes on sending before it reads: what comes is thrown away for a while,
# because closing at once resets the connection and loses the answer.
_DISCARD_BYTES = 256 * 1024 * 1024
_DISCARD_SECONDS = 5.0


class BodyLimit:
    """ASGI middleware: answers 413 to a body over its limit and 408 to one that drips, keeping none of the excess."""

    def __init__(
        self,
        app: ASGIApp,
        body_bytes: int = BODY_BYTES,
        upload_bytes: int = UPLOAD_BYTES,
        body_seconds: float = BODY_SECONDS,
        upload_seconds: float = UPLOAD_SECONDS,
    ) -> None:
        self._app = app
        self._body = (body_bytes, body_seconds)
        self._upload = (upload_bytes + _MULTIPART_BYTES, upload_seconds)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit, seconds = self._upload if _is_upload(scope) else self._body
        request_id = request_id_of(scope)
        announced = Headers(scope=scope).get("content-length", "0")
        if len(announced) > 18 or (announced.isdecimal() and int(announced) > limit):
            await _refuse("too_large", request_id, receive, send)
            return
        body = _CountedBody(receive, limit, seconds)
        started = False

        async def watched_send(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, body.receive, watched_send)
        except _BodyError as error:
            if started:
                raise
            await _refuse(error.code, request_id, receive, send)


class _BodyError(Exception):
    """The body is over a limit; `code` is the error code to answer."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class _CountedBody:
    """Passes on a body, and stops at its limit of bytes or seconds."""

    def __init__(self, receive: Receive, limit: int, seconds: float) -> None:
        self._receive = receive
        self._left = limit
        self._deadline = time.monotonic() + seconds
        self._complete = False

    async def receive(self) -> Message:
        if self._complete:
            return await self._receive()
        try:
            async with asyncio.timeout(max(0.0, self._deadline - time.monotonic())):
                message = await self._receive()
        except TimeoutError:
            raise _BodyError("timeout") from None
        if message["type"] == "http.request":
            self._left -= len(message.get("body", b""))
            if self._left < 0:
                raise _BodyError("too_large")
            self._complete = not message.get("more_body", False)
        return message


def _is_upload(scope: Scope) -> bool:
    return (scope["method"], scope["path"]) == ("POST", UPLOAD_PATH)


async def _refuse(code: str, request_id: str, receive: Receive, send: Send) -> None:
    """Answer at once, then throw away what the client still sends for a bounded time, then close the connection."""
    response = error_response(code, request_id, headers={"Connection": "close"})
    await send({"type": "http.response.start", "status": response.status_code, "headers": response.raw_headers})
    await send({"type": "http.response.body", "body": response.body, "more_body": True})
    left = _DISCARD_BYTES
    try:
        async with asyncio.timeout(_DISCARD_SECONDS):
            while left > 0:
                message = await receive()
                if message["type"] == "http.disconnect":
                    return
                left -= len(message.get("body", b""))
                if not message.get("more_body", False):
                    break
    except TimeoutError:
        # Enough was read for a client that means well.
        left = 0
    await send({"type": "http.response.body", "body": b"", "more_body": False})


class Gate:
    """Lets `running` pieces of work through at once and `waiting` wait in order; more than that are refused as busy.

    Used from one event loop only.
    """

    def __init__(self, running: int, waiting: int, retry_seconds: int = 2) -> None:
        self._free = running
        self._waiting = waiting
        self._retry = str(retry_seconds)
        self._queue: deque[asyncio.Future[None]] = deque()

    async def acquire(self) -> None:
        """Take a place, waiting for one if need be; raise ServiceError "busy" where the queue is full."""
        if self._free > 0:
            self._free -= 1
            return
        if len(self._queue) >= self._waiting:
            raise ServiceError("busy", headers={"Retry-After": self._retry})
        turn = asyncio.get_running_loop().create_future()
        self._queue.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                # The place was handed over in the same moment: pass it on.
                self.release()
            else:
                self._queue.remove(turn)
            raise

    def release(self) -> None:
        """Give a place back to the first in the queue."""
        while self._queue:
            turn = self._queue.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1


async def until_gone(receive: Receive) -> None:
    """Return when the client has closed the connection. The body must have been read."""
    while (await receive())["type"] != "http.disconnect":
        continue


async def while_connected(work: asyncio.Task[T], receive: Receive) -> T:
    """Return the result of `work`; where the client goes away first, cancel it and raise ClientGoneError."""
    watch = asyncio.create_task(until_gone(receive))
    try:
        await asyncio.wait({work, watch}, return_when=asyncio.FIRST_COMPLETED)
        if work.done():
            return work.result()
        raise ClientGoneError
    finally:
        watch.cancel()
        if not work.done():
            work.cancel()
