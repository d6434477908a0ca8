"""`kb serve` as a process: where it listens, what it refuses, other writers, SIGTERM, several workers."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.kb.api.serving import ENGLISH
from tests.processes import children_of

KB = [sys.executable, "-m", "kb"]


def environment(home: Path, **more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("KB_")}
    return {**kept, "KB_HOME": str(home), **more}


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


class Process:
    """A `kb serve` that has said that it is ready."""

    def __init__(self, home: Path, *arguments: str, **more: str) -> None:
        self.home = home
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        command = [*KB, "serve", "--port", str(self.port), *arguments]
        self.process = subprocess.Popen(
            command, env=environment(home, **more), stderr=subprocess.PIPE, text=True, cwd=home.parent
        )
        deadline = time.monotonic() + 60
        while True:
            try:
                if httpx.get(f"{self.url}/readyz", timeout=2, trust_env=False).status_code == 200:
                    return
            except httpx.TransportError:
                assert self.process.poll() is None, self.process.stderr and self.process.stderr.read()
            assert time.monotonic() < deadline
            time.sleep(0.1)

    def end(self, by: signal.Signals = signal.SIGTERM) -> tuple[int, str, float]:
        """Send a signal; return the exit code, standard error, and the seconds it took."""
        started = time.monotonic()
        self.process.send_signal(by)
        _, errors = self.process.communicate(timeout=60)
        return self.process.returncode, errors, time.monotonic() - started


@pytest.fixture
def home(filled_home: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(filled_home, tmp_path / "home"))


@pytest.fixture(scope="module")
def process(filled_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """Return a service that the tests of this module share; the last one ends it."""
    one = Process(Path(shutil.copytree(filled_home, tmp_path_factory.mktemp("process") / "home")))
    yield one
    if one.process.poll() is None:
        one.process.kill()
        one.process.communicate()


def test_port_in_use_is_one_clear_line(process: Process) -> None:
    """A port that is taken is exit code 2 and one line that names it."""
    command = [*KB, "serve", "--port", str(process.port)]
    done = subprocess.run(command, env=environment(process.home), capture_output=True, text=True, timeout=30)
    assert done.returncode == 2 and str(process.port) in done.stderr and "Traceback" not in done.stderr


def test_listening_off_loopback_needs_a_key(home: Path) -> None:
    """Without a key, an address that others can reach is refused before anything listens."""
    command = [*KB, "serve", "--host", "0.0.0.0", "--port", str(free_port())]
    done = subprocess.run(command, env=environment(home), capture_output=True, text=True, timeout=30)
    assert done.returncode == 2 and "KB_SERVE__API_KEY" in done.stderr and "Traceback" not in done.stderr


def test_key_address_and_read_only_reach_the_service(home: Path) -> None:
    """With a key it listens on all addresses and answers only to the key, which no log holds; SIGINT is code 130."""
    one = Process(home, "--host", "0.0.0.0", "--read-only", KB_SERVE__API_KEY="open-sesame")
    try:
        assert httpx.post(f"{one.url}/ask", json={"question": ENGLISH}).status_code == 401
        headers = {"Authorization": "Bearer open-sesame", "Host": "kb.example.org"}
        assert httpx.post(f"{one.url}/ask", json={"question": ENGLISH}, headers=headers).status_code == 200
        response = httpx.post(f"{one.url}/documents", files={"file": ("a.txt", b"a")}, headers=headers)
        assert response.status_code == 409 and response.json()["error"]["code"] == "read_only"
    finally:
        code, errors, _ = one.end(signal.SIGINT)
    assert code == 130 and "Traceback" not in errors and "open-sesame" not in errors


def test_memory_at_rest(process: Process) -> None:
    """At rest, after 50 questions, the process holds less than 250 MB."""
    for _ in range(50):
        assert httpx.post(f"{process.url}/ask", json={"question": ENGLISH}).status_code == 200
    status = Path(f"/proc/{process.process.pid}/status")
    if not status.exists():
        pytest.skip("needs /proc")
    resident = next(line for line in status.read_text().splitlines() if line.startswith("VmRSS"))
    assert int(resident.split()[1]) < 250_000


def test_serves_new_versions_of_other_processes_and_ends_on_sigterm(process: Process, tmp_path: Path) -> None:
    """What another process publishes is served without a restart; SIGTERM is a plain end; the log holds no question."""
    assert httpx.post(f"{process.url}/ask", json={"question": ENGLISH}).json()["version"] == 1
    (tmp_path / "new.txt").write_text("The lighthouse keeper is called Marisol Vane. She lives on the island.")
    done = subprocess.run(
        [*KB, "ingest", str(tmp_path / "new.txt")], env=environment(process.home), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    answer = httpx.post(f"{process.url}/ask", json={"question": "What is the lighthouse keeper called?"}).json()
    assert answer["version"] == 2 and "Marisol Vane" in answer["answer"]
    code, errors, seconds = process.end()
    assert code == 0 and seconds < 30
    assert f"serving http://127.0.0.1:{process.port} (Ctrl-C to stop)" in errors
    assert "POST /ask 200" in errors
    assert "lighthouse" not in errors and "nightly" not in errors and "Traceback" not in errors


def workers_of(process_id: int) -> list[int]:
    """Return the server processes below a `kb serve`."""
    return [child for child in children_of(process_id) if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()]


def test_several_workers_share_a_port_and_end_together(home: Path) -> None:
    """Two processes share a port, each answers without the other, both see uploads, SIGTERM ends both."""
    one = Process(home, "--workers", "2")
    try:
        workers = workers_of(one.process.pid)
        assert len(workers) == 2
        for worker in workers:
            os.kill(worker, signal.SIGSTOP)
            try:
                assert httpx.get(f"{one.url}/healthz", timeout=20).status_code == 200
            finally:
                os.kill(worker, signal.SIGCONT)
        job_id = httpx.post(f"{one.url}/documents", files={"file": ("a.txt", b"The pass is 7711. Keep it.")}).json()[
            "job_id"
        ]
        deadline = time.monotonic() + 20
        while True:
            runs = httpx.get(f"{one.url}/jobs").json()["runs"]
            if next(run for run in runs if run["id"] == job_id)["status"] == "done":
                break
            assert time.monotonic() < deadline
            time.sleep(0.1)
        for _ in range(6):
            assert "7711" in httpx.post(f"{one.url}/ask", json={"question": "What is the pass?"}).json()["answer"]
    finally:
        code, errors, seconds = one.end()
    assert code == 0 and seconds < 40 and "Traceback" not in errors
    with pytest.raises(httpx.TransportError):
        httpx.get(f"{one.url}/healthz", timeout=2)
