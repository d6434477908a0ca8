"""How long a server may take: to connect, to begin its answer, between two pieces, and for the whole of it."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

# How long more is waited for behind the end of an answer, the usage for one; not every server ends its response.
_AFTER_THE_END = 5.0


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds. `first_token` None stands for `idle`; `total` counts from the question, further tries included."""

    connect: float = 5.0
    first_token: float | None = None
    idle: float = 120.0
    total: float = 900.0


class Deadline:
    """The end of one question, over all servers that are tried for it: by time, or because nobody waits any longer."""

    def __init__(self, limits: Limits, cancel: threading.Event) -> None:
        self.limits = limits
        self.cancel = cancel
        self._ends = time.monotonic() + limits.total

    @property
    def left(self) -> float:
        """Return the seconds that are left, under 0 where it is over."""
        return self._ends - time.monotonic()

    @property
    def over(self) -> bool:
        """Whether the question is to be given up."""
        return self.cancel.is_set() or self.left <= 0

    @property
    def overrun(self) -> str:
        """Return what to say where no time is left."""
        return f"the answer was not complete within {self.limits.total:g} s (engine.total_seconds)"


class Watch:
    """Watches one response: `heard` whenever anything comes, `begun` when the first of the answer is there."""

    def __init__(self, deadline: Deadline) -> None:
        self._deadline = deadline
        self._sent = self._last = time.monotonic()
        self._begun = False
        self._ended: float | None = None

    def heard(self) -> None:
        """Note that bytes came, if only a sign of life."""
        self._last = time.monotonic()

    def begun(self) -> None:
        """Note that the answer has begun; from now on only silence counts."""
        self._begun = True

    def ended(self) -> None:
        """Note that the answer is complete."""
        self._ended = self._ended or time.monotonic()

    @property
    def over(self) -> bool:
        """Whether nothing more is to be waited for."""
        return self._ended is not None and time.monotonic() - self._ended > _AFTER_THE_END

    def overrun(self, nothing_here: bool) -> str | None:
        """Return what took too long, None while nothing did.

        Silence counts only where nothing is waiting to be read: a reader may take its time over what has come.
        """
        limits = self._deadline.limits
        if self._deadline.left <= 0:
            return self._deadline.overrun
        if self._begun and not nothing_here:
            return None
        if self._begun:
            silent = time.monotonic() - self._last
            return (
                f"the server was silent for {limits.idle:g} s (engine.read_seconds)" if silent > limits.idle else None
            )
        first, setting = (
            (limits.idle, "engine.read_seconds")
            if limits.first_token is None
            else (limits.first_token, "engine.first_token_seconds")
        )
        if time.monotonic() - self._sent <= first:
            return None
        return f"the server was silent for {first:g} s before its first token ({setting})"
