"""`kb models check` and `kb doctor` show what a model of this process takes, and say where it does not fit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from kb.engines.qwen.options import RunOptions
from kb.making import make_generation_options, make_run_options
from kb.settings_models import EngineSettings
from tests.kb.cli.conftest import Run
from tests.tiny_qwen import make_tiny_qwen


def test_settings_reach_the_engine() -> None:
    """Each setting of a model in this process arrives under its own name and in its own unit."""
    settings = EngineSettings(
        device="cuda:1", dtype="float16", window=1024, slots=3, reserve_mb=2, waiting=7, adapter="/lora",
        batching="off", cache_dtype="fp8", attention="eager", yarn_factor=2.0, stop=["###"],
    )  # fmt: skip
    assert make_run_options(settings) == RunOptions(
        device="cuda:1", dtype="float16", window=1024, slots=3, reserve=2 << 20, waiting=7, adapter=Path("/lora"),
        batching="off", cache_dtype="fp8", attention="eager", yarn_factor=2.0,
    )  # fmt: skip
    assert make_run_options(EngineSettings()) == RunOptions()
    assert make_generation_options(settings).stop == ("###",)


@pytest.mark.models
def test_asking_shows_the_arithmetic_before_loading(tmp_path: Path, kb_home: Path) -> None:
    """The first question to a model of this process says on standard error what it takes, before its answer."""
    pytest.importorskip("torch")
    folder = make_tiny_qwen(tmp_path / "qwen-tiny")
    (tmp_path / "ship.txt").write_text("这艘船的排水量是四万吨。", encoding="utf-8")
    environment = {
        **os.environ, "KB_HOME": str(kb_home), "KB_ENGINE__NAME": "qwen", "KB_ENGINE__MODEL": str(folder),
        "KB_ENGINE__MAX_NEW_TOKENS": "4",
    }  # fmt: skip
    command = [sys.executable, "-m", "kb"]
    subprocess.run([*command, "ingest", str(tmp_path / "ship.txt")], env=environment, check=True, capture_output=True)
    asked = subprocess.run(
        [*command, "ask", "这艘船的排水量是多少？", "--json"],
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    assert json.loads(asked.stdout)["engine"] == "qwen"
    told = asked.stderr.splitlines()
    assert any("2 slots x 2048 tokens x 0.5 KiB" in line for line in told)
    assert told[-1].startswith("loaded qwen-tiny on cpu")


@pytest.mark.models
def test_the_arithmetic_is_shown(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sum stands on standard error when a model is checked, and in the engine's line of `kb doctor`."""
    pytest.importorskip("torch")
    folder = str(make_tiny_qwen(tmp_path / "qwen-tiny"))
    checked = run("models", "check", folder)
    assert checked.code == 0
    assert "2 slots x 2048 tokens x 0.5 KiB" in checked.err
    monkeypatch.setenv("KB_ENGINE__NAME", "qwen")
    monkeypatch.setenv("KB_ENGINE__MODEL", folder)
    findings = {finding["subject"]: finding for finding in run("doctor", "--json").json["findings"]}
    assert "2 slots x 2048 tokens" in findings["engine"]["detail"]
    monkeypatch.setenv("KB_ENGINE__RESERVE_MB", str(2**40))
    assert run("models", "check", folder).code == 6
    refused = run("doctor", "--json")
    assert refused.code == 6
    assert "does not fit" in next(f["detail"] for f in refused.json["findings"] if f["subject"] == "engine")
