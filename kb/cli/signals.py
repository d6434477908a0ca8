"""Stopping on Ctrl-C and SIGTERM: politely at the first signal, at once at the second or when that takes too long."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from kb.cli import output

INTERRUPTED = 130


@contextmanager
def stop_event(message: str, patience: float | None) -> Iterator[threading.Event]:
    """Yield an event that the first SIGINT or SIGTERM sets, telling the user `message`.

    A second signal, or `patience` seconds (None: without bound), ends the process at once with exit code 130. That is
    safe at any moment: what is acknowledged is on disk, and the lock goes with the process.
    """
    stop = threading.Event()
    timers: list[threading.Timer] = []

    def handle(number: int, frame: FrameType | None) -> None:
        if stop.is_set():
            _end_now()
        stop.set()
        output.notice(f"kb: {message}")
        if patience is not None:
            timer = threading.Timer(patience, _end_now)
            timer.daemon = True
            timer.start()
            timers.append(timer)

    previous = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for timer in timers:
            timer.cancel()
        for number, handler in previous.items():
            signal.signal(number, handler)


def _end_now() -> None:
    output.notice("kb: interrupted")
    os._exit(INTERRUPTED)
