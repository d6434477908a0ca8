"""Ctrl-C and SIGTERM: one line, exit code 130, and nothing of our code on the screen."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.kb.cli.conftest import Run
from tests.kb.engines.openai.scripted_server import ScriptedServer

# The process interrupts itself when a certain module is about to be imported, which makes the moment exact.
SCRIPT = """
import os, signal, sys

class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            sys.meta_path.remove(self)
            os.kill(os.getpid(), signal.{number})

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
        [sys.executable, "-c", SCRIPT.format(module=module, number="SIGINT")],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 130, done.stderr
    assert "Traceback" not in done.stderr and "went on" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith("kb: ")


def test_an_ignored_interrupt_stays_ignored(kb_home: Path) -> None:
    """A command in the background of a script, where the shell ignores Ctrl-C, is not ended by it."""
    script = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\n" + SCRIPT.format(
        module="typer", number="SIGINT"
    )
    script = script.replace('"ingest", "docs", "--quiet"', '"--version"')
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("kb ")


def test_sigterm_while_the_command_starts(kb_home: Path) -> None:
    """A service manager that ends the process early gets the same answer as Ctrl-C."""
    script = SCRIPT.format(module="typer", number="SIGTERM")
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (130, "kb: interrupted\n")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_question_is_interrupted(run: Run, documents: Path, number: signal.Signals) -> None:
    """While a model server takes its time over an answer, either signal ends the command with one line."""
    assert run("ingest", str(documents)).code == 0
    over = threading.Event()

    def silent(connection: socket.socket) -> None:
        over.wait(120)

    server = ScriptedServer([silent])
    flags = {"KB_ENGINE__NAME": "openai", "KB_ENGINE__BASE_URL": server.url, "KB_ENGINE__MODEL": "m"}
    command = [sys.executable, "-m", "kb", "ask", "员工每年有几天带薪年休假？"]
    process = subprocess.Popen(
        command, env=os.environ | flags, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        ends = time.monotonic() + 100
        while not server.asked and process.poll() is None and time.monotonic() < ends:
            time.sleep(0.05)
        process.send_signal(number)
        out, err = process.communicate(timeout=100)
        assert (process.returncode, out) == (130, "")
        assert err.splitlines()[-1] == "kb: interrupted"
        assert "Traceback" not in err
    finally:
        process.kill()
        over.set()
        server.close()
