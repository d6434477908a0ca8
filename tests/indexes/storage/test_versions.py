"""A version's files are durable before they are visible, and not one flipped bit of a manifest passes."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from indexes.errors import DamagedError
from indexes.storage import database, files
from indexes.storage.manifest import parse_manifest
from indexes.storage.versions import read_current
from tests.indexes.storage_samples import fill, make_store, put, text_of


def record_trace(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Path]]:
    """Return a list that grows with each step of the commit protocol, in the order in which the steps ended."""
    trace: list[tuple[str, Path]] = []

    def watch(module: Any, name: str) -> None:
        original: Callable[..., object] = getattr(module, name)

        def watched(*arguments: Any) -> object:
            result = original(*arguments)
            trace.append((name, arguments[-1] if isinstance(arguments[-1], Path) else Path(str(arguments[0]))))
            return result

        monkeypatch.setattr(module, name, watched)

    for name in ("sync_file", "sync_folder", "rename", "replace"):
        watch(files, name)
    watch(database, "commit")
    return trace


def test_files_are_flushed_before_they_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each file and folder is flushed before the rename that shows it, and the rename before anything relies on it."""
    store = make_store(tmp_path / "kb")
    with store.writer() as writer:
        put(writer, "甲", text_of("甲", "一"))
        trace = record_trace(monkeypatch)
        writer.publish()
    steps = [name for name, _ in trace]
    renames = [index for index, name in enumerate(steps) if name == "rename"]
    segment, version = renames
    current = steps.index("replace")
    commits = [index for index, name in enumerate(steps) if name == "commit"]
    assert trace[segment][1].parent.name == "segments" and trace[version][1].parent.name == "versions"
    for begin, rename in ((0, segment), (segment + 1, version)):
        hidden = [path for name, path in trace[begin:rename] if files.HIDDEN in str(path)]
        root = hidden[-1]
        assert steps[rename - 1] == "sync_folder" and trace[rename - 1][1] == root, "the folder itself comes last"
        flushed = {path.relative_to(root).as_posix() for name, path in trace[begin:rename] if name == "sync_file"}
        final = trace[rename][1]
        assert flushed == {path.relative_to(final).as_posix() for path in final.rglob("*") if path.is_file()}
        folders = {path for name, path in trace[begin:rename] if name == "sync_folder" and root in path.parents}
        assert {path.name for path in folders} == {path.name for path in final.rglob("*") if path.is_dir()}
        assert trace[rename + 1] == ("sync_folder", final.parent)
    assert segment + 1 < version < version + 1 < commits[0] < current < commits[1]
    assert trace[current - 1] == ("sync_file", store.path / "CURRENT.tmp")
    assert trace[current + 1] == ("sync_folder", store.path)


def test_commits_wait_for_the_disk(tmp_path: Path) -> None:
    """The writer's connection flushes each commit (synchronous=FULL, WAL), inside a batch only at its end."""
    store = make_store(tmp_path / "kb")
    with store.writer() as writer:
        connection = writer._connection
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
        with writer.batch():
            assert connection.execute("PRAGMA synchronous").fetchone() == (1,)
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)


def test_no_flipped_bit_of_a_manifest_passes(tmp_path: Path) -> None:
    """A manifest with any one bit flipped, any byte missing or anything behind its end is refused."""
    store = make_store(tmp_path / "kb")
    fill(store, 2)
    content = (store.path / "versions/1/manifest.json").read_bytes()
    assert parse_manifest(content, 1).documents == 2
    random.seed(5)
    for place in random.sample(range(len(content)), 300):
        flipped = bytearray(content)
        flipped[place] ^= 1 << random.randrange(8)
        with pytest.raises(DamagedError):
            parse_manifest(bytes(flipped), 1)
    for wrong in (b"", content[:-1], content + b" ", b"[]", b"null", b"[" * 100_000):
        with pytest.raises(DamagedError):
            parse_manifest(wrong, 1)
    with pytest.raises(DamagedError):
        parse_manifest(content, 2)


@pytest.mark.parametrize(
    "content", [b"", b"x\n", b"0\n", b"-1\n", b"1", b"1\n\n", b"1 \n", "１\n".encode(), b"9" * 30 + b"\n"]
)
def test_a_current_that_is_no_number_is_damage(tmp_path: Path, content: bytes) -> None:
    """CURRENT holds one number and a line end; anything else is refused."""
    (tmp_path / "CURRENT").write_bytes(content)
    with pytest.raises(DamagedError):
        read_current(tmp_path)
