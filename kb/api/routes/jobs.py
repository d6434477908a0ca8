"""`/jobs`: the jobs of the configuration with their last runs, the runs of late, and starting one."""

from __future__ import annotations

import logging
import threading
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse

from ingest.jobs import JobDefinition, JobRunner
from ingest.stopping import IngestInterrupted
from kb.api.dependencies import Service, ServiceDependency
from kb.api.schemas import JobRequest, JobStarted
from kb.api.strict_json import StrictJsonRoute
from kb.payloads import job_payload, job_run_payload

router = APIRouter(route_class=StrictJsonRoute, tags=["jobs"])
logger = logging.getLogger("kb.api.jobs")


@router.get("/jobs")
def list_jobs(service: ServiceDependency, limit: Annotated[int, Query(ge=1, le=1000)] = 50) -> JSONResponse:
    """List the configured jobs, and the last `limit` runs, newest first; uploads are among the runs."""
    runner = service.application.job_runner()
    runs = [job_run_payload(run) for run in runner.ledger.history(limit=limit)]
    return JSONResponse({"jobs": [_job(runner, job) for job in runner.jobs], "runs": runs})


@router.post("/jobs", status_code=202, responses={202: {"model": JobStarted}})
async def start_job(body: JobRequest, service: ServiceDependency) -> JSONResponse:
    """Start a job of the configuration now; its run appears in `GET /jobs`."""
    service.check_writable()
    runner = service.application.job_runner()
    job = await run_in_threadpool(runner.job, body.name)
    threading.Thread(target=_run, args=(service, runner, job.name), name=f"kb-job-{job.name}", daemon=True).start()
    return JSONResponse({"job": job.name, "kb": job.kb}, 202)


def _job(runner: JobRunner, job: JobDefinition) -> dict[str, object]:
    # APScheduler is needed for this alone; a service that nobody asks for its jobs does without.
    from ingest.cron import CronTimes

    last = runner.ledger.history(job.name, 1)
    following = CronTimes(job.cron, job.timezone).after(datetime.now(UTC))
    return job_payload(job, runner.ledger.is_paused(job.name), following, last[0] if last else None)


def _run(service: Service, runner: JobRunner, name: str) -> None:
    try:
        runner.run(name, cancel=service.jobs_cancel)
    except IngestInterrupted:
        logger.info("job %s was stopped with the service", name)
    except Exception:
        # The runner has recorded that it failed; there is no request any more that could be told.
        logger.exception("job %s failed", name)
