"""`kb doctor` tells each recorded dialect apart, and what it says to write works."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from kb.cli import probes
from kb.engines.base import GenerationOptions
from kb.engines.openai.endpoints import ServerAddress
from kb.making import make_engine
from kb.records import Message, Prompt
from kb.settings import load_settings
from tests.kb.cli.conftest import Run
from tests.kb.engines.dialect_servers.catalogue import SERVERS
from tests.kb.engines.dialect_servers.llama_cpp import LlamaCppServer
from tests.kb.engines.dialect_servers.ollama import OllamaServer
from tests.kb.engines.dialect_servers.serving import ANSWER, DialectServer
from tests.kb.engines.dialect_servers.tgi_native import TgiNativeServer
from tests.kb.engines.dialect_servers.vllm import VllmServer

Start = Callable[..., DialectServer]


@pytest.fixture
def start() -> Iterator[Start]:
    servers: list[DialectServer] = []

    def make(kind: type[DialectServer], **behaviour: Any) -> DialectServer:
        servers.append(kind(**behaviour))
        return servers[-1]

    yield make
    for server in servers:
        server.close()


@pytest.mark.parametrize("kind", SERVERS, ids=lambda kind: kind.__name__)
def test_what_the_doctor_says_works(start: Start, kind: type[DialectServer], kb_home: Path) -> None:
    """The dialect is told by what the server says, not by its port, and the lines for kb.toml give answers."""
    server = start(kind, context=8192)
    (found,) = probes.find_servers({server.port: "klingon"})
    # TGI's two routes are one server; its OpenAI route is the one to use.
    assert found.dialect == kind.dialect.removesuffix("-native")
    assert found.context == (8192 if kind.tells_context else None)
    assert "by its port" not in found.advice
    file = Path("kb.toml")
    file.write_text(found.configuration, encoding="utf-8")
    settings = load_settings(file, {}, {})
    assert settings.engine.window == found.context
    if kind.dialect == "tgi-native":
        return
    engine = make_engine("openai", settings.engine, settings.models)
    prompt = Prompt((Message("user", "年休假有几天？"),), (), "年休假有几天？", "zh", "test")
    items = engine.stream(prompt, GenerationOptions(), threading.Event())
    assert "".join(item for item in items if isinstance(item, str)) == "".join(ANSWER)


def test_looking_asks_no_question(start: Start) -> None:
    """Nothing is generated, loaded or changed by looking: all is GET, but for Ollama's description of a model."""
    for kind in SERVERS:
        server = start(kind)
        probes.find_servers({server.port: "vllm"})
        assert {request.path for request in server.asked if request.method != "GET"} <= {"/api/show"}


def test_a_server_with_a_key(start: Start, kb_home: Path) -> None:
    """A server that lets nobody look is found by its refusal, and the key's variable stands in the lines."""
    server = start(LlamaCppServer, key="sk-1")
    (found,) = probes.find_servers({server.port: "llama.cpp"})
    assert "wants a key" in found.advice
    assert 'api_key_env = "KB_ENGINE_KEY"' in found.configuration


def test_a_dialect_that_does_not_suit_is_said(start: Start) -> None:
    """Of a configured server the doctor says where dialect or model are not its own; for what suits it says nothing."""
    server = start(OllamaServer)
    suiting = probes.about(ServerAddress(server.url, server.model, "ollama"))
    assert suiting == f"{server.url}, which serves {server.model}"
    # Through the OpenAI route Ollama would cut long prompts.
    wrong = probes.about(ServerAddress(server.url + "/v1", "qwen", "vllm"))
    assert "it is ollama: set dialect = \"ollama\" instead of 'vllm'" in wrong
    assert "it does not list the model 'qwen'" in wrong
    native = start(TgiNativeServer)
    assert "it is" not in probes.about(ServerAddress(native.url, "", "tgi-native"))


def test_the_doctor_prints_the_lines(run: Run, start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """The report holds the lines of every server, ready to copy, and as JSON too."""
    first, second = start(VllmServer), start(OllamaServer)
    monkeypatch.setattr(probes, "PORTS", {first.port: "sglang", second.port: "vllm"})
    report = run("doctor")
    assert report.code == 0
    assert f'    dialect = "vllm"\n    base_url = "http://127.0.0.1:{first.port}/v1"' in report.out
    assert f'    dialect = "ollama"\n    base_url = "http://127.0.0.1:{second.port}"' in report.out
    told = run("doctor", "--json").json["servers"]
    assert [(one["dialect"], one["context"]) for one in told] == [("vllm", 4096), ("ollama", 4096)]
