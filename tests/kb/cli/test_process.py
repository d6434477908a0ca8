"""The real process: start-up, pipes, signals."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.kb.cli.conftest import LEAVE, Run

KB = (sys.executable, "-m", "kb")
HEAVY = ("torch", "transformers", "sentence_transformers", "llama_index", "onnxruntime", "faiss", "numpy", "pydantic")


def kb(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **variables}
    return subprocess.run(
        [*KB, *arguments], capture_output=True, text=True, encoding="utf-8", env=environment, timeout=120, check=False
    )


def test_help_imports_nothing_heavy(kb_home: Path) -> None:
    """`kb --help` imports neither models nor indexes, and takes little processor time."""
    script = (
        "import sys; from kb.cli.main import main; code = main(['--help']);"
        f"print(code, [name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    )
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert result.stderr.strip() == "0 []"
    # The promise is 0.3 s; twice that keeps a busy machine from failing the test.
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 0.6


def test_ask_imports_no_model_library(run: Run, filled: Path) -> None:
    """With the embedded profile a question needs neither torch nor the parsers nor the HTTP service."""
    unwanted = (
        "torch",
        "transformers",
        "llama_index",
        "langchain_text_splitters",
        "trafilatura",
        "fastapi",
        "pypdfium2",
    )
    script = (
        "import sys; from kb.cli.main import main; code = main(['ask', '年休假几天？', '--json']);"
        f"print(code, [name for name in {unwanted!r} if name in sys.modules], file=sys.stderr)"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stderr.strip() == "0 []"


def test_output_is_utf8_in_any_locale(run: Run, filled: Path) -> None:
    """Chinese comes out as UTF-8 also where the locale is plain C, and Chinese arguments go in."""
    result = kb("ask", "工龄满十年的年休假是几天？", "--json", LC_ALL="C")
    assert result.returncode == 0, result.stderr
    assert "十五天" in json.loads(result.stdout)["answer"]


def test_a_reader_that_leaves_ends_the_command_quietly(run: Run, filled: Path) -> None:
    """`kb docs list | head -1` shows no error."""
    reading, writing = os.pipe()
    os.close(reading)
    try:
        result = subprocess.run([*KB, "docs", "list"], stdout=writing, stderr=subprocess.PIPE, text=True, check=False)
    finally:
        os.close(writing)
    assert (result.returncode, result.stderr) == (0, "")


def test_a_second_question_finds_the_answer_from_another_folder(run: Run, filled: Path, tmp_path: Path) -> None:
    """KB_HOME alone decides where the knowledge base is."""
    result = subprocess.run(
        [*KB, "search", "年休假", "--json"], capture_output=True, text=True, cwd=tmp_path, check=True
    )
    assert json.loads(result.stdout)["hits"][0]["text"] in LEAVE


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_an_ingest_that_is_told_to_stop_stops(run: Run, kb_home: Path, number: signal.Signals) -> None:
    """SIGINT and SIGTERM end an ingest long before its end with exit code 130; the knowledge base is sound."""
    folder = Path("many")
    folder.mkdir()
    for index in range(4000):
        (folder / f"{index}.txt").write_text(f"第{index}号。" + LEAVE * 10, encoding="utf-8")
    process = subprocess.Popen([*KB, "ingest", str(folder)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("Reading"):
            break
    time.sleep(0.3)
    process.send_signal(number)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    assert "stopping" in err
    assert run("verify").code == 0
    assert run("status", "--json").json["documents"] < 4000
