"""The programs of docs/integrations.md run as they stand, and print what is written under them."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest

from kb.cli.main import main

pytest.importorskip("llama_index.core", reason="needs the llama-index extra")

DOCS = Path(__file__).resolve().parent.parent.parent / "docs"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_the_programs_of_the_page_run(kb_home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Settings are written, commands run and programs executed in order; every output that is shown is the real one."""
    shutil.copytree(DOCS / "samples", "samples")
    printed: str | None = None
    kinds = []
    for kind, body in BLOCK.findall((DOCS / "integrations.md").read_text(encoding="utf-8")):
        kinds.append(kind)
        if kind == "toml":
            Path("kb.toml").write_text(body, encoding="utf-8")
        elif kind == "sh":
            for line in body.splitlines():
                command, *arguments = shlex.split(line)
                assert command == "kb"
                assert main(arguments) == 0, capsys.readouterr().err
        elif kind == "python":
            capsys.readouterr()
            exec(compile(body, "docs/integrations.md", "exec"), {"__name__": "__main__"})
            printed = capsys.readouterr().out
        else:
            assert kind == "text"
            assert printed == body
            printed = None
    assert kinds.count("python") == kinds.count("text") == 5
