"""Jobs: what a run does, what stops it, and what is kept of it."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import sqlite3
import threading
from datetime import UTC, datetime
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest

from indexes.errors import ConfigurationError, DamagedError, NotFoundError
from ingest.job_ledger import JobLedger
from ingest.jobs import JobDefinition, JobRunner
from ingest.schedule import Worker
from tests.ingest.library import Library
from tests.ingest.test_schedule import Counting, EverySecond, run_until

SPAWN = multiprocessing.get_context("spawn")


@pytest.fixture
def library(tmp_path: Path) -> Library:
    library = Library(tmp_path)
    for number in range(10):
        library.write(f"{number}.txt", f"第{number}份文件。")
    return library


def runner_for(library: Library, *, patience: float = 0.0, prune: bool = True) -> JobRunner:
    job = JobDefinition("nightly", (str(library.docs),), "0 3 * * *", prune=prune)

    def pipeline(kb: str) -> Library:
        assert kb == "default"
        return PipelineOf(library)

    return JobRunner([job], JobLedger(library.home.parent / "jobs.sqlite"), pipeline, patience=patience)


class PipelineOf(Library):
    """The pipeline of a library, as a job calls it."""

    def __init__(self, library: Library) -> None:
        self.__dict__.update(library.__dict__)

    def ingest(self, targets: object, **options: object) -> object:  # type: ignore[override]
        return super().ingest(*targets, **options)  # type: ignore[misc,arg-type]


def test_run(library: Library) -> None:
    """A run brings the documents in, and its report is kept as the contract spells it."""
    runner = runner_for(library)
    run = runner.run("nightly")
    assert (run.status, run.error, run.job, run.kb) == ("done", "", "nightly", "default")
    assert run.report is not None
    assert (run.report["added"], run.report["version"], run.report["failed"]) == (10, 1, ())
    assert datetime.fromisoformat(run.started_at) <= datetime.fromisoformat(run.finished_at or "") <= datetime.now(UTC)
    (kept,) = JobLedger(runner.ledger.path).history("nightly")
    assert (kept.id, kept.status, kept.report and kept.report["added"]) == (run.id, "done", 10)


def test_partial(library: Library) -> None:
    """A run in which a document cannot be read is partial, and its report says which."""
    library.write("empty.txt", b"")
    run = runner_for(library).run("nightly")
    assert run.status == "partial"
    assert run.report is not None
    assert [failed["error"] for failed in run.report["failed"]] == ["empty"]  # type: ignore[attr-defined]  # plain JSON


@pytest.mark.parametrize("left", [0, 6])
def test_too_much_is_gone(library: Library, left: int) -> None:
    """A run that would remove more than 30 % stops and says so; an empty folder does not empty a knowledge base."""
    runner = runner_for(library)
    runner.run("nightly")
    for number in range(left, 10):
        (library.docs / f"{number}.txt").unlink()
    run = runner.run("nightly")
    assert run.status == "stopped"
    assert f"{10 - left} of 10" in run.error
    assert len(library.documents()) == 10


def test_unmounted_folder(library: Library) -> None:
    """A folder that is missing altogether fails the run, and removes nothing."""
    runner = runner_for(library)
    runner.run("nightly")
    shutil.rmtree(library.docs)
    run = runner.run("nightly")
    assert (run.status, run.report) == ("failed", None)
    assert "docs" in run.error
    assert len(library.documents()) == 10


def test_a_few_are_gone(library: Library) -> None:
    """Up to 30 % are removed where the job prunes, and none where it does not."""
    runner_for(library).run("nightly")
    for number in range(3):
        (library.docs / f"{number}.txt").unlink()
    runner_for(library, prune=False).run("nightly")
    assert len(library.documents()) == 10
    run = runner_for(library).run("nightly")
    assert run.status == "done"
    assert len(library.documents()) == 7


def test_unknown_job(library: Library) -> None:
    """A job that is not configured is not found, and the nearest name is given."""
    with pytest.raises(NotFoundError, match="did you mean 'nightly'"):
        runner_for(library).run("nightl")


def test_two_jobs_of_one_name(library: Library) -> None:
    """Two jobs of the same name are a configuration error."""
    job = JobDefinition("nightly", ("docs",), "0 3 * * *")
    with pytest.raises(ConfigurationError):
        JobRunner([job, job], JobLedger(library.home.parent / "jobs.sqlite"), lambda kb: Counting())


def test_one_run_at_a_time(tmp_path: Path) -> None:
    """A run that finds another run of its job in another process is skipped, and is on record."""
    holding, release = SPAWN.Event(), SPAWN.Event()
    process = SPAWN.Process(target=hold_run, args=(tmp_path, holding, release))
    process.start()
    try:
        assert holding.wait(30)
        runner = small_runner(tmp_path, Counting())
        assert runner.run("small").status == "skipped"
        assert [run.status for run in runner.ledger.history("small")] == ["skipped", "running"]
    finally:
        release.set()
        process.join(30)
    assert [run.status for run in runner.ledger.history("small")] == ["skipped", "done"]
    assert runner.run("small").status == "done"


def test_killed_run(tmp_path: Path) -> None:
    """A run whose process was killed frees its lock, and is marked interrupted when the next one starts."""
    process = SPAWN.Process(target=die_in_run, args=(tmp_path,))
    process.start()
    process.join(30)
    assert process.exitcode == 9
    runner = small_runner(tmp_path, Counting())
    assert [run.status for run in runner.ledger.history("small")] == ["running"]
    assert runner.run("small").status == "done"
    assert [run.status for run in runner.ledger.history("small")] == ["done", "interrupted"]


def small_runner(folder: Path, pipeline: Counting) -> JobRunner:
    job = JobDefinition("small", ("docs",), "0 3 * * *")
    return JobRunner([job], JobLedger(folder / "jobs.sqlite"), lambda kb: pipeline)


def hold_run(folder: Path, holding: Event, release: Event) -> None:
    def action(count: int) -> None:
        holding.set()
        release.wait(30)

    small_runner(folder, Counting(action)).run("small")


def die_in_run(folder: Path) -> None:
    small_runner(folder, Counting(lambda count: os._exit(9))).run("small")


def test_another_writer(library: Library) -> None:
    """A run waits for another writer of its knowledge base, and fails only when it has waited long enough."""
    runner_for(library).run("nightly")
    store = library.open_store()
    with store.writer():
        run = runner_for(library).run("nightly")
        assert run.status == "failed"
        assert "another writer" in run.error
    released = threading.Event()

    def hold() -> None:
        with store.writer():
            released.wait(1.5)

    thread = threading.Thread(target=hold)
    thread.start()
    assert runner_for(library, patience=20).run("nightly").status == "done"
    released.set()
    thread.join()
    store.close()


def test_cancelled_run(library: Library) -> None:
    """A run that is cancelled is on record as interrupted."""
    cancel = threading.Event()
    cancel.set()
    run = runner_for(library).run("nightly", cancel=cancel)
    assert run.status == "interrupted"


def test_history(tmp_path: Path) -> None:
    """History is newest first, by job or of all, and bounded; asking for it makes no file."""
    ledger = JobLedger(tmp_path / "new" / "jobs.sqlite")
    assert ledger.history() == []
    assert not ledger.is_paused("a")
    assert not ledger.path.parent.exists()
    for name in ("a", "b", "a"):
        ledger.finish(ledger.start(name, "default"), "done", {"added": 1})
    assert [run.job for run in ledger.history()] == ["a", "b", "a"]
    assert [run.id for run in ledger.history("a")] == [3, 1]
    assert [run.id for run in ledger.history(limit=1)] == [3]


def test_pause_is_kept(tmp_path: Path) -> None:
    """A pause outlives the process and can be lifted; pausing twice is pausing once."""
    path = tmp_path / "jobs.sqlite"
    JobLedger(path).pause("a")
    JobLedger(path).pause("a")
    assert JobLedger(path).is_paused("a")
    assert not JobLedger(path).is_paused("b")
    JobLedger(path).resume("a")
    assert not JobLedger(path).is_paused("a")


def test_damaged_ledger(tmp_path: Path) -> None:
    """A ledger that is no database is reported as damaged, by its name."""
    path = tmp_path / "jobs.sqlite"
    path.write_bytes(b"no database at all" * 100)
    with pytest.raises(DamagedError, match=r"jobs\.sqlite"):
        JobLedger(path).history()


def test_durable(tmp_path: Path) -> None:
    """The ledger keeps a write-ahead log, so that readers never wait for a writer."""
    ledger = JobLedger(tmp_path / "jobs.sqlite")
    ledger.start("a", "default")
    with sqlite3.connect(ledger.path) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_worker_follows_a_folder(tmp_path: Path) -> None:
    """A worker brings in what changes in a folder, run after run, and stops when it is told to."""
    library = Library(tmp_path)
    library.write("a.txt", "第一份文件。")
    library.write("b.txt", "第二份文件。")
    runner = runner_for(library)
    worker = Worker(runner, {"nightly": EverySecond()})
    steps = iter((("c.txt", "第三份文件。"), ("a.txt", "第一份改了。")))
    wanted = [{"a.txt": "第一份文件。", "b.txt": "第二份文件。"}]
    wanted.append(wanted[0] | {"c.txt": "第三份文件。"})
    wanted.append(wanted[1] | {"a.txt": "第一份改了。"})

    def condition() -> bool:
        finished = {run.status for run in runner.ledger.history("nightly")}
        if "done" not in finished or library.texts() != wanted[0]:
            return False
        wanted.pop(0)
        if wanted:
            library.write(*next(steps), age=5)
        return not wanted

    run_until(worker, condition)
    assert {run.status for run in runner.ledger.history("nightly", 1000)} <= {"done", "interrupted"}
