"""Uploaded files: stored beside their knowledge base, then read in by one thread, each as a run of the job ledger.

A run that this process did not finish, because it was killed or told to stop, is taken up by the next service on the
same home: what was answered with 202 is not lost.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import re
import threading
import time
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from filelock import FileLock, Timeout

from indexes.errors import KBError, LockedError
from indexes.storage import files
from ingest.job_ledger import JobLedger, JobRun, RunStatus
from ingest.jobs import Ingesting
from ingest.stopping import IngestInterrupted
from kb.api.errors import ServiceError

logger = logging.getLogger("kb.api.uploads")

FOLDER = "uploads"
# The names of configured jobs have no colon, so these runs cannot be taken for theirs.
_JOB_PREFIX = "upload:"
_COPY_BYTES = 1 << 20
_NAME_BYTES = 120
_PENDING = 256
_LOCKED_SECONDS = 300.0
_RETRY_SECONDS = 1.0
_UNSAFE = re.compile(r'[\x00-\x1f\x7f<>:"|?*\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]')


@dataclass(frozen=True, slots=True)
class _Upload:
    run: JobRun
    path: Path
    lock: FileLock


class Uploads:
    """The queue of uploaded files of one service.

    `folder_of` gives the folder of a knowledge base, which need not exist; `on_end` is told the status of each run.
    """

    def __init__(
        self,
        ledger: JobLedger,
        pipeline_for: Callable[[str], Ingesting],
        folder_of: Callable[[str], Path],
        on_end: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._ledger = ledger
        self._pipeline_for = pipeline_for
        self._folder_of = folder_of
        self._on_end = on_end
        self._queue: queue.Queue[_Upload | None] = queue.Queue(_PENDING)
        self._cancel = threading.Event()
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()

    def add(self, kb: str, name: str, data: BinaryIO) -> int:
        """Store a file durably, queue it, and return the id of its run. A file of the same name is replaced."""
        if self._queue.full():
            raise ServiceError("busy", headers={"Retry-After": "10"})
        safe = safe_name(name)
        folder = self._folder_of(kb) / FOLDER
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / safe
        _write(data, path)
        run = self._ledger.start(_JOB_PREFIX + safe, kb)
        self._put(_Upload(run, path, self._lock(run)))
        return run.id

    def take_up(self) -> int:
        """Queue the runs that an earlier process left unfinished; return how many."""
        count = 0
        for run in reversed(self._ledger.history(limit=1000)):
            if run.status != "running" or not run.job.startswith(_JOB_PREFIX):
                continue
            # A run whose lock is held belongs to another process that lives.
            with contextlib.suppress(Timeout):
                lock = self._lock(run)
                path = self._folder_of(run.kb) / FOLDER / safe_name(run.job.removeprefix(_JOB_PREFIX))
                self._put(_Upload(run, path, lock))
                count += 1
        return count

    def remove(self, kb: str, uri_path: Path) -> None:
        """Delete the file at `uri_path` where it was uploaded to this knowledge base."""
        if uri_path.parent == self._folder_of(kb) / FOLDER:
            uri_path.unlink(missing_ok=True)

    def close(self, seconds: float) -> None:
        """Stop; what is not done is left to the next service. Wait at most `seconds` for the running one."""
        self._cancel.set()
        thread = self._thread
        if thread is not None:
            with contextlib.suppress(queue.Full):
                self._queue.put_nowait(None)
            thread.join(seconds)

    def _lock(self, run: JobRun) -> FileLock:
        folder = self._ledger.path.parent / ".jobs"
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / f"upload-{run.id}.lock", timeout=0, thread_local=False)
        lock.acquire()
        return lock

    def _put(self, upload: _Upload) -> None:
        with self._starting:
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="kb-uploads", daemon=True)
                self._thread.start()
        self._queue.put(upload)

    def _work(self) -> None:
        while (upload := self._queue.get()) is not None and not self._cancel.is_set():
            try:
                self._on_end(self._ingest(upload))
                Path(upload.lock.lock_file).unlink(missing_ok=True)
            except IngestInterrupted:
                logger.info("run %d was stopped; the next service goes on with it", upload.run.id)
            except Exception:
                logger.exception("run %d could not be recorded", upload.run.id)
            finally:
                upload.lock.release()

    def _ingest(self, upload: _Upload) -> RunStatus:
        run = upload.run
        deadline = time.monotonic() + _LOCKED_SECONDS
        while True:
            try:
                report = self._pipeline_for(run.kb).ingest([str(upload.path)], cancel=self._cancel)
                status: RunStatus = "failed" if report.failed else "done"
                error = f"{report.failed[0].error}: {report.failed[0].detail}" if report.failed else ""
                self._ledger.finish(run, status, report.fields(), error)
                return status
            except LockedError as error:
                if time.monotonic() >= deadline:
                    self._ledger.finish(run, "failed", error=str(error))
                    return "failed"
                if self._cancel.wait(_RETRY_SECONDS):
                    raise IngestInterrupted from None
            except KBError as error:
                self._ledger.finish(run, "failed", error=str(error))
                return "failed"
            except Exception as error:
                logger.exception("run %d failed", run.id)
                self._ledger.finish(run, "failed", error=f"unexpected failure: {type(error).__name__}")
                return "failed"


def safe_name(name: str) -> str:
    """Return the last part of a file's name, fit to be a file name here: NFC, no control or reserved characters.

    At most 120 bytes in UTF-8, the suffix kept; never hidden, never empty.
    """
    last = unicodedata.normalize("NFC", name).replace("\\", "/").rsplit("/", 1)[-1]
    plain = _UNSAFE.sub("_", last).strip().lstrip(".").strip() or "document"
    stem, dot, suffix = plain.rpartition(".")
    ending = f"{dot}{suffix}" if stem and len(suffix.encode()) <= 16 else ""
    stem = plain[: len(plain) - len(ending)] if ending else plain
    room = _NAME_BYTES - len(ending.encode())
    return stem.encode()[:room].decode("utf-8", "ignore") + ending


def _write(data: BinaryIO, path: Path) -> None:
    """Write a file so that it is there whole or not at all, also after a loss of power."""
    hidden = files.hidden_path(path.parent)
    try:
        with hidden.open("xb") as out:
            while piece := data.read(_COPY_BYTES):
                out.write(piece)
        files.sync_file(hidden)
        files.replace(hidden, path)
        files.sync_folder(path.parent)
    finally:
        hidden.unlink(missing_ok=True)
