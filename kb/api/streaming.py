"""Engine work in threads, watched from the event loop: its events come out one by one, and it can be stopped.

Generation is blocking code. Each piece of work has a thread of its own, so that a stuck engine cannot starve the
others; the thread is a daemon, so that it cannot keep the process from ending.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import Generic, TypeVar

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from kb.api.limits import Gate, until_gone

T = TypeVar("T")

# Events that a slow client may lag behind before the engine is made to wait.
_LAG = 64
_ALIVE_SECONDS = 15.0


class _End:
    """Marks the end of the events of a piece of work."""


class Work(Generic[T]):
    """One piece of blocking work: `produce(cancel)` runs in a thread, and its events are iterated over here.

    A place at the gate is held until the thread has ended, also where nobody waits for it any more.
    """

    def __init__(self, produce: Callable[[threading.Event], Iterator[T]], gate: Gate) -> None:
        self._produce = produce
        self._gate = gate
        self._loop = asyncio.get_running_loop()
        self._events: asyncio.Queue[T | Exception | _End] = asyncio.Queue()
        self._room = threading.Semaphore(_LAG)
        self._cancel = threading.Event()
        self._thread = threading.Thread(target=self._run, name="kb-work", daemon=True)

    def start(self) -> None:
        """Start the thread; the caller has taken the place at the gate."""
        self._thread.start()

    def stop(self) -> None:
        """Ask the work to end soon; safe to call at any time and from any thread."""
        self._cancel.set()
        self._room.release()

    @property
    def stopped(self) -> bool:
        """Whether the work was asked to end."""
        return self._cancel.is_set()

    def join(self, seconds: float) -> bool:
        """Wait for the thread's end; return whether it has ended. Not to be called on the event loop's thread."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def __aiter__(self) -> AsyncIterator[T]:
        return self

    async def __anext__(self) -> T:
        event = await self._events.get()
        if isinstance(event, _End):
            raise StopAsyncIteration
        if isinstance(event, Exception):
            raise event
        self._room.release()
        return event

    def _run(self) -> None:
        try:
            for event in self._produce(self._cancel):
                self._room.acquire()
                if self._cancel.is_set():
                    break
                self._post(event)
        except Exception as error:
            self._post(error)
        finally:
            self._post(_End())
            self._call(self._gate.release)

    def _post(self, event: T | Exception | _End) -> None:
        self._call(self._events.put_nowait, event)

    def _call(self, function: Callable[..., None], *arguments: object) -> None:
        # After the loop is closed nobody is left to be told.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(function, *arguments)


class Works:
    """All work in progress, so that the service can stop it when it ends."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._open: set[Work[object]] = set()
        self.closing = False

    async def start(self, produce: Callable[[threading.Event], Iterator[T]]) -> Work[T]:
        """Wait for a place at the gate and start the work. Raises ServiceError "busy"."""
        await self._gate.acquire()
        self._open = {work for work in self._open if not work.join(0)}
        work: Work[T] = Work(produce, self._gate)
        self._open.add(work)  # type: ignore[arg-type]  # only `stop` and `join` are used on these
        work.start()
        return work

    def stop(self) -> None:
        """Ask everything to end soon."""
        self.closing = True
        for work in self._open:
            work.stop()

    def join(self, seconds: float) -> bool:
        """Wait for the threads' end; return whether all have ended."""
        deadline = time.monotonic() + seconds
        ended = [work.join(max(0.0, deadline - time.monotonic())) for work in self._open]
        return all(ended)


def event_text(name: str, data: Mapping[str, object]) -> bytes:
    """Return one server-sent event."""
    return f"event: {name}\ndata: {json.dumps(data, ensure_ascii=False, allow_nan=False)}\n\n".encode()


class EventStream(Response):
    """A response of server-sent events.

    It ends the work (`stop`) when the client has gone, and sends a comment line in every quarter of a minute in which
    there is nothing to say, so that proxies keep the connection.
    """

    media_type = "text/event-stream"

    def __init__(self, events: AsyncIterator[bytes], stop: Callable[[], None]) -> None:
        super().__init__(None, 200, {"X-Accel-Buffering": "no"}, self.media_type)
        del self.headers["content-length"]
        self._events = events
        self._stop = stop

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the events."""
        sender = asyncio.create_task(self._send_all(send))
        watch = asyncio.create_task(until_gone(receive))
        try:
            await asyncio.wait({sender, watch}, return_when=asyncio.FIRST_COMPLETED)
            if sender.done():
                sender.result()
        finally:
            self._stop()
            watch.cancel()
            sender.cancel()
            await asyncio.gather(watch, sender, return_exceptions=True)

    async def _send_all(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        following: asyncio.Task[bytes | None] | None = None
        try:
            while True:
                following = following or asyncio.create_task(_next(self._events))
                done, _ = await asyncio.wait({following}, timeout=_ALIVE_SECONDS)
                text = following.result() if done else b": still here\n\n"
                if done:
                    following = None
                if text is None:
                    break
                await send({"type": "http.response.body", "body": text, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            if following is not None:
                following.cancel()


async def _next(events: AsyncIterator[bytes]) -> bytes | None:
    """Return the next text, None at the end."""
    async for text in events:
        return text
    return None
