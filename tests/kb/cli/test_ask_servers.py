"""`kb ask` over model servers: an answer with citations, from whichever server is sound."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kb.cli.conftest import Run
from tests.kb.engines.dialect_servers.ollama import OllamaServer
from tests.kb.engines.dialect_servers.vllm import VllmServer

QUESTION = "员工每年有几天带薪年休假？"


@pytest.fixture
def ollama() -> Iterator[OllamaServer]:
    server = OllamaServer(context=32768, answer=("员工入职满一年后，", "每年享有带薪年休假十天。", "[1]"))
    yield server
    server.close()


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@pytest.fixture
def configured(documents: Path, run: Run, ollama: OllamaServer) -> OllamaServer:
    Path("kb.toml").write_text(
        f"""
        [engine]
        name = "openai"
        endpoints = [
            {{base_url = "http://127.0.0.1:{closed_port()}/v1", dialect = "vllm", model = "m"}},
            {{base_url = "{ollama.url}", dialect = "ollama", model = "{ollama.model}"}},
        ]
        """,
        encoding="utf-8",
    )
    assert run("ingest", str(documents)).code == 0
    return ollama


def test_an_answer_from_the_sound_server(run: Run, configured: OllamaServer) -> None:
    """With one server down the other answers; citations and usage are there, the key fields are Ollama's."""
    answer = run("ask", QUESTION, "--json").json
    assert answer["engine"] == "openai"
    assert answer["status"] == "answered"
    assert answer["answer"].startswith("员工入职满一年后，每年享有带薪年休假十天。")
    assert answer["citations"][0]["quote"]
    assert answer["usage"]["prompt_tokens"] > 0
    assert configured.questions[0].body["options"]["num_ctx"] == 8192


def test_no_sound_server_is_exit_code_6(run: Run, configured: OllamaServer) -> None:
    """Where no server answers, the line on standard error says what each one said."""
    configured.fault = "failing"
    result = run("ask", QUESTION)
    assert result.code == 6
    assert "none of 2 servers answered" in result.err
    assert "is the server running" in result.err
    assert "the server has trouble" in result.err


def test_the_doctor_checks_every_endpoint(run: Run, configured: OllamaServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each server of the list is told of; one that does not answer is no failure while another does."""
    monkeypatch.setattr("kb.cli.probes.PORTS", {})
    result = run("doctor")
    assert result.code == 0
    assert "DOES NOT ANSWER" in result.out and "cannot be reached" in result.out
    assert "which serves" in result.out


def test_a_server_for_one_question(run: Run, documents: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`--engine openai` with the address in a variable is enough."""
    server = VllmServer(context=32768)
    try:
        monkeypatch.setenv("KB_ENGINE__BASE_URL", server.url + "/v1")
        monkeypatch.setenv("KB_ENGINE__MODEL", server.model)
        assert run("ingest", str(documents)).code == 0
        assert run("ask", QUESTION, "--engine", "openai", "--json").json["engine"] == "openai"
        assert "num_ctx" not in str(server.questions[0].body)
    finally:
        server.close()
