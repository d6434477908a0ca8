"""What the reading processes deliver, brought to the caller without ever making it wait longer than it may."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator, Mapping
from types import TracebackType
from typing import TYPE_CHECKING

from ingest.records import LoadOutcome, SourceItem
from ingest.stopping import check

if TYPE_CHECKING:
    from ingest.workers import LoaderPool

# Outcomes that wait for the caller; the pool holds some of its own. Each may be a large document.
_WAITING = 4
_POLL_SECONDS = 0.1
_JOIN_SECONDS = 5.0


class Feed:
    """Iterates over what became of each item; a thread drives the pool, so that cancelling need not wait for it.

    `known_hashes` maps URIs to the content hashes of documents that need not be parsed if they are still the same.
    Leaving the block closes the pool and kills its processes.
    """

    def __init__(
        self, pool: LoaderPool, items: Iterable[SourceItem], known_hashes: Mapping[str, str], cancel: threading.Event
    ) -> None:
        self._pool = pool
        self._items = items
        self._known_hashes = known_hashes
        self._cancel = cancel
        self._closed = threading.Event()
        self._queue: queue.Queue[LoadOutcome | BaseException | None] = queue.Queue(_WAITING)
        self._thread = threading.Thread(target=self._drive, name="feed", daemon=True)

    def __enter__(self) -> Feed:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed.set()
        self._pool.close()
        self._thread.join(_JOIN_SECONDS)

    def __iter__(self) -> Iterator[LoadOutcome]:
        while True:
            check(self._cancel)
            try:
                found = self._queue.get(timeout=_POLL_SECONDS)
            except queue.Empty:
                continue
            if found is None:
                return
            if isinstance(found, BaseException):
                raise found
            yield found

    def _drive(self) -> None:
        try:
            for outcome in self._pool.load_all(self._items, self._known_hashes):
                if not self._put(outcome):
                    return
        except BaseException as error:
            # Raised again in the thread of the caller.
            self._put(error)
        else:
            self._put(None)

    def _put(self, found: LoadOutcome | BaseException | None) -> bool:
        """Hand over one thing; False where nobody takes it any more."""
        while not self._closed.is_set():
            try:
                self._queue.put(found, timeout=_POLL_SECONDS)
            except queue.Full:
                continue
            return True
        return False
