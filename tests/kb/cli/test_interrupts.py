"""Ctrl-C while the command starts: one line, exit code 130, and nothing of our code on the screen."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

# The process interrupts itself when a certain module is about to be imported, which makes the moment exact.
SCRIPT = """
import os, signal, sys

class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            sys.meta_path.remove(self)
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupting())
sys.argv = ["kb", "ingest", "docs", "--quiet"]
from kb.__main__ import run
run()
print("went on", file=sys.stderr)
"""


@pytest.mark.parametrize(
    "module",
    ["kb.cli", "typer", "kb.cli.ingest", "ingest.stopping", "kb.settings", "kb.wiring", "ingest.pipeline"],
)
def test_an_interrupt_while_modules_are_imported(kb_home: Path, module: str) -> None:
    """Whichever module is being imported, the process ends with 130 and says no more than that."""
    Path("docs").mkdir()
    Path("docs/a.txt").write_text("年休假为十天。", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(module=module)], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 130, done.stderr
    assert "Traceback" not in done.stderr and "went on" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith("kb: ")


def test_an_ignored_interrupt_stays_ignored(kb_home: Path) -> None:
    """A command in the background of a script, where the shell ignores Ctrl-C, is not ended by it."""
    script = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\n" + SCRIPT.format(module="typer")
    script = script.replace('"ingest", "docs", "--quiet"', '"--version"')
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("kb ")
