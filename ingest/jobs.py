"""Jobs: named sets of sources that are read again, one run of a job at a time, each run on record."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Protocol

from filelock import FileLock, Timeout

from indexes.errors import ConfigurationError, KBError, LockedError, NotFoundError
from ingest.job_ledger import JobLedger, JobRun, RunStatus
from ingest.plan import RemovalLimitError
from ingest.progress import Progress
from ingest.report import IngestReport
from ingest.stopping import IngestInterrupted
from ingest.targets import Target

__all__ = ["JobDefinition", "JobLedger", "JobRun", "JobRunner", "RemovalLimitError"]

_RETRY_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class JobDefinition:
    """A `[[jobs]]` entry with its sources resolved to targets.

    `max_removed_share` in [0, 1]: a run that would remove more of the documents under its targets stops.
    """

    name: str
    sources: tuple[str | Target, ...]
    cron: str
    timezone: str = "UTC"
    prune: bool = False
    kb: str = "default"
    max_removed_share: float = 0.3


class Ingesting(Protocol):
    """The part of a pipeline that a job uses."""

    def ingest(
        self,
        targets: Sequence[str | Target],
        *,
        prune: bool = False,
        on_progress: Callable[[Progress], None] | None = None,
        cancel: threading.Event | None = None,
        max_removed_share: float | None = None,
    ) -> IngestReport:
        """Read the targets into a knowledge base."""
        ...


class JobRunner:
    """Runs jobs by name. `patience` (seconds) is how long a run waits for another writer of its knowledge base."""

    def __init__(
        self,
        jobs: Sequence[JobDefinition],
        ledger: JobLedger,
        pipeline_for: Callable[[str], Ingesting],
        *,
        patience: float = 60.0,
    ) -> None:
        self.ledger = ledger
        self._jobs = {job.name: job for job in jobs}
        if len(self._jobs) != len(jobs):
            raise ConfigurationError("two jobs have the same name")
        self._pipeline_for = pipeline_for
        self._patience = patience

    @property
    def jobs(self) -> tuple[JobDefinition, ...]:
        """The jobs, in the order of the configuration."""
        return tuple(self._jobs.values())

    def job(self, name: str) -> JobDefinition:
        """Return a job by its name, or raise NotFoundError."""
        if name not in self._jobs:
            near = get_close_matches(name, self._jobs, 1)
            raise NotFoundError(f"no job {name!r}" + (f"; did you mean {near[0]!r}?" if near else ""))
        return self._jobs[name]

    def run(
        self,
        name: str,
        *,
        on_progress: Callable[[Progress], None] | None = None,
        cancel: threading.Event | None = None,
    ) -> JobRun:
        """Run a job now, paused or not, and return how it ended; errors that users can meet end in the record.

        A run that finds another run of the job going on, in any process, is recorded as `skipped`.
        """
        job = self.job(name)
        lock = FileLock(self._lock_path(name), timeout=0, thread_local=False)
        try:
            lock.acquire()
        except Timeout:
            run = self.ledger.start(name, job.kb)
            return self.ledger.finish(run, "skipped", error="another run of this job is going on")
        try:
            self.ledger.mark_interrupted(name)
            return self._run(job, self.ledger.start(name, job.kb), on_progress, cancel)
        finally:
            lock.release()

    def _run(
        self,
        job: JobDefinition,
        run: JobRun,
        on_progress: Callable[[Progress], None] | None,
        cancel: threading.Event | None,
    ) -> JobRun:
        status: RunStatus
        try:
            report = self._ingest(job, on_progress, cancel)
        except RemovalLimitError as error:
            return self.ledger.finish(run, "stopped", error=str(error))
        except IngestInterrupted as interrupted:
            fields = None if interrupted.report is None else interrupted.report.fields()
            return self.ledger.finish(run, "interrupted", fields, str(interrupted))
        except KBError as error:
            return self.ledger.finish(run, "failed", error=str(error))
        except BaseException as error:
            status = "failed" if isinstance(error, Exception) else "interrupted"
            self.ledger.finish(run, status, error=f"{type(error).__name__}: {error}")
            raise
        status = "partial" if report.failed else "done"
        return self.ledger.finish(run, status, report.fields())

    def _ingest(
        self, job: JobDefinition, on_progress: Callable[[Progress], None] | None, cancel: threading.Event | None
    ) -> IngestReport:
        cancel = cancel or threading.Event()
        deadline = time.monotonic() + self._patience
        while True:
            try:
                return self._pipeline_for(job.kb).ingest(
                    job.sources,
                    prune=job.prune,
                    on_progress=on_progress,
                    cancel=cancel,
                    max_removed_share=job.max_removed_share,
                )
            except LockedError:
                if time.monotonic() >= deadline:
                    raise
                if cancel.wait(_RETRY_SECONDS):
                    raise IngestInterrupted("interrupted while waiting for another writer") from None

    def _lock_path(self, name: str) -> Path:
        # Hidden, so that the folder cannot be taken for a knowledge base.
        folder = self.ledger.path.parent / ".jobs"
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f"{name}.lock"
