"""Fixtures that all tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def corpus() -> Path:
    """Return the folder of real documents beside the project, or skip."""
    folder = Path(os.environ.get("KB_TEST_CORPUS", ROOT.parent / "shared" / "corpus"))
    if not folder.is_dir():
        pytest.skip(f"the corpus of real documents is not at {folder} (set KB_TEST_CORPUS)")
    return folder


@pytest.fixture
def kb_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty KB_HOME, with the working directory beside it and no other KB_ variable set."""
    for key in list(os.environ):
        if key.startswith("KB_") and key != "KB_TEST_CORPUS":
            monkeypatch.delenv(key)
    home = tmp_path / "home"
    work = tmp_path / "work"
    home.mkdir()
    work.mkdir()
    monkeypatch.setenv("KB_HOME", str(home))
    monkeypatch.chdir(work)
    return home
