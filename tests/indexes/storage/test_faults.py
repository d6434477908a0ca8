"""A writer may die or run out of disk at any step: nothing acknowledged is lost, and no version is torn."""

from __future__ import annotations

import errno
import json
import os
import random
import resource
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from indexes.errors import KBError
from indexes.storage import files
from indexes.store import Store
from tests.conftest import ROOT
from tests.indexes.storage.crash_lab import change, watch_steps
from tests.indexes.storage_samples import EMBEDDING, SPLITTER, fill, make_store, shown, text_of, uri_of

COUNT = 6
OLD = {uri_of(str(number)): text_of(str(number), "初始") for number in range(COUNT)}
NEW = {name: text for name, text in OLD.items() if name != uri_of("2")} | {
    uri_of(name): text_of(name, "改") for name in ("0", "1", "新")
}


class Lab:
    """The process that forks writers and kills them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.base = folder / "base"
        store = make_store(self.base)
        fill(store, COUNT)
        store.close()
        self._runs = 0
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.indexes.storage.crash_lab"],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def copy(self) -> Path:
        self._runs += 1
        return Path(shutil.copytree(self.base, self.folder / str(self._runs)))

    def run(self, path: Path, point: int = 0, delay: float | None = None) -> dict[str, Any]:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps({"path": str(path), "point": point, "delay": delay}) + "\n")
        self._process.stdin.flush()
        report: dict[str, Any] = json.loads(self._process.stdout.readline())
        return report

    def close(self) -> None:
        self._process.communicate()


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    # SIGKILL and ENOSPC do not depend on the medium, and memory spares the wait for thousands of flushes.
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as folder:
        lab = Lab(Path(folder))
        yield lab
        lab.close()


@pytest.fixture(scope="module")
def points(lab: Lab) -> int:
    """The number of steps that one change takes."""
    steps: list[str] = []
    undo = watch_steps(lambda count, name, arguments: steps.append(name))
    try:
        change(lab.copy(), lambda word: None)
    finally:
        undo()
    assert len(steps) > 40 and {"rename", "replace", "commit", "write_vectors", "sync_folder"} <= set(steps)
    return len(steps)


def check_survival(path: Path, words: list[str]) -> None:
    """Check a store after its writer died, having acknowledged `words`: clean, whole, and nothing lost."""
    store = Store.open(path, embedding=EMBEDDING, splitter=SPLITTER)
    assert store.verify().problems == []
    snapshot = store.snapshot()
    texts = shown(snapshot)
    assert texts == (OLD if snapshot.version == 1 else NEW), "a version is torn"
    assert snapshot.version == 2 or "published 2" not in words
    with store.writer() as writer:
        known = writer.known()
        for word in words:
            action, name = word.split()
            if action == "put":
                assert known[uri_of(name)].size == len(text_of(name, "改").encode()), "an acknowledged put is lost"
            elif action == "remove":
                assert uri_of(name) not in known
        version = writer.publish()
    after = shown(store.snapshot())
    assert store.snapshot().version == version == store.current_version()
    for word in words:
        action, name = word.split()
        if action == "put":
            assert after[uri_of(name)] == text_of(name, "改")
    if "remove 2" in words:
        assert after == NEW
    store.gc()
    assert store.verify().problems == []
    store.close()
    change(path, lambda word: None)
    again = Store.open(path)
    assert shown(again.snapshot()) == NEW
    again.close()
    shutil.rmtree(path)


def _kill_at_every_point(lab: Lab, points: int, times: int) -> None:
    seen: set[int] = set()
    for point in range(1, points + 1):
        for _ in range(times):
            path = lab.copy()
            report = lab.run(path, point=point)
            assert report["killed"], f"point {point} was not reached"
            seen.add(len(report["words"]))
            check_survival(path, report["words"])
    assert seen >= {0, 1, 2, 3, 4}, "writers died before, between and after what they acknowledged"


def test_a_writer_killed_at_any_step_loses_nothing(lab: Lab, points: int) -> None:
    """SIGKILL ahead of each step once: the check is clean, readers see one whole version, acknowledged work is kept."""
    _kill_at_every_point(lab, points, times=1)


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_a_writer_killed_at_any_step_many_times(lab: Lab, points: int) -> None:
    """SIGKILL ahead of each step three times."""
    _kill_at_every_point(lab, points, times=3)


def _kill_at_random(lab: Lab, times: int) -> None:
    random.seed(11)
    killed = 0
    for _ in range(2):  # the first run may wait for the lab's imports
        path = lab.copy()
        begun = time.monotonic()
        assert lab.run(path)["words"][-1] == "published 2"
        whole = time.monotonic() - begun
    runs = 0
    while runs < times or killed <= times // 4:
        path = lab.copy()
        begun = time.monotonic()
        report = lab.run(path, delay=random.random() * whole)
        if not report["killed"]:
            # The machine was slower when the whole was measured: delays are drawn from a shorter time.
            whole = min(whole, time.monotonic() - begun)
        killed += report["killed"]
        runs += 1
        check_survival(path, report["words"])
        assert runs < 10 * times, f"only {killed} of {runs} writers were still at work"


def test_a_writer_killed_at_random_moments(lab: Lab) -> None:
    """SIGKILL after random delays, in the midst of steps as well."""
    _kill_at_random(lab, 10)


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_a_writer_killed_at_five_hundred_moments(lab: Lab) -> None:
    """SIGKILL after 500 random delays."""
    _kill_at_random(lab, 500)


def test_a_full_disk_at_any_step_keeps_the_old_version(lab: Lab, points: int) -> None:
    """ENOSPC at each step ends in a typed error or none, never in a torn version, and the next writer goes on."""
    for point in range(1, points + 1):
        path = lab.copy()
        words: list[str] = []

        def fill_up(count: int, name: str, arguments: tuple[Any, ...], point: int = point) -> None:
            if count != point:
                return
            if name == "commit":
                error = sqlite3.OperationalError("database or disk is full")
                raise error
            if name == "write_file":
                arguments[0].write_bytes(arguments[1][: len(arguments[1]) // 2])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(arguments[0]))

        undo = watch_steps(fill_up)
        try:
            change(path, words.append)
        except KBError as error:
            assert "full" in str(error) or "No space" in str(error)
        finally:
            undo()
        hidden = [found for name in ("versions", "segments") for found in (path / name).glob(files.HIDDEN + "*")]
        assert len(hidden) <= 1, "what was half written is removed at once, unless that fails too"
        check_survival(path, words)


@pytest.mark.skipif(not hasattr(resource, "RLIMIT_FSIZE"), reason="needs a limit on file sizes")
def test_files_that_cannot_grow_keep_the_old_version(lab: Lab) -> None:
    """Where the system refuses to let files grow, in SQLite, FAISS or our own writing, the error is typed."""
    script = (
        "import resource, sys; from pathlib import Path; from indexes.errors import KBError\n"
        "from tests.indexes.storage.crash_lab import change\n"
        "def say(word): print(word, flush=True)\n"
        "limit = int(sys.argv[2]); resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))\n"
        "try: change(Path(sys.argv[1]), say)\n"
        "except KBError as error: print(type(error).__name__, error, file=sys.stderr); sys.exit(7)\n"
    )
    results = []
    for limit in (100, 600, 2_000, 33_000, 90_000):
        path = lab.copy()
        done = subprocess.run(
            [sys.executable, "-c", script, str(path), str(limit)], cwd=ROOT, capture_output=True, text=True
        )
        assert done.returncode in (0, 7), done.stderr
        results.append(done.returncode)
        check_survival(path, done.stdout.splitlines())
    assert 7 in results
