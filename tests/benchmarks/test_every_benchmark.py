"""Every benchmark says what it does, and runs on a small scale without the question sets."""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.__main__ import BENCHMARKS, ROOT

pytest.importorskip("llama_index.core", reason="the splitting benchmark compares with LlamaIndex")


@pytest.mark.parametrize("name", [*BENCHMARKS, "fit_extractive", "__main__"])
def test_help_is_given(name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """`--help` ends well and names the command, for those that `make bench` runs and those that fit."""
    monkeypatch.delitem(sys.modules, f"benchmarks.{name}", raising=False)
    monkeypatch.setattr(sys, "argv", [f"{name}.py", "--help"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_module(f"benchmarks.{name}", run_name="__main__", alter_sys=True)
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith("usage: ")


def _run(*arguments: str, corpus: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "KB_TEST_CORPUS": str(corpus)}
    command = [sys.executable, "-m", "benchmarks", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def test_without_question_sets_a_line_says_so(tmp_path: Path) -> None:
    """What needs them is left out, which is no failure; a name that is none is wrong usage."""
    done = _run("--small", "answers", "fit_confidence", corpus=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("left out: ") == 2
    assert _run("nothing", corpus=tmp_path).returncode == 2


@pytest.mark.long
@pytest.mark.models
@pytest.mark.timeout(1200)
def test_all_run_small_and_write_nothing(tmp_path: Path) -> None:
    """`make bench BENCH=--small` ends well on any machine and leaves the committed results alone."""
    results = {file: file.read_bytes() for file in (ROOT / "benchmarks" / "results").iterdir()}
    done = _run("--small", corpus=tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    assert [line[3:] for line in done.stdout.splitlines() if line.startswith("== ")] == list(BENCHMARKS)
    assert {file: file.read_bytes() for file in (ROOT / "benchmarks" / "results").iterdir()} == results
