"""Running `kb` in the test's own process, and a small knowledge base to run it on."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from kb.cli.main import main

LEAVE = "员工入职满一年后，每年享有带薪年休假十天。工龄满十年的，年休假为十五天。年休假应当提前两周申请。"
BACKUP = "Nightly copies of the database are kept for ninety days. Copies are encrypted before they leave the building."


@dataclass(frozen=True)
class Result:
    """How a command ended and what it wrote."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Run = Callable[..., Result]


@pytest.fixture
def run(kb_home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return a function that runs `kb` with these arguments, and `stdin` as its standard input."""

    def call(*arguments: str, stdin: bytes = b"") -> Result:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin), encoding="utf-8"))
        code = main(list(arguments))
        captured = capsys.readouterr()
        return Result(code, captured.out, captured.err)

    return call


@pytest.fixture
def documents(kb_home: Path) -> Path:
    """Return a folder with a Chinese and an English text."""
    folder = Path("docs").absolute()
    folder.mkdir()
    (folder / "员工手册.txt").write_text(LEAVE, encoding="utf-8")
    (folder / "backup.txt").write_text(BACKUP, encoding="utf-8")
    return folder


@pytest.fixture
def filled(run: Run, documents: Path) -> Path:
    """Return the folder of texts, after they went into the knowledge base `default`."""
    assert run("ingest", str(documents)).code == 0
    return documents
