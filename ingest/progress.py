"""Progress of a running ingest: the record that callers are shown, and what keeps it from being shown too often."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from ingest.report import Tally


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an ingest is. Documents that need no work are counted as done from the start.

    `rate` is chunks written per second; `seconds_left` is None until it can be estimated; `current` is the URI that
    was last dealt with; `stage` is "walk", "read", "publish" or "done".
    """

    stage: str
    done: int
    total: int
    chunks: int
    failed: int
    current: str
    rate: float
    seconds_left: float | None


class ProgressReporter:
    """Calls `listener` at most every `interval` seconds, and always at a change of stage."""

    def __init__(self, listener: Callable[[Progress], None] | None, tally: Tally, interval: float = 0.1) -> None:
        self._listener = listener
        self._tally = tally
        self._interval = interval
        self._last = 0.0
        self._stage = ""
        self._stage_begun = time.monotonic()
        self._done_before = 0
        self.total = 0

    def show(self, stage: str, current: str = "") -> None:
        """Tell the listener where the ingest is, if it is time to."""
        if self._listener is None:
            return
        now = time.monotonic()
        if stage != self._stage:
            self._stage, self._stage_begun, self._done_before = stage, now, self._tally.finished
        elif now - self._last < self._interval:
            return
        self._last = now
        self._listener(self._record(stage, current, now - self._stage_begun))

    def _record(self, stage: str, current: str, elapsed: float) -> Progress:
        done = self._tally.finished
        worked = done - self._done_before
        left = elapsed / worked * (self.total - done) if stage == "read" and worked > 0 else None
        return Progress(
            stage=stage,
            done=done,
            total=max(self.total, done),
            chunks=self._tally.chunks,
            failed=len(self._tally.failed),
            current=current,
            rate=self._tally.chunks / elapsed if elapsed > 0 else 0.0,
            seconds_left=left,
        )
