"""How a running ingest is stopped: a checked event, and the error that ends the run."""

from __future__ import annotations

import threading

from ingest.report import IngestReport


class IngestInterrupted(KeyboardInterrupt):
    """The ingest was cancelled. What was done is kept and published; the next run goes on from there.

    Not a `KBError`: like KeyboardInterrupt, which it is, it must pass every handler of ordinary errors.
    """

    def __init__(self, message: str = "interrupted", report: IngestReport | None = None) -> None:
        super().__init__(message)
        self.report = report


def check(cancel: threading.Event | None) -> None:
    """Raise IngestInterrupted if the event is set."""
    if cancel is not None and cancel.is_set():
        raise IngestInterrupted
