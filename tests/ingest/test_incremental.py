"""Incremental equals rebuild: whatever happened to the files, the knowledge base is as if built anew from them."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from indexes.records import Chunk, Hit
from indexes.search import Searcher
from ingest.sources import file_uri
from tests.ingest.library import Library

NAMES = ("a.txt", "乙.md", "sub/c.txt", "sub/d.txt", "e.txt")
TOPICS = ("休假", "采购", "档案", "travel", "安全生产", "合同")
QUESTIONS = ("休假的期限是多少天", "采购由谁批准", "travel approval", "安全生产第3条", "合同")

Step = tuple[str, str, str, int]
STEPS = st.lists(
    st.tuples(
        st.sampled_from(("write", "write", "write", "delete", "rename", "touch", "break")),
        st.sampled_from(NAMES),
        st.sampled_from(NAMES + TOPICS),
        st.integers(1, 8),
    ),
    min_size=1,
    max_size=5,
)


def take(library: Library, step: Step, age: float) -> None:
    """Do one step to the files; one that needs a file that is not there does nothing."""
    action, name, other, count = step
    path = library.docs / name
    if action == "write":
        text = "".join(
            f"{other}的第{number}条：期限是{number * count}天，由第{count}科批准。" for number in range(count * 3)
        )
        library.write(name, f"# {other}\n\n{text}\n", age)
    elif action == "break":
        library.write(name, b"\x7fELF" + bytes(range(256)), age)
    elif not path.exists():
        return
    elif action == "delete":
        path.unlink()
    elif action == "touch":
        library.write(name, path.read_bytes(), age)
    elif other in NAMES and other != name:
        target = library.docs / other
        target.parent.mkdir(exist_ok=True)
        path.replace(target)


def contents(library: Library) -> dict[str, tuple[str, str, tuple[Chunk, ...]]]:
    """Return what can be read of a knowledge base: title, text and chunks of each document, by URI."""
    return {
        uri: (stored.document.title, stored.document.text, stored.chunks)
        for uri, stored in library.documents().items()
        if stored.status == "ready"
    }


def answers(library: Library) -> list[list[Hit]]:
    store = library.open_store()
    try:
        snapshot = store.snapshot()
        searcher = Searcher(library.embedder)
        return [list(searcher.search(snapshot, question, 5).hits) for question in QUESTIONS]
    finally:
        store.close()


def compare(folder: Path, rounds: list[list[Step]]) -> None:
    library = Library(folder / "one")
    library.write("always.txt", "这一份文件一直都在。")
    library.ingest()
    age = 10_000.0
    for steps in rounds:
        for step in steps:
            age -= 10
            take(library, step, age)
        # What cannot be read keeps its earlier state, which a build anew does not have: such files go.
        report = library.ingest(prune=True)
        for path in library.docs.rglob("*"):
            if path.is_file() and file_uri(path) in {failed.uri for failed in report.failed}:
                path.unlink()
        library.ingest(prune=True)
    fresh = Library(folder / "one")
    fresh.home = folder / "fresh"
    fresh.ingest()
    assert contents(library) == contents(fresh)
    assert answers(library) == answers(fresh)


@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@example([[("write", "乙.md", "a.txt", 1)], [("write", "a.txt", "休假", 8)]])
@example([[("write", "乙.md", "采购", 2)], [("write", "a.txt", "采购", 5)]])
@given(st.lists(STEPS, min_size=1, max_size=3))
def test_incremental_equals_rebuild(rounds: list[list[Step]]) -> None:
    """After any adding, changing, renaming, breaking and deleting, documents and hits are those of a new build."""
    folder = Path(tempfile.mkdtemp())
    try:
        compare(folder, rounds)
    finally:
        shutil.rmtree(folder)


@pytest.mark.long
@pytest.mark.timeout(3600)
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(STEPS, min_size=1, max_size=6))
def test_incremental_equals_rebuild_often(rounds: list[list[Step]]) -> None:
    """The same, many times over."""
    folder = Path(tempfile.mkdtemp())
    try:
        compare(folder, rounds)
    finally:
        shutil.rmtree(folder)
