"""Answering many requests at once: a queue, and a watched loop that runs them together a step at a time."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from indexes.errors import EngineUnavailableError
from kb.engines.base import GenerationOptions
from kb.engines.qwen.requests import Request

_LOG = logging.getLogger(__name__)
_POLL_SECONDS: Final = 0.02
_IDLE_SECONDS: Final = 0.5


@dataclass(frozen=True, slots=True)
class Progress:
    """What a loop says of one request: all its tokens so far, and whether and how it ended."""

    name: str
    tokens: Sequence[int]
    finished: bool = False
    error: str | None = None


class Loop(Protocol):
    """Something that generates for many requests on a thread of its own, and may die of any of them."""

    def add(self, name: str, prompt: list[int], options: GenerationOptions) -> None:
        """Take a request in; raise EngineUnavailableError where the loop is dead."""
        ...

    def cancel(self, name: str) -> None:
        """Give a request up within a step; nothing more need be said of it."""
        ...

    def progress(self, seconds: float) -> Iterator[Progress]:
        """Yield what has happened, waiting for it at most so long."""
        ...

    def steps(self) -> int:
        """Return how many steps were made: a long prompt takes many before its first token."""
        ...

    def failure(self) -> str | None:
        """Return why the loop is dead, None while it lives."""
        ...

    def stop(self) -> None:
        """End the loop and free what it holds; safe to call on a dead one."""
        ...


@dataclass(slots=True)
class _Running:
    request: Request
    told: int = 0


class Batching:
    """Hands requests to a loop in the order of asking, at most `slots` at a time, so that its memory always suffices.

    A loop that dies, or makes no step for `stall_seconds` while it has work, takes down the requests that it held; the
    next is answered by a new loop. Requests whose reader has gone are given up within a step.
    """

    def __init__(
        self,
        make_loop: Callable[[], Loop],
        *,
        vocabulary: int,
        slots: int,
        most_waiting: int,
        stall_seconds: float = 300.0,
    ) -> None:
        self.vocabulary = vocabulary
        self._make_loop = make_loop
        self._slots = slots
        self._most_waiting = most_waiting
        self._stall_seconds = stall_seconds
        self._changed = threading.Condition()
        self._waiting: deque[Request] = deque()
        self._running: dict[str, _Running] = {}
        self._loop: Loop | None = None
        self._thread: threading.Thread | None = None
        self._steps = 0
        self._last_step = time.monotonic()
        self._count = 0
        self._put_back: Request | None = None
        self._closed = False

    def start(self, request: Request) -> None:
        """Queue a request; raise EngineUnavailableError where too many wait or the engine was closed."""
        with self._changed:
            if self._closed:
                raise EngineUnavailableError("the engine was closed")
            self._waiting = deque(waiting for waiting in self._waiting if not waiting.stopped())
            if len(self._waiting) >= self._most_waiting:
                raise EngineUnavailableError(
                    f"{len(self._waiting)} questions wait for the model already (engine.waiting): ask again later"
                )
            self._waiting.append(request)
            self._changed.notify_all()
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="generate-batches", daemon=True)
                self._thread.start()

    def close(self, wait: float = 0.0) -> None:
        """End the loop once what runs and waits is answered; safe to call twice.

        Waits at most `wait` seconds until its memory is free again.
        """
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            thread = self._thread
        if thread is not None and wait > 0:
            thread.join(wait)

    def _work(self) -> None:
        """Turn by turn: let requests in, give up those whose readers have gone, pass on what came, watch the loop."""
        while self._has_work():
            try:
                self._give_up()
                self._let_in()
                self._pass_on()
                self._watch()
            except Exception as error:  # nobody would hear of it otherwise
                _LOG.exception("the batching thread failed")
                self._fail(f"{type(error).__name__}: {error}")
        self._drop_loop()

    def _has_work(self) -> bool:
        """Wait for work; return False once closed and done, or when the program ends.

        The loop's own thread would keep an ending program alive, so this one ends it.
        """
        with self._changed:
            while not self._waiting and not self._running:
                if self._closed or not threading.main_thread().is_alive():
                    return False
                self._changed.wait(_IDLE_SECONDS)
        return threading.main_thread().is_alive()

    def _let_in(self) -> None:
        while len(self._running) < self._slots:
            with self._changed:
                if not self._waiting:
                    return
                request = self._waiting.popleft()
            if request.stopped():
                request.end()
                continue
            self._count += 1
            name = f"request-{self._count}"
            try:
                if self._loop is None:
                    self._loop = self._make_loop()
                if not self._running:
                    self._last_step = time.monotonic()
                self._running[name] = _Running(request)
                self._loop.add(name, request.prompt, request.options)
            except Exception as error:  # a request that cannot be let in fails alone
                self._running.pop(name, None)
                if self._loop is None or self._loop.failure() is None or request is self._put_back:
                    request.end(error)
                    continue
                # The loop died since it was looked at last; the next one takes this request, if it lives so long.
                self._put_back = request
                with self._changed:
                    self._waiting.appendleft(request)
                return

    def _give_up(self) -> None:
        for name, running in list(self._running.items()):
            if running.request.stopped():
                del self._running[name]
                if self._loop is not None:
                    self._loop.cancel(name)
                running.request.end()

    def _pass_on(self) -> None:
        if self._loop is None or not self._running:
            return
        for said in self._loop.progress(_POLL_SECONDS):
            running = self._running.get(said.name)
            if running is None:
                continue
            if new := list(said.tokens[running.told :]):
                running.told += len(new)
                running.request.emit(new)
            if said.finished:
                del self._running[said.name]
                running.request.end(EngineUnavailableError(said.error) if said.error else None)

    def _watch(self) -> None:
        if self._loop is None:
            return
        why, steps = self._loop.failure(), self._loop.steps()
        if steps != self._steps:
            self._steps, self._last_step = steps, time.monotonic()
        if why is None and self._running and time.monotonic() - self._last_step > self._stall_seconds:
            why = f"it made no step for {self._stall_seconds:g} s"
        if why is not None:
            self._fail(why)

    def _fail(self, why: str) -> None:
        """Fail the requests that the loop held; those that wait are answered by the next loop."""
        _LOG.error("the generation loop ended (%s); %d requests fail with it", why, len(self._running))
        running, self._running = self._running, {}
        for held in running.values():
            held.request.end(EngineUnavailableError(f"the generation loop ended: {why}; ask again"))
        self._drop_loop()

    def _drop_loop(self) -> None:
        loop, self._loop = self._loop, None
        if loop is not None:
            try:
                loop.stop()
            except Exception:  # a broken loop may not even stop; the next one is made all the same
                _LOG.exception("the generation loop could not be stopped")
