"""A real model server in a process of its own, for the tests that run one."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import httpx


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@contextlib.contextmanager
def running(
    command: Sequence[str], port: int, log: Path, path: str, environment: Mapping[str, str] | None = None
) -> Iterator[str]:
    """Run the command until the block ends; yield the address once GET `path` answers, whatever it answers."""
    url = f"http://127.0.0.1:{port}"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, env={**os.environ, **(environment or {})}
        )
        try:
            deadline = time.monotonic() + 180
            while not _answers(url + path):
                told = log.read_text(encoding="utf-8", errors="replace")[-3000:]
                assert process.poll() is None, f"the server ended:\n{told}"
                assert time.monotonic() < deadline, f"the server did not start:\n{told}"
                time.sleep(0.2)
            yield url
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _answers(url: str) -> bool:
    try:
        httpx.get(url, timeout=10, trust_env=False)
    except httpx.HTTPError:
        return False
    return True
