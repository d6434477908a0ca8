"""The wheel works on its own: built, installed into an empty environment, run from another folder."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def run(*command: str | Path, cwd: Path, home: Path | None = None) -> str:
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("KB_", "PYTHON"))}
    if home is not None:
        environment["KB_HOME"] = str(home)
    result = subprocess.run(
        [str(part) for part in command], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.mark.timeout(600)
def test_the_wheel_runs_from_an_empty_environment(tmp_path: Path) -> None:
    """The built wheel, alone in a fresh environment, ingests, answers with a citation and refuses."""
    dist = tmp_path / "dist"
    run(sys.executable, "-m", "build", "--wheel", "--outdir", dist, ROOT, cwd=tmp_path)
    (wheel,) = dist.glob("qwen_kb-*.whl")
    names = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert {name for name in names if not name.endswith(".dist-info")} == {"kb", "ingest", "indexes"}

    run(sys.executable, "-m", "venv", tmp_path / "venv", cwd=tmp_path)
    python = tmp_path / "venv" / "bin" / "python"
    run(python, "-m", "pip", "install", "-q", "-c", ROOT / "constraints.txt", wheel, cwd=tmp_path)
    installed = run(python, "-m", "pip", "list", cwd=tmp_path).lower()
    assert "torch" not in installed
    assert "llama" not in installed

    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    kb = tmp_path / "venv" / "bin" / "kb"
    home = tmp_path / "home"
    (elsewhere / "note.txt").write_text("仓库的钥匙由李明保管。备用钥匙放在前台。", encoding="utf-8")
    run(kb, "init", "--profile", "embedded", cwd=elsewhere, home=home)
    run(kb, "ingest", "note.txt", cwd=elsewhere, home=home)
    assert "李明" in run(kb, "ask", "仓库的钥匙由谁保管？", cwd=elsewhere, home=home)
    assert "根据已有资料无法回答该问题。" in run(kb, "ask", "食堂几点开门？", cwd=elsewhere, home=home)
