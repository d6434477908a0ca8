"""The path that the product was asked for: bge, FAISS and a Qwen engine, from the command line and over HTTP."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.reciting_qwen import make_reciting_qwen
from tests.tiny_bge import make_tiny_bge

SAMPLES = Path(__file__).resolve().parent.parent.parent / "docs" / "samples"
DOCUMENT = SAMPLES / "机房巡检规程.txt"
QUESTION = "机房冷通道温度超过 30℃ 时值班员应当通知谁？"
# Asked for the stream, since an answer to the same question would be given again from memory.
OTHER_QUESTION = "机房冷通道温度超过 30℃ 时值班员应当启动什么？"
# What the model recites; it stands in DOCUMENT, which is the first hit.
SENTENCE = (
    "冷通道温度超过 30℃ 时，值班员应当立即通知暖通工程师，并启动备用空调；"
    "超过 35℃ 时，应当按照应急预案分批关闭非核心服务器。"
)
FALLBACK = "no CUDA device: running on the CPU"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([sys.executable, "-m", "kb", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done


def check_answer(body: dict[str, Any], document_id: str, text: str) -> None:
    """The model's sentence is answered with its mark, and the citation is that sentence where it stands."""
    assert (body["status"], body["engine"], body["kb"]) == ("answered", "qwen", "default")
    assert body["answer"] == SENTENCE + "[1]"
    (citation,) = body["citations"]
    start = text.index(SENTENCE)
    assert (citation["n"], citation["document_id"]) == (1, document_id)
    assert (citation["start"], citation["end"]) == (start, start + len(SENTENCE))
    assert citation["quote"] == SENTENCE
    assert citation["supported"] is True
    assert body["timings_ms"]["generate"] > 0
    assert body["usage"]["cached"] is False
    assert body["usage"]["prompt_tokens"] > 100


def post(url: str, body: dict[str, object]) -> str:
    request = urllib.request.Request(url, json.dumps(body).encode(), {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=200) as response:
        return str(response.read().decode())


def events(stream: str) -> list[tuple[str, dict[str, Any]]]:
    """Return names and data of server-sent events."""
    found = []
    for block in stream.strip().split("\n\n"):
        name, data = (line.partition(": ")[2] for line in block.split("\n"))
        found.append((name, json.loads(data)))
    return found


def wait_until_ready(url: str, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 120
    while True:
        assert server.poll() is None
        try:
            urllib.request.urlopen(f"{url}/readyz", timeout=5).close()
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.2)
        else:
            return


@pytest.mark.models
@pytest.mark.timeout(400)
def test_bge_and_qwen_from_ingest_to_http(kb_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`kb init --profile gpu`, ingest, ask and serve: with a card or, said once, without; citations to the letter."""
    import torch

    monkeypatch.setenv("KB_EMBEDDING__MODEL", str(make_tiny_bge(tmp_path / "bge-tiny-zh", length=512)))
    monkeypatch.setenv("KB_ENGINE__MODEL", str(make_reciting_qwen(tmp_path / "qwen-tiny", SENTENCE + "[1]")))
    # What the profile takes on a card; on the CPU alone it would rather export this model to onnxruntime.
    monkeypatch.setenv("KB_EMBEDDING__RUNTIME", "torch")
    stated = 0 if torch.cuda.is_available() else 1

    run("init", "--profile", "gpu")
    ingested = run("ingest", str(SAMPLES), "--json")
    assert ingested.stderr.count(FALLBACK) == stated
    assert "Loading weights" not in ingested.stderr
    report = json.loads(ingested.stdout)
    assert (report["added"], report["embedded"]) == (4, report["chunks"])
    assert json.loads(run("status", "--json").stdout)["embedding"]["name"] == "bge"
    listed = json.loads(run("docs", "list", "--json").stdout)["documents"]
    (document_id,) = (row["document_id"] for row in listed if row["title"] == DOCUMENT.stem)
    text = json.loads(run("docs", "show", document_id, "--json").stdout)["text"]

    asked = run("ask", QUESTION, "--json")
    assert asked.stderr.count(FALLBACK) == stated
    check_answer(json.loads(asked.stdout), document_id, text)

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = tmp_path / "log"
    with log.open("wb") as errors:
        server = subprocess.Popen([sys.executable, "-m", "kb", "serve", "--port", str(port)], stderr=errors)
    try:
        url = f"http://127.0.0.1:{port}"
        wait_until_ready(url, server)
        check_answer(json.loads(post(f"{url}/ask", {"question": QUESTION})), document_id, text)
        streamed = events(post(f"{url}/ask", {"question": OTHER_QUESTION, "stream": True}))
        names = [name for name, _ in streamed]
        assert (names[0], names[-1], set(names[1:-1])) == ("hits", "done", {"delta"})
        assert "".join(data["text"] for name, data in streamed if name == "delta") == SENTENCE + "[1]"
        check_answer(streamed[-1][1], document_id, text)
    finally:
        server.send_signal(signal.SIGTERM)
        assert server.wait(30) == 0
    assert log.read_text(encoding="utf-8").count(FALLBACK) == stated
