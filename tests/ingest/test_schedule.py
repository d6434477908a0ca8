"""When jobs run: cron expressions, daylight saving, missed times and the worker."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from indexes.errors import ConfigurationError
from ingest.cron import CronTimes
from ingest.job_ledger import JobLedger
from ingest.jobs import JobDefinition, JobRunner
from ingest.report import IngestReport
from ingest.schedule import Schedule, Worker


def moments(expression: str, start: datetime, count: int, timezone: str = "UTC") -> list[datetime]:
    times = CronTimes(expression, timezone)
    found: list[datetime] = []
    for _ in range(count):
        following = times.after(found[-1] if found else start)
        assert following is not None
        found.append(following)
    return found


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type,misc]  # mypy cannot count the parts


@pytest.mark.parametrize("sunday", ["0", "7", "sun", "SUN"])
def test_sunday(sunday: str) -> None:
    """Weekdays count from Sunday, as in cron, and not from Monday, as in APScheduler."""
    assert moments(f"0 3 * * {sunday}", utc(2026, 11, 20), 2) == [utc(2026, 11, 22, 3), utc(2026, 11, 29, 3)]


@pytest.mark.parametrize(
    ("field", "days"),
    [
        ("1-5", [23, 24, 25, 26, 27, 30]),
        ("5-7", [21, 22, 27, 28, 29]),
        ("0-2", [22, 23, 24, 29, 30]),
        ("fri-mon", [21, 22, 23, 27, 28, 29, 30]),
        ("*/2", [21, 22, 24, 26, 28, 29]),
        ("1-5/2", [23, 25, 27, 30]),
        ("mon,6", [21, 23, 28, 30]),
    ],
)
def test_ranges_of_weekdays(field: str, days: list[int]) -> None:
    """Ranges, steps and lists of weekdays mean what they mean in cron, also across the end of a week."""
    found = moments(f"0 0 * * {field}", utc(2026, 11, 20, 12), 12)
    assert [one.day for one in found if one.month == 11] == days


def test_both_days() -> None:
    """Where the day of the month and the weekday are both restricted, either is enough."""
    found = moments("0 0 13 * 5", utc(2026, 11, 1), 5)
    assert [one.day for one in found] == [6, 13, 20, 27, 4]


def test_zone_of_the_job() -> None:
    """The hour is that of the job's own time zone, whatever the zone of the moment that is asked from."""
    assert moments("0 2 * * *", utc(2026, 11, 20), 1, "Asia/Shanghai") == [utc(2026, 11, 20, 18)]
    eastern = datetime(2026, 11, 19, 19, tzinfo=UTC).astimezone()
    assert moments("0 2 * * *", eastern, 1, "Asia/Shanghai") == [utc(2026, 11, 20, 18)]


def test_hour_that_is_skipped() -> None:
    """A nightly time that the clocks skip in spring still comes once that night."""
    found = moments("30 2 * * *", utc(2026, 3, 28, 12), 2, "Europe/Berlin")
    assert found == [utc(2026, 3, 29, 1, 30), utc(2026, 3, 30, 0, 30)]


def test_hour_that_is_repeated() -> None:
    """A nightly time that the clocks repeat in autumn comes once, an hourly one in both hours."""
    nightly = moments("30 2 * * *", utc(2026, 10, 24, 12), 3, "Europe/Berlin")
    assert nightly == [utc(2026, 10, 25, 0, 30), utc(2026, 10, 26, 1, 30), utc(2026, 10, 27, 1, 30)]
    hourly = moments("15 * * * *", utc(2026, 10, 24, 23), 4, "Europe/Berlin")
    assert hourly == [utc(2026, 10, 24, 23, 15) + timedelta(hours=hours) for hours in range(4)]


@pytest.mark.parametrize(
    "expression", ["", "* * * *", "0 0 * * 8", "0 0 * * frx", "61 * * * *", "a b c d e", "* * * * * *"]
)
def test_wrong_expressions(expression: str) -> None:
    """An expression that means nothing is a configuration error that quotes it."""
    with pytest.raises(ConfigurationError, match="cron"):
        CronTimes(expression)


@pytest.mark.parametrize("timezone", ["Mars/Olympus", "", "../etc/passwd"])
def test_wrong_zones(timezone: str) -> None:
    """A time zone that does not exist is a configuration error."""
    with pytest.raises(ConfigurationError, match="time zone"):
        CronTimes("0 0 * * *", timezone)


def test_a_date_that_never_comes() -> None:
    """An expression without any moment is never due."""
    assert CronTimes("0 0 30 2 *").after(utc(2026, 1, 1)) is None


def test_due() -> None:
    """A job is due once at its time, not before, and not again until its next time."""
    schedule = Schedule({"night": CronTimes("0 3 * * *")}, utc(2026, 11, 20, 12))
    assert schedule.next_run("night") == utc(2026, 11, 21, 3)
    assert schedule.due(utc(2026, 11, 21, 2, 59)) == []
    assert schedule.due(utc(2026, 11, 21, 3)) == ["night"]
    assert schedule.due(utc(2026, 11, 21, 3)) == []
    assert schedule.next_run("night") == utc(2026, 11, 22, 3)


def test_missed_times_are_one_run() -> None:
    """Times that passed unnoticed are one run, in order of time, and none where they are too long ago."""
    times = {"often": CronTimes("*/10 * * * *"), "daily": CronTimes("0 3 * * *")}
    schedule = Schedule(times, utc(2026, 11, 20, 1, 55), timedelta(hours=1))
    assert schedule.due(utc(2026, 11, 20, 3, 31)) == ["daily", "often"]
    assert schedule.due(utc(2026, 11, 21, 9, 5)) == ["often"]
    assert schedule.next_run("daily") == utc(2026, 11, 22, 3)


def test_waiting() -> None:
    """The worker waits until something is due, but looks at the clock every half minute."""
    schedule = Schedule({"hourly": CronTimes("0 * * * *")}, utc(2026, 11, 20, 1, 50))
    assert schedule.wait(utc(2026, 11, 20, 1, 50)) == 30.0
    assert schedule.wait(utc(2026, 11, 20, 1, 59, 55)) == 5.0
    assert schedule.wait(utc(2026, 11, 20, 2, 1)) == 0.0
    assert Schedule({}, utc(2026, 11, 20)).wait(utc(2026, 11, 20)) == 30.0


class EverySecond:
    """Is due at each tenth of a second, so that a test need not wait for a minute."""

    def after(self, moment: datetime) -> datetime:
        return moment + timedelta(seconds=0.1)


class Counting:
    """Stands in for a pipeline: runs what it is given for each ingest, and counts the ingests."""

    def __init__(self, action: Callable[[int], None] = lambda count: None) -> None:
        self.count = 0
        self._action = action

    def ingest(self, targets: object, **options: object) -> IngestReport:
        self.count += 1
        self._action(self.count)
        return IngestReport(1, 0, 0, 0, 0, (), 0, 0, 0, 0.0, {})


def run_until(worker: Worker, condition: Callable[[], bool]) -> None:
    stop = threading.Event()
    thread = threading.Thread(target=worker.run_forever, args=(stop,))
    thread.start()
    try:
        for _ in range(500):
            if condition():
                return
            threading.Event().wait(0.02)
        raise AssertionError("the worker did not get there within 10 s")
    finally:
        stop.set()
        thread.join(5)
        assert not thread.is_alive()


def runner_of(pipeline: Counting, folder: Path) -> JobRunner:
    job = JobDefinition("often", ("docs",), "* * * * *")
    return JobRunner([job], JobLedger(folder / "jobs.sqlite"), lambda kb: pipeline)


def test_worker_survives_failures(tmp_path: Path) -> None:
    """A run that fails unexpectedly is on record, and the worker goes on."""

    def action(count: int) -> None:
        if count == 1:
            raise ZeroDivisionError("a defect")

    pipeline = Counting(action)
    runner = runner_of(pipeline, tmp_path)
    run_until(Worker(runner, {"often": EverySecond()}), lambda: pipeline.count >= 3)
    first = runner.ledger.history("often")[-1]
    assert (first.status, first.error) == ("failed", "ZeroDivisionError: a defect")
    assert runner.ledger.history("often")[-2].status == "done"


def test_worker_and_pause(tmp_path: Path) -> None:
    """A paused job is not started, and is again once it is resumed, by a worker that was running all along."""
    pipeline = Counting()
    runner = runner_of(pipeline, tmp_path)
    runner.ledger.pause("often")
    worker = Worker(runner, {"often": EverySecond()})
    begun = datetime.now(UTC)

    def condition() -> bool:
        if datetime.now(UTC) - begun < timedelta(seconds=0.5):
            assert pipeline.count == 0
            return False
        runner.ledger.resume("often")
        return pipeline.count > 0

    run_until(worker, condition)
    assert len(runner.ledger.history("often", 1000)) == pipeline.count


def test_worker_does_not_pile_up(tmp_path: Path) -> None:
    """A job that is still running at its next time is not started beside itself."""
    at_once: list[int] = []
    running = threading.Semaphore(1)

    def action(count: int) -> None:
        at_once.append(int(running.acquire(blocking=False)))
        threading.Event().wait(0.35)
        running.release()

    pipeline = Counting(action)
    run_until(Worker(runner_of(pipeline, tmp_path), {"often": EverySecond()}), lambda: pipeline.count >= 3)
    assert all(at_once)
