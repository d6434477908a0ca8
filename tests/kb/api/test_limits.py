"""Bodies that are too large or too slow, heads that never end, and more questions than the service takes on."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from kb.api import connection, limits
from kb.api.dependencies import ServiceOptions
from kb.api.errors import ServiceError
from kb.api.limits import Gate
from tests.fakes.slow_engine import SlowEngine
from tests.kb.api.serving import CHINESE, ENGLISH, RunningService, check_error

Serve = Callable[..., RunningService]


def read_all(sock: socket.socket) -> bytes:
    data = b""
    while piece := sock.recv(65536):
        data += piece
    return data


def drip_until_closed(sock: socket.socket, piece: bytes) -> None:
    """Send `piece` again and again until the other side has closed the connection."""
    deadline = time.monotonic() + 30
    with pytest.raises(ConnectionError):
        while time.monotonic() < deadline:
            sock.sendall(piece)
            time.sleep(0.05)


def head(length: str = "") -> bytes:
    framing = f"Content-Length: {length}" if length else "Transfer-Encoding: chunked"
    return f"POST /ask HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n{framing}\r\n\r\n".encode()


@pytest.mark.parametrize("size", [65_537, 100_000, 5_000_000])
def test_json_body_over_64_kib_is_413(served: RunningService, size: int) -> None:
    """A body with a known length over 64 KiB is refused, and ordinary clients get to read the answer."""
    body = b'{"question": "' + b"x" * (size - 16) + b'"}'
    response = served.client.post("/ask", content=body, headers={"Content-Type": "application/json"})
    check_error(response, 413, "too_large", "xxx")


def test_body_of_exactly_64_kib_is_read(served: RunningService) -> None:
    """64 KiB is allowed: what is wrong with this body is the length of its question."""
    body = b'{"question": "' + b"x" * (65_536 - 16) + b'"}'
    response = served.client.post("/ask", content=body, headers={"Content-Type": "application/json"})
    check_error(response, 422, "invalid_request", "xxx")


def test_announced_body_is_refused_before_it_is_sent(served: RunningService) -> None:
    """A length over the limit is answered at once; the client need not send a byte of it."""
    with socket.create_connection(("127.0.0.1", served.port), timeout=60) as sock:
        sock.sendall(head("10000000000"))
        assert b" 413 " in sock.recv(65536)


def test_endless_chunks_are_cut_off(served: RunningService, monkeypatch: pytest.MonkeyPatch) -> None:
    """A chunked body of no known length is answered 413 when it passes 64 KiB, and the connection ends."""
    monkeypatch.setattr(limits, "_DISCARD_SECONDS", 1.0)
    with socket.create_connection(("127.0.0.1", served.port), timeout=20) as sock:
        sock.sendall(head())
        chunk = b"8000\r\n" + b"x" * 0x8000 + b"\r\n"
        for _ in range(3):
            sock.sendall(chunk)
        answer = b""
        while not answer.endswith(b"}}"):
            answer += sock.recv(65536)
        assert b" 413 " in answer and b'"too_large"' in answer and b"xxx" not in answer
        drip_until_closed(sock, chunk)


@pytest.mark.parametrize("length", ["-1", "abc", "1e3", "9" * 30, "5\r\nContent-Length: 6"])
def test_odd_lengths_are_refused(served: RunningService, length: str) -> None:
    """A Content-Length that is none is answered 400 or 413 in the one form, and the service goes on."""
    with socket.create_connection(("127.0.0.1", served.port), timeout=10) as sock:
        sock.sendall(head(length) + b"xxxxxx")
        sock.shutdown(socket.SHUT_WR)
        answer = read_all(sock)
    assert answer.split()[1] in (b"400", b"413")
    body = json.loads(answer.split(b"\r\n\r\n", 1)[1])
    assert sorted(body["error"]) == ["code", "message", "request_id"]
    assert served.client.get("/healthz").status_code == 200


@pytest.mark.parametrize(
    "data",
    [b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 70_000],
)
def test_what_is_not_http_gets_400(served: RunningService, data: bytes) -> None:
    """TLS, rubbish and endless heads are answered 400 in the one form."""
    with socket.create_connection(("127.0.0.1", served.port), timeout=10) as sock:
        sock.sendall(data)
        assert b'"bad_request"' in read_all(sock)


@pytest.fixture
def short_deadlines(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(connection, "HEAD_SECONDS", 1.5)
    yield


@pytest.mark.usefixtures("short_deadlines")
def test_half_sent_heads_are_closed(serve_home: Serve) -> None:
    """Connections that never finish a request's head are closed, dripping or not, new or kept alive."""
    running = serve_home()
    kept = socket.create_connection(("127.0.0.1", running.port), timeout=60)
    kept.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
    answer = b""
    while not answer.endswith(b"}"):
        piece = kept.recv(65536)
        assert piece
        answer += piece
    kept.sendall(b"GET /heal")
    dripping, *others = [socket.create_connection(("127.0.0.1", running.port), timeout=60) for _ in range(19)]
    for sock in (dripping, *others[:9]):
        sock.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
    drip_until_closed(dripping, b"x")
    dripping.close()
    for sock in (kept, *others):
        try:
            assert sock.recv(10) == b""
        except ConnectionResetError:
            continue
        finally:
            sock.close()
    assert running.client.get("/healthz").status_code == 200


def test_too_many_idle_connections_do_not_shut_others_out(serve_home: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over the bound of open connections the one that idled longest is closed, and requests are still served."""
    monkeypatch.setattr(connection, "CONNECTIONS", 20)
    running = serve_home()
    idle = [socket.create_connection(("127.0.0.1", running.port), timeout=5) for _ in range(40)]
    assert running.client.get("/healthz").status_code == 200
    idle[0].settimeout(60)
    with contextlib.suppress(ConnectionResetError):
        assert idle[0].recv(10) == b""
    for sock in idle:
        sock.close()


def test_idle_kept_connections_make_room_too(serve_home: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """Connections kept alive after a request count as idle: they, not the newcomer, are closed over the bound."""
    monkeypatch.setattr(connection, "CONNECTIONS", 5)
    running = serve_home()
    kept = [httpx.Client(base_url=running.url, trust_env=False) for _ in range(8)]
    for client in kept:
        assert client.get("/healthz").status_code == 200
        client.get("/healthz")
    for client in kept:
        client.close()


def test_bodies_that_nobody_awaits_are_cut_off(serve_home: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """A request that is answered before its body is there may not go on sending it for ever."""
    monkeypatch.setattr(connection, "REST_SECONDS", 0.5)
    running = serve_home()
    with socket.create_connection(("127.0.0.1", running.port), timeout=5) as sock:
        sock.sendall(b"POST /nowhere HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n")
        drip_until_closed(sock, b"1\r\nx\r\n")


def test_dripping_body_times_out(serve_home: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """A body that does not arrive within its time is answered 408."""
    from kb.api.limits import BodyLimit

    before = BodyLimit.__init__
    monkeypatch.setattr(BodyLimit, "__init__", lambda self, app, **more: before(self, app, **more, body_seconds=0.5))
    running = serve_home()
    with socket.create_connection(("127.0.0.1", running.port), timeout=60) as sock:
        sock.sendall(head("100") + b'{"question"')
        assert b" 408 " in sock.recv(65536)


def test_full_queue_is_busy_and_the_others_are_answered(serve_home: Serve, filled_home: Path) -> None:
    """One question runs, one waits, the third is told 503 with Retry-After; the waiting one is answered in its turn."""
    engine = SlowEngine()
    running = serve_home(filled_home, ServiceOptions(running=1, waiting=1), engine)
    answers: list[httpx.Response] = []

    def ask(question: str) -> None:
        answers.append(httpx.post(f"{running.url}/ask", json={"question": question}, timeout=60))

    threads = [threading.Thread(target=ask, args=(question,)) for question in (ENGLISH, CHINESE)]
    threads[0].start()
    assert engine.started.wait(60)
    threads[1].start()
    running.wait_for_queue(1)
    busy = running.client.post("/ask", json={"question": ENGLISH})
    check_error(busy, 503, "busy")
    assert int(busy.headers["retry-after"]) > 0
    assert running.client.get("/healthz").status_code == 200
    engine.pieces = 4
    for thread in threads:
        thread.join(60)
    assert [answer.status_code for answer in answers] == [200, 200]
    assert engine.asked == 2


def test_gate_hands_places_on_in_order() -> None:
    """A place given back goes to the first in the queue; one who has left the queue is passed over."""

    async def run() -> list[str]:
        gate = Gate(1, 2)
        order: list[str] = []

        async def enter(name: str) -> None:
            await gate.acquire()
            order.append(name)

        await gate.acquire()
        first, second = asyncio.create_task(enter("first")), asyncio.create_task(enter("second"))
        await asyncio.sleep(0)
        with pytest.raises(ServiceError):
            await gate.acquire()
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        gate.release()
        await second
        gate.release()
        await gate.acquire()
        gate.release()
        # Cancelled in the moment in which the place was handed over: it must not be lost.
        await gate.acquire()
        third = asyncio.create_task(enter("third"))
        await asyncio.sleep(0)
        gate.release()
        third.cancel()
        await asyncio.gather(third, return_exceptions=True)
        async with asyncio.timeout(30):
            await gate.acquire()
        return order

    assert asyncio.run(run()) == ["second"]
