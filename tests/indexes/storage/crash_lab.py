"""A process that forks writers and lets each die by SIGKILL at a chosen step of the commit protocol.

It imports everything once, computes nothing itself, and reads one JSON order a line: {"path", "point", "delay"}. The
forked writer changes documents, publishes, and prints each thing that was acknowledged to it. At call number `point`
of a watched function it kills itself, before the call is made; `delay` (seconds) kills it from outside instead.
"""

from __future__ import annotations

import functools
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import faiss  # noqa: F401 - loaded before the fork, to make it quick

from indexes.storage import database, files, segments
from indexes.store import Store
from tests.indexes.storage_samples import EMBEDDING, SPLITTER, id_of, put, text_of, uri_of

STEPS: list[tuple[Any, str]] = [
    *((files, name) for name in (
        "make_folder", "write_file", "sync_file", "sync_folder", "rename", "replace", "remove_folder", "remove_file",
    )),
    (database, "commit"),
    (segments, "write_vectors"),
    (segments, "write_keywords"),
]  # fmt: skip


def watch_steps(before: Callable[[int, str, tuple[Any, ...]], None]) -> Callable[[], None]:
    """Call `before` with a running number ahead of each step of the protocol; return what undoes that."""
    count = 0
    originals = [(module, name, getattr(module, name)) for module, name in STEPS]

    def wrap(name: str, original: Callable[..., object]) -> Callable[..., object]:
        def watched(*arguments: Any, **options: Any) -> object:
            nonlocal count
            count += 1
            before(count, name, arguments)
            return original(*arguments, **options)

        return watched

    for module, name, original in originals:
        setattr(module, name, wrap(name, original))

    def undo() -> None:
        for module, name, original in originals:
            setattr(module, name, original)

    return undo


def change(path: Path, acknowledged: Callable[[str], None]) -> None:
    """Change two documents, add one, remove one, and publish; say what has been acknowledged as it is."""
    store = Store.open(path, embedding=EMBEDDING, splitter=SPLITTER)
    with store.writer() as writer:
        for name in ("0", "1", "新"):
            put(writer, name, text_of(name, "改"))
            acknowledged(f"put {name}")
        if uri_of("2") in writer.known():
            writer.remove([id_of("2")])
        acknowledged("remove 2")
        acknowledged(f"published {writer.publish()}")
    store.close()


def _die_at(point: int) -> Callable[[int, str, tuple[Any, ...]], None]:
    def before(count: int, name: str, arguments: tuple[Any, ...]) -> None:
        if count == point:
            os.kill(os.getpid(), signal.SIGKILL)

    return before


def _tell(pipe: int, word: str) -> None:
    os.write(pipe, word.encode() + b"\n")


def _serve() -> None:
    for line in sys.stdin:
        order = json.loads(line)
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reading)
            watch_steps(_die_at(order["point"]))
            change(Path(order["path"]), functools.partial(_tell, writing))
            os._exit(0)
        os.close(writing)
        if order["delay"] is not None:
            time.sleep(order["delay"])
            os.kill(child, signal.SIGKILL)
        with os.fdopen(reading, "rb") as pipe:
            words = pipe.read().decode().splitlines()
        _, status = os.waitpid(child, 0)
        print(json.dumps({"killed": os.WIFSIGNALED(status), "status": status, "words": words}), flush=True)


if __name__ == "__main__":
    _serve()
