"""The openai engine against servers that mean harm: what they send ends in a clear error, within bounds."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from indexes.errors import EngineUnavailableError
from kb.cli import probes
from kb.engines.openai.deadlines import Limits
from kb.engines.openai.endpoints import ServerAddress
from kb.engines.openai.engine import OpenAIEngine
from kb.engines.qwen.model_folder import read_json
from kb.engines.qwen.sizes import tensor_shapes
from tests.kb.engines.openai.scripted_server import Connection, ScriptedServer, failing, head, replying
from tests.kb.engines.openai.test_engine import GOOD, ask, engine_for

DEEP = "[" * 100_000
LONG = "知识库问答系统只依据资料回答问题。" * 120

Serve = Callable[..., "HostileServer"]


class HostileServer(ScriptedServer):
    """Answers GET by a script of its own where `looks` is set."""

    looks: Connection | None = None

    def _tell(self, connection: socket.socket, path: str) -> None:
        if self.looks is None:
            super()._tell(connection, path)
            return
        self.looked.append(path)
        self.looks(connection)

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])


@pytest.fixture
def serve() -> Iterator[Serve]:
    servers: list[HostileServer] = []

    def make(*scripts: Connection, looks: Connection | None = None) -> HostileServer:
        server = HostileServer(scripts)
        server.looks = looks
        servers.append(server)
        return server

    yield make
    for server in servers:
        server.close()


@pytest.fixture
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kb.engines.openai.engine._BACK_OFF_SECONDS", (0.02, 0.05))


@pytest.mark.parametrize(
    ("script", "said"),
    [
        (replying(f"data: {DEEP}\n\n"), "not JSON"),
        (replying(DEEP, first=head(kind="application/json")), "not JSON"),
        (replying(f"error: {DEEP[:50_000]}\n\n"), "the server reported"),
        (failing("500 Oh", DEEP[:60_000]), "answered 500"),
    ],
    ids=["event", "whole", "field", "status"],
)
def test_json_nested_deep(serve: Serve, script: Connection, said: str) -> None:
    """JSON nested deeper than it can be read is the server's failure, after which the next server is asked."""
    server, sound = serve(script), serve(GOOD)
    with pytest.raises(EngineUnavailableError, match=said):
        ask(engine_for(server))
    both = OpenAIEngine([ServerAddress(server.url, "m"), ServerAddress(sound.url, "m")], limits=Limits())
    assert ask(both)[0] == "答案"


def test_json_nested_deep_about_the_server(serve: Serve) -> None:
    """Such JSON in what a server tells of itself is nothing told: neither questions nor the doctor break on it."""
    server = serve(GOOD, looks=replying(DEEP, first=head(kind="application/json")))
    assert ask(engine_for(server, "vllm"), text=LONG)[0] == "答案"
    assert server.looked == ["/v1/models"]
    assert probes.find_servers({server.port: "vllm"}) == []


def test_model_folders_nested_deep(tmp_path: Path) -> None:
    """A model's directory with such JSON, or weights with such a header, cannot be used, and that is said."""
    (tmp_path / "config.json").write_text(DEEP, encoding="ascii")
    with pytest.raises(EngineUnavailableError, match=r"config\.json cannot be read"):
        read_json(tmp_path / "config.json")
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(len(DEEP).to_bytes(8, "little") + DEEP.encode())
    with pytest.raises(EngineUnavailableError, match="is no safetensors file"):
        tensor_shapes(weights)
