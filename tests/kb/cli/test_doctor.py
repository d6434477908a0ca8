"""`kb doctor` says whether the configured profile can work, and finds model servers on this machine."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from indexes.errors import EngineUnavailableError
from kb.cli import probes
from kb.engines.openai.recognise import Recognised
from tests.kb.cli.conftest import Run


class ModelList(BaseHTTPRequestHandler):
    """Answers GET /v1/models as OpenAI's interface does, to callers with the right key where one is set."""

    key = ""

    def do_GET(self) -> None:
        if self.key and self.headers.get("Authorization") != f"Bearer {self.key}":
            self.send_error(401)
            return
        if self.path != "/v1/models":
            self.send_error(404)
            return
        body = json.dumps({"object": "list", "data": [{"id": "Qwen2.5-7B-Instruct", "object": "model"}]}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        """Keep the test's output quiet."""


@pytest.fixture
def server() -> Iterator[int]:
    """Yield the port of a real server on loopback."""
    listening = ThreadingHTTPServer(("127.0.0.1", 0), ModelList)
    thread = threading.Thread(target=listening.serve_forever, args=(0.02,))
    thread.start()
    yield listening.server_port
    listening.shutdown()
    thread.join()
    listening.server_close()


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def test_servers_are_found_with_what_to_set(server: int) -> None:
    """A server that only lists models is taken for the usual one of its port, which is said; closed ports are none."""
    (found,) = probes.find_servers({server: "vllm", free_port(): "ollama"})
    assert (found.port, found.dialect, found.models) == (server, "vllm", ("Qwen2.5-7B-Instruct",))
    assert "by its port" in found.advice
    assert f'base_url = "http://127.0.0.1:{server}/v1"\nmodel = "Qwen2.5-7B-Instruct"' in found.configuration


def test_something_else_on_the_port_is_no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """A port that accepts and then says nothing is passed over within the time limit."""
    monkeypatch.setattr(probes, "_READ_SECONDS", 0.2)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        assert probes.find_servers({listener.getsockname()[1]: "vllm"}) == []


def test_a_configured_server_is_reached(server: int) -> None:
    """The models of the configured server are listed, also with a slash at the end of its address."""
    assert probes.reach(f"http://127.0.0.1:{server}/v1/").models == ("Qwen2.5-7B-Instruct",)


def test_a_server_without_a_model_list_is_there(server: int) -> None:
    """Some servers list no models: that is not taken for a missing server."""
    assert probes.reach(f"http://127.0.0.1:{server}/other") == Recognised(None, ())


def test_a_wrong_key_is_said(server: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that refuses the key is unavailable, and the key is sent where it is right."""
    monkeypatch.setattr(ModelList, "key", "right")
    with pytest.raises(EngineUnavailableError, match="refuses the key"):
        probes.reach(f"http://127.0.0.1:{server}/v1", "wrong")
    assert probes.reach(f"http://127.0.0.1:{server}/v1", "right").models == ("Qwen2.5-7B-Instruct",)


@pytest.fixture
def no_probes(monkeypatch: pytest.MonkeyPatch) -> None:
    """What happens to listen on this machine is not part of the test."""
    monkeypatch.setattr(probes, "PORTS", {})


@pytest.mark.usefixtures("no_probes")
def test_the_embedded_profile_is_ready(run: Run) -> None:
    """Without any configuration everything that is needed is there."""
    result = run("doctor", "--json")
    assert result.code == 0, result.out
    found = {finding["subject"]: finding for finding in result.json["findings"]}
    assert result.json["ok"] is True
    for subject in ("python", "packages", "KB_HOME", "embedder", "engine"):
        assert found[subject]["level"] == "ok"


@pytest.mark.usefixtures("no_probes")
def test_a_server_that_is_away_is_exit_code_6(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The configured engine is really asked for."""
    monkeypatch.setenv("KB_ENGINE__NAME", "openai")
    monkeypatch.setenv("KB_ENGINE__BASE_URL", f"http://127.0.0.1:{free_port()}/v1")
    result = run("doctor")
    assert result.code == 6
    assert "cannot be reached" in result.out


@pytest.mark.usefixtures("no_probes")
def test_a_wrong_configuration_is_a_finding(run: Run) -> None:
    """The doctor works where the configuration does not, and says what is wrong with it."""
    Path("kb.toml").write_text("[engin]\n", encoding="utf-8")
    result = run("doctor")
    assert result.code == 2
    assert "Did you mean 'engine'?" in result.out


@pytest.mark.usefixtures("no_probes")
def test_a_home_that_cannot_be_written_is_a_problem(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A home under something that is no folder is found out before any ingest."""
    (tmp_path / "file").write_text("x")
    monkeypatch.setenv("KB_HOME", str(tmp_path / "file" / "home"))
    result = run("doctor")
    assert result.code == 2
    assert "cannot be written" in result.out


@pytest.mark.models
@pytest.mark.usefixtures("no_probes")
def test_a_device_that_is_not_here_is_a_problem(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`cuda` without a card is told for embedder, reranker and engine, with what to set; `auto` is in order."""
    import torch

    from tests.tiny_bge import make_tiny_bge
    from tests.tiny_qwen import make_tiny_qwen
    from tests.tiny_reranker import make_tiny_reranker

    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setenv("KB_EMBEDDING__NAME", "bge")
    monkeypatch.setenv("KB_EMBEDDING__MODEL", str(make_tiny_bge(tmp_path / "bge-tiny-zh")))
    monkeypatch.setenv("KB_RETRIEVAL__RERANKER", str(make_tiny_reranker(tmp_path / "reranker", steps=0)))
    monkeypatch.setenv("KB_ENGINE__NAME", "qwen")
    monkeypatch.setenv("KB_ENGINE__MODEL", str(make_tiny_qwen(tmp_path / "qwen-tiny")))
    for section in ("EMBEDDING", "ENGINE"):
        monkeypatch.setenv(f"KB_{section}__DEVICE", "cuda")
    result = run("doctor", "--json")
    assert result.code == 6
    for subject, setting in (("embedder", "embedding"), ("reranker", "embedding"), ("engine", "engine")):
        finding = next(entry for entry in result.json["findings"] if entry["subject"] == subject)
        assert finding["level"] == "problem"
        assert f"{setting}.device is 'cuda'" in finding["detail"]
        assert '"auto" or "cpu"' in finding["detail"]
    for section in ("EMBEDDING", "ENGINE"):
        monkeypatch.setenv(f"KB_{section}__DEVICE", "auto")
    assert run("doctor").code == 0
