"""A few documents, real servers on loopback, and checks that the tests of the service share."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

import httpx

from kb.api.app import create_app
from kb.api.dependencies import Service, ServiceOptions
from kb.api.server import KbServer, listen, server_config
from kb.engines.base import Engine
from kb.settings import load_settings
from kb.wiring import Application

DOCUMENTS = {
    "vacation.txt": (
        "休假规定\n\n员工每年享有十五天带薪年假。年假须提前两周向直属主管申请。"
        "未使用的年假可以结转到次年三月三十一日。病假需要提交医院证明。\n"
    ),
    "backup.txt": (
        "Backup handbook\n\nThe nightly backup starts at 02:30 and keeps fourteen generations. "
        "Restores are requested from the operations desk by telephone. The archive room is on the third floor.\n"
    ),
    "network.md": (
        "# Network\n\n## Access\n\nThe guest network is called Heron and its password changes every Monday. "
        "Visitors ask the reception desk for it.\n"
    ),
}
ENGLISH = "When does the nightly backup start?"
CHINESE = "员工每年有多少天带薪年假？"
UNANSWERABLE = "What is the boiling point of tungsten hexafluoride?"


class RunningService:
    """A served application, on a port of its own, in a thread."""

    def __init__(self, application: Application, options: ServiceOptions) -> None:
        listener = listen("127.0.0.1", 0)
        self.port: int = listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.application = application
        self._server = KbServer(server_config(partial(create_app, application, options)))
        self._thread = threading.Thread(target=self._server.run, args=([listener],), daemon=True)
        self._thread.start()
        deadline = time.monotonic() + 20
        while not self._server.started:
            assert time.monotonic() < deadline and self._thread.is_alive()
            time.sleep(0.01)
        self.client = httpx.Client(base_url=self.url, timeout=30, trust_env=False)

    @property
    def service(self) -> Service:
        service: Service = self._server.config.loaded_app.state.service
        return service

    def wait_for_queue(self, length: int) -> None:
        """Return once that many questions wait for their turn."""
        deadline = time.monotonic() + 60
        while len(self.service.works._gate._queue) != length:
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def stop(self) -> float:
        """Stop it as SIGTERM does, and return the seconds that it took."""
        started = time.monotonic()
        self._server.should_exit = True
        self._thread.join(60)
        assert not self._thread.is_alive()
        self.client.close()
        return time.monotonic() - started


class EngineApplication(Application):
    """The application with one given engine in the place of the configured ones."""

    given: Engine

    def engine(self, name: str | None = None) -> Engine:
        return self.given


def make_application(
    home: Path, engine: Engine | None = None, flags: Mapping[str, object] | None = None
) -> Application:
    settings = load_settings(None, flags or {}, {"KB_HOME": str(home)})
    if engine is None:
        return Application(settings)
    application = EngineApplication(settings)
    application.given = engine
    return application


def check_error(response: httpx.Response, status: int, code: str, *never: str) -> str:
    """Check that a response is an error in the one form, without any text of `never`; return its message."""
    assert response.status_code == status, response.text
    assert list(response.json()) == ["error"]
    error = response.json()["error"]
    assert sorted(error) == ["code", "message", "request_id"]
    assert error["code"] == code
    assert error["request_id"] == response.headers["x-request-id"] != ""
    assert error["message"]
    for text in never:
        assert text not in response.text
    assert "Traceback" not in response.text
    message: str = error["message"]
    return message


def sse(response: httpx.Response) -> Iterator[tuple[str, str]]:
    """Yield (event, data) of a streamed response."""
    event = ""
    for line in response.iter_lines():
        if line.startswith("event: "):
            event = line.removeprefix("event: ")
        elif line.startswith("data: "):
            yield event, line.removeprefix("data: ")
