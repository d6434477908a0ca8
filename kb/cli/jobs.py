"""`kb jobs`: the scheduled jobs, their runs, and running one now."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from kb.cli import output, progress, session, signals
from kb.cli.options import KB, Config, Json, Quiet

if TYPE_CHECKING:
    from ingest.jobs import JobRun

app = typer.Typer(help="Scheduled jobs: sources that are read again at their times.", no_args_is_help=True)

_PATIENCE = 1.8
_EXIT_CODES = {"done": 0, "partial": 3, "failed": 1, "stopped": 1, "skipped": 5, "interrupted": 130}
JobName = Annotated[str, typer.Argument(metavar="NAME", help="The job's name in [[jobs]].")]


@app.command("list")
def list_jobs(kb: KB = "", config: Config = None, as_json: Json = False) -> None:
    """List the configured jobs, when due and how last ended."""
    from ingest.cron import CronTimes
    from kb.payloads import job_payload

    now = datetime.now(UTC)
    with session.application(config) as application:
        runner = application.job_runner()
        entries = [
            (
                job,
                runner.ledger.is_paused(job.name),
                CronTimes(job.cron, job.timezone).after(now),
                next(iter(runner.ledger.history(job.name, 1)), None),
            )
            for job in runner.jobs
        ]
    if as_json:
        output.emit_json({"jobs": [job_payload(*entry) for entry in entries]})
        return
    rows = [
        (
            job.name,
            job.kb,
            f"{job.cron} {job.timezone}",
            "paused" if paused or due is None else due.isoformat(timespec="minutes"),
            f"{last.status} {last.started_at}" if last else "never ran",
        )
        for job, paused, due, last in entries
    ]
    output.table(("job", "kb", "schedule", "next", "last"), rows)


@app.command("run")
def run(name: JobName, kb: KB = "", config: Config = None, as_json: Json = False, quiet: Quiet = False) -> None:
    """Run one job now, also where it is paused.

    Exit codes: 0 done, 3 some documents could not be read, 5 another run of it is going on, 1 it failed or stopped
    because it would have removed too much.
    """
    with (
        session.application(config) as application,
        signals.stop_event("stopping; what is done is kept", _PATIENCE) as stop,
        progress.shown(quiet) as listener,
    ):
        ended = application.job_runner().run(name, on_progress=listener, cancel=stop)
    if as_json:
        from kb.payloads import job_run_payload

        output.emit_json(job_run_payload(ended))
    else:
        output.line(_summary(ended))
    raise typer.Exit(_EXIT_CODES[ended.status])


@app.command("history")
def history(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="One job; all where left out.")] = None,
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=1, max=1000, help="Runs to show.")] = 20,
    kb: KB = "",
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Show the last runs, newest first."""
    with session.application(config) as application:
        runner = application.job_runner()
        if name is not None:
            runner.job(name)
        runs = runner.ledger.history(name, limit)
    if as_json:
        from kb.payloads import job_run_payload

        output.emit_json({"runs": [job_run_payload(one) for one in runs]})
        return
    rows = [(one.id, one.job, one.started_at, one.finished_at or "", one.status, one.error) for one in runs]
    output.table(("run", "job", "started", "finished", "status", "error"), rows)


@app.command("pause")
def pause(name: JobName, kb: KB = "", config: Config = None) -> None:
    """Keep the worker from starting a job until it is resumed."""
    with session.application(config) as application:
        runner = application.job_runner()
        runner.ledger.pause(runner.job(name).name)
    output.line(f"{name} is paused.")


@app.command("resume")
def resume(name: JobName, kb: KB = "", config: Config = None) -> None:
    """Let the worker start a paused job again."""
    with session.application(config) as application:
        runner = application.job_runner()
        runner.ledger.resume(runner.job(name).name)
    output.line(f"{name} is resumed.")


def _summary(run: JobRun) -> str:
    """Return one line about how a run ended."""
    if run.report is None:
        return f"{run.job}: {run.status}: {run.error.removeprefix(f'{run.status}: ')}"
    counts = ", ".join(f"{run.report[name]} {name}" for name in ("added", "changed", "unchanged", "removed"))
    failed = run.report["failed"]
    number = len(failed) if isinstance(failed, (list, tuple)) else failed
    return f"{run.job}: {run.status}, version {run.report['version']}: {counts}, {number} failed."
