"""Uploads outlive the process that took them."""

from __future__ import annotations

import io
import threading
from pathlib import Path

import pytest

from ingest.job_ledger import JobLedger
from ingest.report import IngestReport
from kb.api.uploads import Uploads, safe_name
from tests.kb.api.serving import make_application


class Waiting:
    """A pipeline that never gets to work: it waits until it is cancelled, as behind a long ingest."""

    def __init__(self) -> None:
        self.begun = threading.Event()

    def ingest(self, targets: object, *, cancel: threading.Event, **_: object) -> IngestReport:
        from ingest.stopping import IngestInterrupted

        self.begun.set()
        assert cancel.wait(20)
        raise IngestInterrupted


def test_unfinished_uploads_are_taken_up_by_the_next_service(tmp_path: Path) -> None:
    """What was accepted and not read in, because the service stopped, is read in by the next one, as the same run."""
    application = make_application(tmp_path / "home")
    ledger = application.job_runner().ledger
    waiting = Waiting()
    first = Uploads(ledger, lambda _: waiting, application.folder)  # type: ignore[arg-type, return-value]  # a stand-in
    ids = [first.add("default", f"{n}.txt", io.BytesIO(f"Text number {n}. It is short.".encode())) for n in range(2)]
    assert waiting.begun.wait(10)
    first.close(5)
    assert {run.status for run in ledger.history()} == {"running"}

    ended: list[str] = []
    both = threading.Semaphore(0)

    def on_end(status: str) -> None:
        ended.append(status)
        both.release()

    second = Uploads(ledger, application.pipeline, application.folder, on_end)
    assert second.take_up() == 2
    assert both.acquire(timeout=30) and both.acquire(timeout=30)
    second.close(5)
    assert ended == ["done", "done"]
    assert sorted((run.id, run.status) for run in ledger.history()) == [(id_, "done") for id_ in sorted(ids)]
    assert len(application.store("default").documents()) == 2
    application.close()


def test_uploads_of_a_living_service_are_left_to_it(tmp_path: Path) -> None:
    """A second service on the same home does not take up what the first is still working on."""
    application = make_application(tmp_path / "home")
    ledger = JobLedger(tmp_path / "home" / "jobs.sqlite")
    waiting = Waiting()
    first = Uploads(ledger, lambda _: waiting, application.folder)  # type: ignore[arg-type, return-value]  # a stand-in
    first.add("default", "a.txt", io.BytesIO(b"Text."))
    assert waiting.begun.wait(10)
    assert Uploads(ledger, application.pipeline, application.folder).take_up() == 0
    first.close(5)


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("报告.pdf", "报告.pdf"),
        ("a/b\\c.txt", "c.txt"),
        ("..", "document"),
        ("", "document"),
        ("...", "document"),
        ("\x00\x1f.txt", "__.txt"),
        ("\ud800.txt", "_.txt"),
        ("e\u0301.txt", "é.txt"),
        ("年" * 100 + ".pdf", "年" * 38 + ".pdf"),
        ("a." + "b" * 40, "a." + "b" * 40),
    ],
)
def test_safe_names(name: str, safe: str) -> None:
    """A name becomes one plain, visible file name of at most 120 bytes."""
    assert safe_name(name) == safe and len(safe.encode()) <= 120
