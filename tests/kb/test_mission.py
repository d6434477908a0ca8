"""The path that the product was asked for: bge, FAISS and a Qwen engine, from the command line and over HTTP."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from tests.tiny_bge import make_tiny_bge
from tests.tiny_qwen import make_tiny_qwen

SAMPLES = Path(__file__).resolve().parent.parent.parent / "docs" / "samples"
QUESTION = "机房冷通道温度超过 30℃ 时值班员应当通知谁？"


def run(*arguments: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "kb", *arguments], env=environment, capture_output=True, text=True, check=False
    )


def check_response(body: dict[str, object], document_texts: dict[str, str]) -> None:
    """A model with random weights says nothing that is borne out: the engine ran, and no false citation came out."""
    assert body["kb"] == "default"
    assert body["hits"], body
    assert body["status"] in ("answered", "refused")
    if body["status"] == "answered":
        assert body["engine"] == "qwen"
        assert body["citations"]
    for citation in body["citations"]:  # type: ignore[attr-defined]
        text = document_texts[citation["document_id"]]
        assert text[citation["start"] : citation["end"]] == citation["quote"]
    assert all(int(n) <= len(body["citations"]) for n in re.findall(r"\[(\d+)\]", str(body["answer"])))  # type: ignore[arg-type]


@pytest.mark.models
@pytest.mark.timeout(400)
def test_bge_and_qwen_from_ingest_to_http(kb_home: Path, tmp_path: Path) -> None:
    """`kb init --profile gpu`, then ingest, ask and serve with a tiny bge and a tiny Qwen of the true architectures."""
    bge, qwen = make_tiny_bge(tmp_path / "bge-tiny-zh"), make_tiny_qwen(tmp_path / "qwen-tiny")
    # What the profile asks of a card is taken back here: there may be none.
    environment = dict(os.environ) | {
        "KB_EMBEDDING__MODEL": str(bge),
        "KB_EMBEDDING__DEVICE": "cpu",
        "KB_EMBEDDING__RUNTIME": "torch",
        "KB_ENGINE__MODEL": str(qwen),
        "KB_ENGINE__DEVICE": "cpu",
        "KB_ENGINE__DTYPE": "float32",
        "KB_ENGINE__WINDOW": "2048",
        "KB_ENGINE__MAX_NEW_TOKENS": "24",
        "KB_ENGINE__TEMPERATURE": "0",
        "KB_INGEST__CHUNK_TOKENS": "56",
        "KB_RETRIEVAL__CONFIDENCE_THRESHOLD": "0",
    }
    started = run("init", "--profile", "gpu", environment=environment)
    assert started.returncode == 0, started.stderr
    ingested = run("ingest", str(SAMPLES), "--json", environment=environment)
    assert ingested.returncode == 0, ingested.stderr
    report = json.loads(ingested.stdout)
    assert (report["added"], report["embedded"]) == (4, report["chunks"])
    status = json.loads(run("status", "--json", environment=environment).stdout)
    assert "bge" in json.dumps(status)

    listed = json.loads(run("docs", "list", "--json", environment=environment).stdout)["documents"]
    texts = {
        row["document_id"]: json.loads(
            run("docs", "show", row["document_id"], "--json", environment=environment).stdout
        )["text"]
        for row in listed
    }
    asked = run("ask", QUESTION, "--json", environment=environment)
    assert asked.returncode == 0, asked.stderr
    check_response(json.loads(asked.stdout), texts)

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen([sys.executable, "-m", "kb", "serve", "--port", str(port)], env=environment)
    try:
        base = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + 120
        while True:
            try:
                urllib.request.urlopen(f"{base}/readyz", timeout=5).close()
                break
            except OSError:
                assert time.monotonic() < deadline
                time.sleep(0.2)
        request = urllib.request.Request(
            f"{base}/ask", json.dumps({"question": QUESTION}).encode(), {"content-type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=200) as response:
            body = json.load(response)
        check_response(body, texts)
        assert body["timings_ms"]["generate"] > 0
    finally:
        server.send_signal(signal.SIGTERM)
        assert server.wait(30) == 0
