"""The openai engine against answers of odd forms and odd ends: none is lost, and no part passes for the whole."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from indexes.errors import EngineUnavailableError
from kb.engines.base import Cut
from kb.engines.openai.deadlines import Limits
from kb.engines.openai.endpoints import ServerAddress
from kb.engines.openai.engine import OpenAIEngine
from kb.engines.openai.sse import events, lines
from kb.records import Message, Prompt, Usage
from tests.kb.engines.openai.scripted_server import (
    Connection,
    ScriptedServer,
    chunks_of,
    delta,
    failing,
    head,
    replying,
)
from tests.kb.engines.openai.test_engine import GOOD, OPTIONS, ask, engine_for

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


def whole(**message: object) -> str:
    return json.dumps({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}, ensure_ascii=False)


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
    "torn after the reason": chunk(content="你好") + chunk("stop") + 'data: {"choices": [], "usa',
    "whole without a type": whole(role="assistant", content="你好"),
    "whole, over several lines": json.dumps(json.loads(whole(content="你好")), indent=2),
    "whole, with a byte order mark": "\ufeff" + whole(content="你好"),
    "whole, as a list of parts": whole(content=[{"type": "text", "text": "你好"}, {"type": "image_url"}]),
}


@pytest.mark.parametrize("kind", ["text/event-stream", "application/json", "text/plain; charset=utf-8"])
@pytest.mark.parametrize("script", UNDERSTOOD.values(), ids=UNDERSTOOD.keys())
def test_odd_forms_are_understood(serve: Serve, script: str, kind: str) -> None:
    """The form of an answer is told by itself, whatever type its header states, and however its bytes are cut."""
    server = serve(replying(*chunks_of(script.encode(), 7), first=head(kind=kind)))
    assert ask(engine_for(server)) == ("你好", None)
    assert len(server.asked) == 1


NOT_WHOLE = {
    "filter": (chunk(content="年假") + chunk("content_filter") + DONE, "content filter"),
    "filter at once": (chunk("content_filter") + DONE, "content filter"),
    "error as a reason": (chunk(content="年假") + chunk("error") + DONE, "broke the answer off"),
    "aborted": (chunk(content="年假") + chunk("abort") + DONE, "broke the answer off"),
    "no reason came": (chunk(content="年假"), "broke off"),
    "an event named error": (
        chunk(content="年假") + 'event: error\ndata: {"message": "out of memory"}\n\n',
        "of memory",
    ),
    "an error in words": (chunk(content="年假") + "event: error\ndata: no more memory\n\n", "no more memory"),
    "an error code": ('data: {"text": "**NETWORK ERROR**", "error_code": 50002}\n\n' + DONE, "NETWORK ERROR"),
    "a tool call": (chunk(tool_calls=[{"index": 0}]) + chunk("tool_calls") + DONE, "called a tool"),
    "a tool call, whole": (whole(content=None, tool_calls=[{}]).replace('"stop"', '"tool_calls"'), "called a tool"),
    "nothing but thinking": (chunk(reasoning_content="想") + chunk("length") + DONE, "engine.max_new_tokens"),
    "thinking between tags": (chunk(content="<think>想") + chunk("length") + DONE, "engine.max_new_tokens"),
    "nothing": (chunk(content="") + chunk("stop") + DONE, "empty answer"),
    "blanks": (chunk(content=" \n") + chunk("stop") + DONE, "empty answer"),
    "null, whole": (whole(content=None), "empty answer"),
    "JSON of another kind": ('{"code": 40001, "msg": "模型正在加载"}', "模型正在加载"),
    "an empty object": ("{}", "no answer but"),
    "a web page": ("<!DOCTYPE html>\n<title>data: x</title>", "web page"),
    "words": ("Service is starting\n\n", "Service is starting"),
}


@pytest.mark.parametrize(("script", "said"), NOT_WHOLE.values(), ids=NOT_WHOLE.keys())
def test_what_is_no_whole_answer_is_an_error(serve: Serve, script: str, said: str) -> None:
    """What is cut off or empty is told as what it is, once: shown, it would pass for an answer or for a refusal."""
    server = serve(replying(script))
    with pytest.raises(EngineUnavailableError, match=said) as raised:
        ask(engine_for(server, api_key="sk-secret"))
    assert len(server.asked) == 1
    assert server.url in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "script",
    [
        failing("500 Oh", json.dumps({"error": {"message": "kaput\x1b[2J\n\u202e\ud83d\x07!"}})),
        replying("data: " + json.dumps({"error": "kaput\x1b[2J\n\u202e\ud83d\x07!"}) + "\n\n"),
        replying("kaput\x1b[2J \u202e\x07!\n"),
        replying('{"msg": "kaput\x7f\u202e"}'),
    ],
)
def test_what_a_server_said_is_quoted_in_print(serve: Serve, script: Connection) -> None:
    """Its words stand in the error without control sequences, marks of direction or half characters."""
    with pytest.raises(EngineUnavailableError, match="kaput") as raised:
        ask(engine_for(serve(script)))
    assert str(raised.value).isprintable()


@pytest.mark.parametrize("before", [0, 280, 290, 295])
@pytest.mark.parametrize("form", ["body", "event", "strange", "words", "status", "plain status"])
def test_no_part_of_the_key_is_quoted(serve: Serve, form: str, before: int) -> None:
    """A key that a server repeats is masked before its words are cut to length, however it escaped it."""
    key = "sk-secret/0123+456789=="
    words = "x" * before + "xxx " + key
    told = json.dumps({"error": words}).replace("/", "\\/").replace("+", "\\u002B")
    script = {
        "body": replying(told),
        "event": replying(f"data: {told}\n\n"),
        "strange": replying(told.replace("error", "msg")),
        "words": replying(words + "\n"),
        "status": failing("500 Oh", told),
        "plain status": failing("500 Oh", words, kind="text/plain"),
    }[form]
    with pytest.raises(EngineUnavailableError, match="xxx") as raised:
        ask(engine_for(serve(script), api_key=key))
    assert "sk-" not in str(raised.value)


def test_another_server_is_asked_where_nothing_was_shown(serve: Serve) -> None:
    """As long as no text has come the next server may answer."""
    filtered, thinking = (serve(replying(NOT_WHOLE[name][0])) for name in ("filter at once", "nothing but thinking"))
    addresses = [ServerAddress(server.url, "m") for server in (filtered, thinking, serve(GOOD))]
    assert ask(OpenAIEngine(addresses, limits=Limits(idle=60)))[0] == "答案"
    assert [len(server.asked) for server in (filtered, thinking)] == [1, 1]


def test_an_answer_at_its_bound_stands(serve: Serve) -> None:
    """An answer that its bound cut is an answer; an empty one before a stop string too."""
    assert ask(engine_for(serve(replying(chunk(content="年假") + chunk("length") + DONE))))[0] == "年假"


@pytest.mark.parametrize(("finish", "cut"), [("length", True), ("stop", False), ("eos", False)])
def test_an_answer_that_the_server_cut_off_says_so(serve: Serve, finish: str, cut: bool) -> None:
    """Where a server ends an answer at its bound of tokens a `Cut` comes behind the text, and nowhere else."""
    engine = engine_for(serve(replying(chunk(content="年假") + chunk(finish) + DONE)))
    prompt = Prompt((Message("user", "年假？"),), (), "年假？", "zh", "1")
    assert list(engine.stream(prompt, OPTIONS, threading.Event())) == (["年假", Cut()] if cut else ["年假"])
    stopped = OPTIONS.__class__(stop=("完",))
    assert ask(engine_for(serve(replying(chunk(content="完") + chunk("stop") + DONE))), stopped)[0] == ""


@pytest.mark.parametrize(("finish", "made", "cut"), [(None, 8, True), (None, 7, False), ("stop", 8, False)])
def test_without_a_reason_the_count_tells(serve: Serve, finish: str | None, made: int, cut: bool) -> None:
    """A server that gives no reason for the end and made all the tokens it may has cut the answer off; "stop" holds."""
    usage = {"choices": [], "usage": {"prompt_tokens": 30, "completion_tokens": made}}
    said = chunk(finish, content="年假") + f"data: {json.dumps(usage)}\n\n" + DONE
    prompt = Prompt((Message("user", "年假？"),), (), "年假？", "zh", "1")
    pieces = list(
        engine_for(serve(replying(said))).stream(prompt, replace(OPTIONS, max_new_tokens=8), threading.Event())
    )
    assert pieces == ["年假", *([Cut()] if cut else []), Usage(30, made)]


@pytest.mark.parametrize("dialect", ["vllm", "ollama", "tgi-native"])
def test_a_server_that_stays_after_its_end(serve: Serve, dialect: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the answer is complete the connection need not end: what comes within a moment counts, then it is left."""
    monkeypatch.setattr("kb.engines.openai.deadlines._AFTER_THE_END", 1.0)
    usage = {"choices": [], "usage": {"prompt_tokens": 30, "completion_tokens": 2}}
    said = {
        "vllm": chunk(content="你好") + chunk("stop") + f"data: {json.dumps(usage)}\n\n",
        "ollama": '{"message": {"content": "你好"}, "done": true, "prompt_eval_count": 30, "eval_count": 2}\n',
        "tgi-native": 'data:{"token": {"text": "你好"}, "details": {"input_length": 30, "generated_tokens": 2}}\n\n',
    }
    over = threading.Event()

    def staying(connection: socket.socket) -> None:
        connection.sendall(head() + said[dialect].encode())
        over.wait(60)

    begin = time.monotonic()
    assert ask(engine_for(serve(staying), dialect, idle=60)) == ("你好", Usage(30, 2))
    assert time.monotonic() - begin < 30
    over.set()


def test_names_of_events() -> None:
    """A name holds for its event alone, and a byte order mark is one at the very beginning alone."""
    text = "\ufeffevent: ping\ndata: 1\n\ndata: 2\n\nevent: error\ndata: \n\nevent: error\ndata: [1]\n\ndata: \ufeff3"
    told = list(events(lines(chunks_of(text.encode(), 5))))
    assert told == ["2", '{"error": "unknown"}', '{"error": [1]}', "\ufeff3"]
