"""Clients that go away stop their work, failures in the middle are told, and nothing is left running."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from indexes.errors import EngineUnavailableError
from kb.api import connection, server
from kb.api.dependencies import ServiceOptions
from tests.fakes.slow_engine import SlowEngine
from tests.kb.api.serving import CHINESE, ENGLISH, RunningService, check_error, sse

Serve = Callable[..., RunningService]


@pytest.mark.parametrize("path", ["/ask", "/v1/chat/completions"])
@pytest.mark.parametrize("stream", [True, False])
def test_a_client_that_goes_away_stops_its_work(serve_home: Serve, filled_home: Path, path: str, stream: bool) -> None:
    """Closing the connection stops the engine, long before its end, and frees the place, streaming or not."""
    engine = SlowEngine()
    running = serve_home(filled_home, ServiceOptions(running=1, waiting=0), engine)
    body = {"question": ENGLISH, "stream": stream}
    if path != "/ask":
        body = {"model": "default", "messages": [{"role": "user", "content": ENGLISH}], "stream": stream}
    data = json.dumps(body).encode()
    kind = "Content-Type: application/json"
    request = f"POST {path} HTTP/1.1\r\nHost: localhost\r\n{kind}\r\nContent-Length: {len(data)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", running.port), timeout=60) as sock:
        sock.sendall(request.encode() + data)
        assert engine.started.wait(60)
        if stream:
            assert b" 200 " in sock.recv(65536)
    assert engine.stopped.wait(60)
    deadline = time.monotonic() + 60
    while running.client.post("/search", json={"query": ENGLISH}).status_code == 503:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert 'kb_questions_total{outcome="stopped"} 1.0' in running.client.get("/metrics").text


def test_a_client_that_does_not_read_is_cut_off(
    serve_home: Serve, filled_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that asks for a stream and never reads it is closed, and its work ends."""
    monkeypatch.setattr(connection, "READ_SECONDS", 0.5)
    engine = SlowEngine(seconds=0.0005, text="x" * 50_000)
    running = serve_home(filled_home, engine=engine)
    data = json.dumps({"question": ENGLISH, "stream": True}).encode()
    head = f"POST /ask HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(data)}\r\n"
    with socket.create_connection(("127.0.0.1", running.port), timeout=10) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.sendall(head.encode() + b"Content-Type: application/json\r\n\r\n" + data)
        assert engine.started.wait(60)
        assert engine.stopped.wait(60)


def test_a_client_that_leaves_the_queue_is_forgotten(serve_home: Serve, filled_home: Path) -> None:
    """A client that goes away while it waits for its turn never reaches the engine."""
    engine = SlowEngine()
    running = serve_home(filled_home, ServiceOptions(running=1, waiting=1), engine)
    data = json.dumps({"question": CHINESE}).encode()
    head = f"POST /ask HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(data)}\r\n"
    with httpx.stream("POST", f"{running.url}/ask", json={"question": ENGLISH, "stream": True}, timeout=60) as first:
        assert engine.started.wait(60)
        with socket.create_connection(("127.0.0.1", running.port), timeout=60) as sock:
            sock.sendall(head.encode() + b"Content-Type: application/json\r\n\r\n" + data)
            running.wait_for_queue(1)
        running.wait_for_queue(0)
        engine.pieces = 3
        assert [name for name, _ in sse(first)][-1] == "done"
    # Who asks now is the second to reach the engine.
    assert running.client.post("/ask", json={"question": "On which floor is the archive room?"}).status_code == 200
    assert engine.asked == 2


def test_deltas_arrive_as_they_are_written(serve_home: Serve, filled_home: Path) -> None:
    """The first pieces come while the last are far from written: nothing gathers them on the way."""
    engine = SlowEngine(seconds=0.04)
    running = serve_home(filled_home, engine=engine)
    names: list[str] = []
    with running.client.stream("POST", "/ask", json={"question": ENGLISH, "stream": True}) as response:
        for name, _ in sse(response):
            names.append(name)
            if names.count("delta") == 10:
                engine.pieces = 12
    assert (names[0], names[-1]) == ("hits", "done")


def test_failure_in_the_middle_is_the_last_event(serve_home: Serve, filled_home: Path) -> None:
    """An engine that fails after the first pieces ends the stream with one `error`; nothing of the cause is shown."""
    for failure, code in (
        (EngineUnavailableError("CANARY"), "engine_unavailable"),
        (RuntimeError("CANARY"), "internal"),
    ):
        running = serve_home(filled_home, engine=SlowEngine(seconds=0.01, failure=failure))
        with running.client.stream("POST", "/ask", json={"question": ENGLISH, "stream": True}) as response:
            assert response.status_code == 200
            events = [(name, json.loads(data)) for name, data in sse(response)]
        assert events[0][0] == "hits" and events[-1][0] == "error"
        error = events[-1][1]["error"]
        assert error["code"] == code and error["request_id"] == response.headers["x-request-id"]
        assert "CANARY" not in json.dumps(events[-1])
        plain = running.client.post("/ask", json={"question": ENGLISH})
        check_error(plain, 503 if code == "engine_unavailable" else 500, code, "CANARY")
        body = {"model": "default", "messages": [{"role": "user", "content": ENGLISH}], "stream": True}
        text = running.client.post("/v1/chat/completions", json=body).text
        assert f'"{code}"' in text and text.endswith("data: [DONE]\n\n") and "CANARY" not in text


def test_unexpected_failures_are_logged_and_hidden(
    serve_home: Serve, filled_home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A failure nobody foresaw is 500 `internal`; the traceback is in the log under the request's identity."""
    running = serve_home(filled_home, engine=SlowEngine(seconds=0.01, failure=ZeroDivisionError("CANARY")))
    response = running.client.post("/ask", json={"question": ENGLISH})
    check_error(response, 500, "internal", "CANARY")
    records = [record for record in caplog.records if response.headers["x-request-id"] in record.getMessage()]
    assert records and records[0].exc_info is not None and records[0].exc_info[0] is ZeroDivisionError


def test_stopping_ends_open_streams_in_time(
    serve_home: Serve, filled_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A service told to stop gives streams its seconds of grace, ends them with `error`, and is gone soon after."""
    monkeypatch.setattr(server, "_GRACE_SECONDS", 2)
    engine = SlowEngine()
    running = serve_home(filled_home, engine=engine)
    with httpx.stream("POST", f"{running.url}/ask", json={"question": ENGLISH, "stream": True}, timeout=30) as response:
        events = sse(response)
        next(events)
        assert engine.started.wait(60)
        # By itself the engine would write for minutes.
        running.stop()
        assert engine.stopped.is_set()
        name, data = list(events)[-1]
    assert name == "error" and json.loads(data)["error"]["code"] == "shutting_down"
