"""The ledger of scheduled runs: what ran when, how it ended, and which jobs are paused."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from indexes.errors import DamagedError, KBError

RunStatus = Literal["running", "done", "partial", "failed", "stopped", "skipped", "interrupted"]

# Runs kept of each job; older ones are dropped when one ends.
_KEPT_RUNS = 1000
_SCHEMA = """
CREATE TABLE IF NOT EXISTS runs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    job TEXT NOT NULL,
    kb TEXT NOT NULL,
    started_at TEXT NOT NULL,
    finished_at TEXT,
    status TEXT NOT NULL,
    report TEXT,
    error TEXT NOT NULL DEFAULT ''
);
CREATE INDEX IF NOT EXISTS runs_by_job ON runs (job, id);
CREATE TABLE IF NOT EXISTS paused (job TEXT PRIMARY KEY, since TEXT NOT NULL);
"""


@dataclass(frozen=True, slots=True)
class JobRun:
    """One run of a job. Times are ISO 8601 in UTC; `finished_at` is None while it runs, or if it was killed.

    Status: `done`; `partial` (some documents could not be read); `failed`; `stopped` (it would have removed too
    much); `skipped` (another run of the job was going on); `interrupted` (cancelled or killed); `running`.
    `report` holds the fields of the ingest report, where there is one; `error` is "" or one line.
    """

    id: int
    job: str
    kb: str
    started_at: str
    finished_at: str | None
    status: RunStatus
    report: Mapping[str, object] | None
    error: str


class JobLedger:
    """Runs and pauses of all jobs, in one SQLite file that many processes may share."""

    def __init__(self, path: Path) -> None:
        """Name the file; it is made by the first run or pause."""
        self.path = path

    def start(self, job: str, kb: str) -> JobRun:
        """Record that a run begins; durable when it returns."""
        run = JobRun(0, job, kb, _now(), None, "running", None, "")
        with self._connection() as connection:
            cursor = connection.execute(
                "INSERT INTO runs (job, kb, started_at, status) VALUES (?, ?, ?, ?)",
                (job, kb, run.started_at, run.status),
            )
            return replace(run, id=int(cursor.lastrowid or 0))

    def finish(
        self, run: JobRun, status: RunStatus, report: Mapping[str, object] | None = None, error: str = ""
    ) -> JobRun:
        """Record how a run ended, and return it."""
        ended = replace(run, finished_at=_now(), status=status, report=report, error=error)
        stored = None if report is None else json.dumps(report, ensure_ascii=False)
        with self._connection() as connection:
            connection.execute(
                "UPDATE runs SET finished_at = ?, status = ?, report = ?, error = ? WHERE id = ?",
                (ended.finished_at, status, stored, error, run.id),
            )
            connection.execute(
                "DELETE FROM runs WHERE job = ?1 AND id <= "
                "(SELECT id FROM runs WHERE job = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)",
                (run.job, _KEPT_RUNS),
            )
        return ended

    def mark_interrupted(self, job: str) -> int:
        """Mark the runs of a job that never ended; return how many. The caller holds the lock of the job."""
        with self._connection() as connection:
            cursor = connection.execute(
                "UPDATE runs SET status = 'interrupted', error = 'the process ended before the run did' "
                "WHERE job = ? AND status = 'running'",
                (job,),
            )
            return cursor.rowcount

    def history(self, job: str | None = None, limit: int = 20) -> list[JobRun]:
        """Return the last runs of one job or of all, newest first."""
        if not self.path.exists():
            return []
        with self._connection() as connection:
            rows = connection.execute(
                "SELECT id, job, kb, started_at, finished_at, status, report, error FROM runs "
                "WHERE ?1 IS NULL OR job = ?1 ORDER BY id DESC LIMIT ?2",
                (job, max(limit, 0)),
            ).fetchall()
        return [
            JobRun(number, name, kb, started, finished, status, None if report is None else json.loads(report), error)
            for number, name, kb, started, finished, status, report, error in rows
        ]

    def pause(self, job: str) -> None:
        """Keep the worker from starting a job, until it is resumed; also across restarts."""
        with self._connection() as connection:
            connection.execute("INSERT OR IGNORE INTO paused (job, since) VALUES (?, ?)", (job, _now()))

    def resume(self, job: str) -> None:
        """Let the worker start a job again."""
        with self._connection() as connection:
            connection.execute("DELETE FROM paused WHERE job = ?", (job,))

    def is_paused(self, job: str) -> bool:
        """Return whether a job is paused."""
        if not self.path.exists():
            return False
        with self._connection() as connection:
            return connection.execute("SELECT 1 FROM paused WHERE job = ?", (job,)).fetchone() is not None

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        """Open the file for one transaction: runs are rare, and threads and processes then need no agreement."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            connection = sqlite3.connect(self.path, timeout=10.0, isolation_level=None)
            try:
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("PRAGMA synchronous = FULL")
                connection.executescript(_SCHEMA)
                connection.execute("BEGIN IMMEDIATE")
                with connection:
                    yield connection
            finally:
                connection.close()
        except sqlite3.OperationalError as error:
            raise KBError(f"{self.path}: {error}") from error
        except sqlite3.DatabaseError as error:
            raise DamagedError(
                f"the ledger of jobs {self.path} is damaged: {error}; delete it to begin anew"
            ) from error


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
