"""/jobs: configured jobs, their runs, and starting one."""

from __future__ import annotations

import time
from pathlib import Path

from kb.api.dependencies import ServiceOptions
from kb.settings import load_settings
from kb.wiring import Application
from tests.kb.api.serving import RunningService, check_error


def test_a_job_is_started_and_its_run_is_shown(tmp_path: Path) -> None:
    """POST /jobs starts a job of the configuration; GET /jobs shows it with its last run."""
    folder = tmp_path / "documents"
    folder.mkdir()
    (folder / "a.txt").write_text("The mast is forty metres high. It was built in 1961.", encoding="utf-8")
    config = tmp_path / "kb.toml"
    config.write_text(
        f'[[sources]]\nname = "papers"\npaths = ["{folder}"]\n\n'
        '[[jobs]]\nname = "nightly"\nsources = ["papers"]\ncron = "0 2 * * *"\ntimezone = "Asia/Shanghai"\n',
        encoding="utf-8",
    )
    application = Application(load_settings(config, {}, {"KB_HOME": str(tmp_path / "home")}))
    running = RunningService(application, ServiceOptions())
    try:
        job = running.client.get("/jobs").json()["jobs"][0]
        assert (job["name"], job["cron"], job["timezone"], job["last_run"]) == (
            "nightly",
            "0 2 * * *",
            "Asia/Shanghai",
            None,
        )
        response = running.client.post("/jobs", json={"name": "nightly"})
        assert response.status_code == 202 and response.json() == {"job": "nightly", "kb": "default"}
        deadline = time.monotonic() + 30
        while (run := running.client.get("/jobs").json()["jobs"][0]["last_run"]) is None or run["status"] == "running":
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert run["status"] == "done" and run["report"]["added"] == 1
        assert "1961" in running.client.post("/ask", json={"question": "When was the mast built?"}).json()["answer"]
    finally:
        running.stop()
        application.close()


def test_unknown_jobs_are_404_and_bad_requests_422(served: RunningService) -> None:
    """A job that is not configured is 404; a body without a name 422."""
    check_error(served.client.post("/jobs", json={"name": "CANARY"}), 404, "not_found", "CANARY")
    check_error(served.client.post("/jobs", json={}), 422, "invalid_request")
    check_error(served.client.get("/jobs?limit=0"), 422, "invalid_request")
