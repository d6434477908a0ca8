"""One run over many items by several threads: who takes which, and how many bytes are held at once."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Mapping

from ingest.records import LoadOutcome, SourceItem
from ingest.web.fetching import MAX_PAGE_BYTES

_BYTES_IN_FLIGHT = 96 * 1024 * 1024
_LEAST_WEIGHT = 4 * 1024 * 1024  # so that tiny documents do not pile up without bound either


class ReadingRun:
    """What the threads of one run share: the items, the outcomes, and how much is in flight."""

    def __init__(self, items: Iterable[SourceItem], known_hashes: Mapping[str, str]) -> None:
        self.known_hashes = known_hashes
        self.outcomes: queue.SimpleQueue[tuple[LoadOutcome | BaseException | None, int]] = queue.SimpleQueue()
        self.stopped = False
        self._next: Callable[[], SourceItem | None] = _puller(items)
        self._pulling = threading.Lock()
        self._room = threading.Condition()
        self._in_flight = 0

    def next_item(self) -> SourceItem | None:
        """Return the next item, or None where there is none or the run was stopped."""
        with self._pulling:
            return None if self.stopped else self._next()

    def acquire(self, weight: int) -> bool:
        """Wait until `weight` more bytes may be held; one document alone always may. False once stopped."""
        with self._room:
            self._room.wait_for(
                lambda: self.stopped or self._in_flight == 0 or self._in_flight + weight <= _BYTES_IN_FLIGHT
            )
            self._in_flight += weight
            return not self.stopped

    def release(self, weight: int) -> None:
        """Say that `weight` bytes are no longer held here."""
        with self._room:
            self._in_flight -= weight
            self._room.notify_all()

    def stop(self) -> None:
        """Let the threads end at the next opportunity."""
        with self._room:
            self.stopped = True
            self._room.notify_all()


def _puller(items: Iterable[SourceItem]) -> Callable[[], SourceItem | None]:
    iterator = iter(items)
    return lambda: next(iterator, None)


def weight_of(item: SourceItem) -> int:
    """Return the bytes that an item may occupy here: its own, and its text."""
    return max(_LEAST_WEIGHT, MAX_PAGE_BYTES if item.kind == "web" else 3 * item.size)
