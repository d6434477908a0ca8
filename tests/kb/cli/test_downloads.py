"""No download is silent: what comes, from where and to where is said first, and a person sees a bar."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.indexes.models.loopback_hub import NAME, LoopbackHub
from tests.indexes.models.test_files import caches, hub  # noqa: F401 - fixtures
from tests.kb.cli.conftest import Run

pytestmark = pytest.mark.usefixtures("caches")


@pytest.fixture
def allowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Allow downloads, and return the folder that they go to."""
    monkeypatch.setenv("KB_MODELS__OFFLINE", "false")
    monkeypatch.setenv("KB_MODELS__FOLDER", str(tmp_path / "models"))
    return tmp_path / "models"


@pytest.mark.parametrize(
    ("settings", "command"),
    [
        ({"KB_EMBEDDING__NAME": "bge", "KB_EMBEDDING__MODEL": NAME}, ("ingest", "docs")),
        ({"KB_RETRIEVAL__RERANKER": NAME}, ("search", "年休假有几天？")),
        ({"KB_ENGINE__NAME": "qwen", "KB_ENGINE__MODEL": NAME}, ("ask", "年休假有几天？")),
    ],
)
def test_a_download_on_the_way_is_said(
    run: Run,
    documents: Path,
    hub: LoopbackHub,  # noqa: F811 - the fixture
    allowed: Path,
    monkeypatch: pytest.MonkeyPatch,
    settings: dict[str, str],
    command: tuple[str, ...],
) -> None:
    """Embedder, reranker and engine name model, size, hub and folder; these files are no model, which is said then."""
    assert run("ingest", str(documents)).code == 0
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    result = run(*command)
    assert f"downloading {NAME} (7.0 kB) from ModelScope ({hub.address}) to {allowed / NAME}" in result.err
    assert "model.safetensors (7.0 kB)" in result.err
    assert (allowed / NAME / "model.safetensors").is_file()
    assert result.code == 6


def test_the_doctor_downloads_nothing(
    run: Run,
    hub: LoopbackHub,  # noqa: F811 - the fixture
    allowed: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also where downloads are allowed it only says that the models are not here."""
    for name, value in (("EMBEDDING__NAME", "bge"), ("EMBEDDING__MODEL", NAME), ("RETRIEVAL__RERANKER", NAME)):
        monkeypatch.setenv(f"KB_{name}", value)
    monkeypatch.setenv("KB_ENGINE__NAME", "qwen")
    monkeypatch.setenv("KB_ENGINE__MODEL", NAME)
    result = run("doctor", "--json")
    said = {finding["subject"]: finding["detail"] for finding in result.json["findings"]}
    assert all(f"kb models pull {NAME}" in said[subject] for subject in ("embedder", "reranker", "engine"))
    assert (result.code, hub.asked) == (6, [])


@pytest.mark.skipif(sys.platform == "win32", reason="needs a terminal that a program can make")
def test_a_person_sees_a_bar(
    hub: LoopbackHub,  # noqa: F811 - the fixture
    allowed: Path,
    kb_home: Path,
) -> None:
    """On a terminal each file has a bar with what has come of it; without one there are only lines."""
    import pty

    ours, theirs = pty.openpty()
    seen: list[bytes] = []

    def read() -> None:
        # A terminal whose other side is closed raises instead of ending.
        try:
            while block := os.read(ours, 4096):
                seen.append(block)
        except OSError:
            return

    reader = threading.Thread(target=read)
    reader.start()
    pull = [sys.executable, "-m", "kb", "models", "pull", NAME]
    environment = dict(os.environ) | {"TERM": "xterm-256color", "COLUMNS": "120"}
    done = subprocess.run(pull, env=environment, stdout=subprocess.PIPE, stderr=theirs, timeout=120, check=False)
    os.close(theirs)
    reader.join(30)
    os.close(ours)
    text = b"".join(seen).decode()
    assert done.returncode == 0, text
    assert f"downloading {NAME}" in text
    assert "━" in text
    assert "7.0/7.0 kB" in text
