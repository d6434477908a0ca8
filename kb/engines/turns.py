"""Turns: one holder at a time, in the order of asking."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable


class Turns:
    """A fair lock. A `threading.Lock` lets a late caller overtake; with answers that take a minute that would show."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: deque[object] = deque()

    def acquire(self, given_up: Callable[[], bool]) -> bool:
        """Wait for this caller's turn; return False where `given_up` becomes true before it comes."""
        ticket = object()
        with self._changed:
            self._waiting.append(ticket)
            while self._waiting[0] is not ticket:
                if given_up():
                    self._waiting.remove(ticket)
                    return False
                self._changed.wait(0.05)
            return True

    def release(self) -> None:
        """Hand the turn to the one who has waited longest; only the holder calls this."""
        with self._changed:
            self._waiting.popleft()
            self._changed.notify_all()
