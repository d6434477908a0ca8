"""`kb worker`: runs the configured jobs at their times."""

from __future__ import annotations

import logging

from indexes.errors import ConfigurationError
from kb.cli import output, session, signals
from kb.cli.options import KB, Config


def worker(kb: KB = "", config: Config = None) -> None:
    """Run the configured jobs at their times.

    It runs until Ctrl-C or SIGTERM.
    """
    with session.application(config) as application:
        if not application.settings.jobs:
            raise ConfigurationError("there are no [[jobs]] in the configuration: nothing to do")
        # What the worker does is told by its log, which here is standard error.
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
        # FAISS tells which processor features it does not find, in words that read like failures.
        logging.getLogger("faiss").setLevel(logging.WARNING)
        running = application.worker()
        # A run that is stopped publishes what it has done; no patience is lost by waiting for that.
        with signals.stop_event("stopping; running jobs are cancelled and what they have done is kept", None) as stop:
            for job in application.settings.jobs:
                due = running.next_run(job.name)
                output.notice(f"job {job.name}: next at {due.isoformat(timespec='seconds') if due else 'no time'}")
            running.run_forever(stop)
    output.notice("worker stopped")
