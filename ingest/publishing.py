"""When a long ingest publishes what it has done so far, and the publishing itself."""

from __future__ import annotations

import time

from indexes.storage.writer import Writer
from indexes.store import Store
from ingest.report import Tally

# A publish that takes longer than this (seconds) makes the next one wait longer in proportion: publishing meanwhile
# must not become most of the work.
_QUICK_PUBLISH = 5.0


class Publishing:
    """Publishes at the end of a run, and meanwhile about every `seconds`."""

    def __init__(self, store: Store, writer: Writer, tally: Tally, seconds: float) -> None:
        self._store = store
        self._writer = writer
        self._tally = tally
        self._seconds = seconds
        self._at = time.monotonic() + seconds

    def publish(self) -> int:
        """Publish what is acknowledged; return the version, the same as before where nothing changed."""
        begun = time.monotonic()
        with self._tally.stage("publish"):
            version = self._writer.publish()
        ended = time.monotonic()
        self._at = ended + self._seconds * max(1.0, (ended - begun) / _QUICK_PUBLISH)
        return version

    def what_is_done(self) -> int:
        """Publish, unless documents still wait for the vectors of a new embedder; return the version shown."""
        if self._writer.stale():
            return self._store.current_version()
        return self.publish()

    def if_due(self) -> None:
        """Publish what is done if that was long ago."""
        if time.monotonic() > self._at:
            self.what_is_done()
