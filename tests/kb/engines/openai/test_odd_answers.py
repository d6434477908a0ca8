"""The openai engine against answers of odd forms and odd ends: none is lost, and no part passes for the whole."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest

from kb.engines.openai.sse import events, lines
from tests.kb.engines.openai.scripted_server import Connection, ScriptedServer, chunks_of, delta, replying
from tests.kb.engines.openai.test_engine import ask, engine_for

DONE = "data: [DONE]\n\n"
Serve = Callable[..., ScriptedServer]


@pytest.fixture
def serve() -> Iterator[Serve]:
    servers: list[ScriptedServer] = []

    def make(*scripts: Connection) -> ScriptedServer:
        servers.append(ScriptedServer(scripts))
        return servers[-1]

    yield make
    for server in servers:
        server.close()


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kb.engines.openai.engine._BACK_OFF_SECONDS", (0.02, 0.05))


def chunk(finish: object = None, **said: object) -> str:
    """One chunk in the form of OpenAI itself, which has a place for the reason of the end in each."""
    choice = {"index": 0, "delta": said, "finish_reason": finish}
    return "data: " + json.dumps({"choices": [choice]}) + "\n\n"


UNDERSTOOD = {
    "text as a list of parts": chunk(content=[{"type": "text", "text": "你"}, {"type": "text", "text": "好"}]) + DONE,
    "a second answer beside": 'data: {"choices": [{"index": 1, "delta": {"content": "坏"}}]}\n\n'
    + delta("你好")
    + DONE,
    "an empty reason": chunk("", content="你") + chunk("", content="好") + DONE,
    "the reason null, spelt": chunk("null", content="你") + chunk("null", content="好") + DONE,
    "a byte order mark": "\ufeff" + chunk(content="你好") + DONE,
    "named signs of life": "event: ping\ndata: 12:00\n\n"
    + chunk(content="你好")
    + "event: Heartbeat\ndata:\n\n"
    + DONE,
    "named chunks": "event: completion\n" + chunk(content="你好") + DONE,
    "null beside reasoning": chunk(content=None, reasoning="想") + chunk(content="你好", reasoning=None) + DONE,
    "an empty list of tools": chunk(content="你好", tool_calls=[]) + DONE,
}


@pytest.mark.parametrize("script", UNDERSTOOD.values(), ids=UNDERSTOOD.keys())
def test_odd_forms_are_understood(serve: Serve, script: str) -> None:
    """Each gives the same answer, however its bytes are cut."""
    server = serve(replying(*chunks_of(script.encode(), 7)))
    assert ask(engine_for(server)) == ("你好", None)
    assert len(server.asked) == 1


def test_names_of_events() -> None:
    """A name holds for its event alone, and a byte order mark is one at the very beginning alone."""
    text = "\ufeffevent: ping\ndata: 1\n\ndata: 2\n\nevent: error\ndata: \n\nevent: error\ndata: [1]\n\ndata: \ufeff3"
    told = list(events(lines(chunks_of(text.encode(), 5))))
    assert told == ["2", '{"error": "unknown"}', '{"error": [1]}', "\ufeff3"]
