"""`kb jobs` and `kb worker`: configured jobs, run by hand and on schedule."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.kb.cli.conftest import Run

CONFIGURATION = """
[[sources]]
name = "handbook"
paths = ["docs"]
[[jobs]]
name = "nightly"
sources = ["handbook"]
cron = "0 3 * * *"
timezone = "Asia/Shanghai"
prune = true
"""


@pytest.fixture(autouse=True)
def _configured(documents: Path) -> None:
    Path("kb.toml").write_text(CONFIGURATION, encoding="utf-8")


def test_a_job_runs_and_is_on_record(run: Run) -> None:
    """A run by hand brings the documents in; the list and the history show it."""
    listed = run("jobs", "list", "--json").json["jobs"]
    assert [(job["name"], job["last_run"], job["paused"]) for job in listed] == [("nightly", None, False)]
    assert listed[0]["next_run"].endswith("19:00:00+00:00")
    result = run("jobs", "run", "nightly", "--json")
    assert (result.code, result.json["status"], result.json["report"]["added"]) == (0, "done", 2), result.err
    assert run("jobs", "run", "nightly").out.startswith("nightly: done, version 1: 0 added")
    history = run("jobs", "history", "nightly", "--json").json["runs"]
    assert [one["status"] for one in history] == ["done", "done"]
    assert "done" in run("jobs", "list").out
    assert run("search", "年休假").code == 0


def test_a_run_that_would_empty_the_knowledge_base_stops(run: Run, documents: Path) -> None:
    """An emptied folder stops the run, says so and leaves every document in: exit code 1."""
    assert run("jobs", "run", "nightly").code == 0
    for path in documents.iterdir():
        path.unlink()
    result = run("jobs", "run", "nightly")
    assert result.code == 1
    assert result.out.startswith("nightly: stopped: 2 of 2 documents are gone")
    assert run("status", "--json").json["documents"] == 2


def test_a_broken_document_makes_a_run_partial(run: Run, documents: Path) -> None:
    """Some documents could not be read: exit code 3, as for `kb ingest`."""
    (documents / "broken.pdf").write_bytes(b"%PDF-1.7\nrubbish")
    result = run("jobs", "run", "nightly", "--json")
    assert (result.code, result.json["status"]) == (3, "partial")


def test_jobs_are_paused_and_resumed(run: Run) -> None:
    """A pause is shown and lasts until it is lifted; an unknown job is exit code 4."""
    assert run("jobs", "pause", "nightly").code == 0
    assert run("jobs", "list", "--json").json["jobs"][0]["paused"] is True
    assert "paused" in run("jobs", "list").out
    assert run("jobs", "resume", "nightly").code == 0
    assert run("jobs", "list", "--json").json["jobs"][0]["paused"] is False
    unknown = run("jobs", "run", "nightli")
    assert unknown.code == 4
    assert "nightly" in unknown.err
    assert run("jobs", "history", "nightli").code == 4


def test_the_worker_ends_on_sigterm(kb_home: Path) -> None:
    """`kb worker` says what is due when, and ends in order when it is told to."""
    process = subprocess.Popen([sys.executable, "-m", "kb", "worker"], stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    line = process.stderr.readline()
    assert "nightly" in line
    os.kill(process.pid, signal.SIGTERM)
    rest = process.communicate(timeout=60)[1]
    assert process.returncode == 0
    assert "worker stopped" in rest
