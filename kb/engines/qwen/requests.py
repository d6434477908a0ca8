"""One generation on its way: what is asked, the tokens that come of it, and its end."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from kb.engines.base import GenerationOptions

_POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class _End:
    error: BaseException | None


class Request:
    """Made by the reader, who iterates `tokens`; a runner calls `emit` as often as it likes and `end` once."""

    def __init__(self, prompt: list[int], options: GenerationOptions, cancel: threading.Event) -> None:
        self.prompt = prompt
        self.options = options
        self._cancel = cancel
        self._left = threading.Event()
        self._events: queue.SimpleQueue[list[int] | _End] = queue.SimpleQueue()

    def stopped(self) -> bool:
        """Whether nobody waits for more."""
        return self._cancel.is_set() or self._left.is_set()

    def emit(self, tokens: list[int]) -> None:
        """Hand further tokens to the reader."""
        self._events.put(tokens)

    def end(self, error: BaseException | None = None) -> None:
        """Tell the reader that this was all, or what went wrong."""
        self._events.put(_End(error))

    def tokens(self) -> Iterator[list[int]]:
        """Yield tokens as they come; end early once cancelled; raise the error that ended the generation."""
        while not self._cancel.is_set():
            try:
                event = self._events.get(timeout=_POLL_SECONDS)
            except queue.Empty:
                continue
            if isinstance(event, list):
                yield event
            elif event.error is not None:
                raise event.error
            else:
                return

    def leave(self) -> None:
        """Say that the reader has gone."""
        self._left.set()


class Runner(Protocol):
    """A loaded model that answers requests."""

    @property
    def vocabulary(self) -> int:
        """Token ids lie below this."""
        ...

    def start(self, request: Request) -> None:
        """Queue a request; raise EngineUnavailableError where too many wait."""
        ...

    def close(self) -> None:
        """Let go of the model once what is queued has ended; safe to call twice."""
        ...
