"""When jobs are due: a computation without a clock of its own, and the worker that follows it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Protocol

from ingest.jobs import JobRunner

_log = logging.getLogger(__name__)
# The worker looks at the clock at least this often (seconds), so that a clock set forward or a machine that slept
# is noticed.
_LONGEST_WAIT = 30.0


class Times(Protocol):
    """Moments at which something is due."""

    def after(self, moment: datetime) -> datetime | None:
        """Return the first moment strictly after `moment`, or None."""
        ...


class Schedule:
    """What is due when. All moments are aware; `now` is always given by the caller.

    Moments that passed unnoticed (the machine slept, the clock was set) are one run, and none if the last of them is
    longer ago than `grace`.
    """

    def __init__(self, times: Mapping[str, Times], now: datetime, grace: timedelta = timedelta(hours=1)) -> None:
        self._times = dict(times)
        self._grace = grace
        self._next = {name: one.after(now) for name, one in self._times.items()}

    def next_run(self, name: str) -> datetime | None:
        """Return when a job is due next, in UTC."""
        return self._next[name]

    def due(self, now: datetime) -> list[str]:
        """Return the jobs that are due, earliest first, and set each on to its first moment after `now`."""
        found: list[tuple[datetime, str]] = []
        for name, moment in self._next.items():
            if moment is None or moment > now:
                continue
            latest, following = moment, self._times[name].after(moment)
            while following is not None and following <= now:
                latest, following = following, self._times[name].after(following)
            self._next[name] = following
            if now - latest <= self._grace:
                found.append((latest, name))
            else:
                _log.warning("job %s missed its time %s; next at %s", name, latest.isoformat(), following)
        return [name for _, name in sorted(found)]

    def wait(self, now: datetime) -> float:
        """Return the seconds until something is due, at least 0 and at most half a minute."""
        moments = [moment for moment in self._next.values() if moment is not None]
        if not moments:
            return _LONGEST_WAIT
        return min(max((min(moments) - now).total_seconds(), 0.0), _LONGEST_WAIT)


class Worker:
    """Runs jobs at their times until it is told to stop.

    Jobs run beside each other, `parallel` at once; one that is still running when its next time comes is not started
    again. A run that fails is logged and kept in the ledger, and does not end the worker.
    """

    def __init__(
        self,
        runner: JobRunner,
        times: Mapping[str, Times],
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        grace: timedelta = timedelta(hours=1),
        parallel: int = 2,
    ) -> None:
        self._runner = runner
        self._now = now
        self._schedule = Schedule(times, now(), grace)
        self._parallel = parallel

    def next_run(self, name: str) -> datetime | None:
        """Return when a job is due next, in UTC."""
        return self._schedule.next_run(name)

    def run_forever(self, stop: threading.Event) -> None:
        """Run until `stop` is set; then running jobs are cancelled, what they have done is kept, and it returns."""
        running: dict[str, Future[None]] = {}
        with ThreadPoolExecutor(self._parallel, thread_name_prefix="job") as pool:
            while not stop.wait(self._schedule.wait(self._now())):
                for name in self._schedule.due(self._now()):
                    if name in running and not running[name].done():
                        _log.warning("job %s is still running; this time is left out", name)
                        continue
                    running[name] = pool.submit(self._run, name, stop)

    def _run(self, name: str, stop: threading.Event) -> None:
        if self._runner.ledger.is_paused(name):
            _log.info("job %s is paused", name)
            return
        try:
            run = self._runner.run(name, cancel=stop)
        except Exception:
            # The runner has recorded it; whatever one job meets, the others go on.
            _log.exception("job %s failed", name)
        else:
            _log.info("job %s: %s %s", name, run.status, run.error)
