"""Damage to any stored file is found, reported and survived; repair builds the files anew without embedding."""

from __future__ import annotations

import contextlib
import logging
import random
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from indexes.errors import DamagedError, KBError
from indexes.storage import versions, vouching
from indexes.storage.manifest import FileEntry
from indexes.storage.versions import read_manifest
from indexes.store import Store
from tests.indexes.storage_samples import EMBEDDING, SPLITTER, fill, id_of, make_store, put, shown, text_of, uri_of

RANDOM = random.Random(3)


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[RANDOM.randrange(len(content))] ^= 1 << RANDOM.randrange(8)
    path.write_bytes(content)


def _cut(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _longer(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\0")


KINDS: dict[str, Callable[[Path], None]] = {
    "flip": _flip, "cut": _cut, "empty": _empty, "gone": Path.unlink, "longer": _longer,
}  # fmt: skip


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of three versions: two segments, tombstones, a rollback's version."""
    store = make_store(tmp_path_factory.mktemp("sound") / "kb")
    fill(store, 300)
    with store.writer() as writer:
        put(writer, "3", text_of("3", "改"))
        writer.remove([id_of("4")])
        writer.publish()
    store.rollback(1)
    assert store.verify().problems == []
    store.close()
    return store.path


@pytest.fixture
def damaged(sound: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sound, tmp_path / "kb"))


def _files(path: Path) -> list[Path]:
    return sorted(file for name in ("versions", "segments") for file in (path / name).rglob("*") if file.is_file())


@pytest.mark.parametrize("kind", KINDS)
def test_damage_to_any_file_is_found(sound: Path, tmp_path: Path, kind: str) -> None:
    """Whichever stored file is damaged in whichever way, verify finds it, and readers go on or say so."""
    listed = [file.relative_to(sound) for file in _files(sound)]
    assert len(listed) > 25
    copy = Path(shutil.copytree(sound, tmp_path / "kb"))
    for name in listed:
        whole = (copy / name).read_bytes()
        KINDS[kind](copy / name)
        store = Store.open(copy, embedding=EMBEDDING)
        assert store.verify().problems, f"{kind} of {name} is not found"
        try:
            texts = shown(store.snapshot())
        except DamagedError as error:
            assert "kb verify --repair" in str(error)
        else:
            assert len(texts) in (299, 300)
        store.close()
        (copy / name).write_bytes(whole)
    assert Store.open(copy).verify().problems == []


def test_a_file_that_does_not_belong_is_found(damaged: Path) -> None:
    """A foreign file or folder among versions or segments is reported."""
    store = Store.open(damaged)
    for name in ("versions/1/extra", "versions/notes", "segments/readme"):
        (damaged / name).write_text("x")
        assert store.verify().problems
        (damaged / name).unlink()
    assert store.verify().problems == []


def test_a_damaged_newest_version_is_passed_over(damaged: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Readers are served the newest good version before a damaged one, with a warning that names the repair."""
    _flip(damaged / "versions/3/manifest.json")
    with caplog.at_level(logging.WARNING):
        snapshot = Store.open(damaged, embedding=EMBEDDING).snapshot()
    assert snapshot.version == 2 and len(shown(snapshot)) == 299
    assert "kb verify --repair" in caplog.text


def test_a_reader_keeps_what_it_has_when_the_newest_is_damaged(damaged: Path) -> None:
    """A reader that has a good version goes on with it when the next one is damaged, and takes the one after."""
    store = Store.open(damaged, embedding=EMBEDDING)
    before = store.snapshot()
    with store.writer() as writer:
        put(writer, "新", text_of("新", "一"))
        assert writer.publish() == 4
    _cut(damaged / "versions/4/manifest.json")
    assert store.snapshot().version == before.version == 3
    with store.writer() as writer:
        put(writer, "新", text_of("新", "二"))
        assert writer.publish() == 5
    assert store.snapshot().version == 5
    assert shown(store.snapshot())[uri_of("新")] == text_of("新", "二")


@pytest.mark.parametrize("kind", KINDS)
def test_repair_builds_damaged_files_anew(damaged: Path, kind: str) -> None:
    """After repair every version shows what it showed, under its own number, and the check is clean."""
    store = Store.open(damaged, embedding=EMBEDDING)
    expected = shown(store.snapshot())
    for file in _files(damaged)[:: 3 if kind == "flip" else 5]:
        KINDS[kind](file)
    assert store.verify().problems
    report = store.repair()
    assert report.problems == []
    assert [row.version for row in store.versions()] == [3, 2, 1]
    fresh = Store.open(damaged, embedding=EMBEDDING)
    assert shown(fresh.snapshot()) == expected
    assert shown(store.snapshot()) == expected
    with fresh.writer() as writer:
        put(writer, "新", text_of("新", "一"))
        assert writer.publish() == 4
    assert fresh.verify().problems == []


@pytest.mark.parametrize("content", [b"", b"2\n", b"99\n", b"x\n", None])
def test_a_wrong_current_is_found_and_mended(damaged: Path, content: bytes | None) -> None:
    """A CURRENT that is missing, no number or another number is reported; the next writer or repair mends it."""
    if content is None:
        (damaged / "CURRENT").unlink()
    else:
        (damaged / "CURRENT").write_bytes(content)
    store = Store.open(damaged, embedding=EMBEDDING)
    assert store.verify().problems
    assert store.snapshot().version in (2, 3)
    store.repair()
    assert store.verify().problems == []
    assert store.snapshot().version == 3


def _damage(path: Path, statement: str) -> None:
    connection = sqlite3.connect(path / "kb.sqlite")
    connection.execute("PRAGMA foreign_keys=OFF")
    connection.execute(statement)
    connection.commit()
    connection.close()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE chunks SET text = replace(text, '记', '忘') WHERE row_id = 9",
        "UPDATE chunks SET start = start + 1 WHERE row_id = 9",
        "UPDATE chunks SET heading = 'x' WHERE row_id = 9",
        "UPDATE chunks SET page = 9 WHERE row_id = 9",
        "UPDATE bodies SET text = text || 'x' WHERE state_id = 5",
        "UPDATE bodies SET pages = '[[1, 0' WHERE state_id = 5",
        'UPDATE bodies SET metadata = \'{"a": "b"}\' WHERE state_id = 5',
        "UPDATE states SET title = 'x' WHERE state_id = 5",
        "UPDATE states SET first_row = first_row + 1 WHERE state_id = 5",
        "UPDATE vectors SET vector = x'00' WHERE vector_id = 5",
        "UPDATE vectors SET vector = zeroblob(32) WHERE vector_id = 5",
        "DELETE FROM vectors WHERE vector_id = 5",
        "DELETE FROM chunks WHERE row_id = 9",
        "DELETE FROM bodies WHERE state_id = 5",
        "DELETE FROM documents WHERE state_id = 5",
        "DELETE FROM visibility WHERE state_id = 5",
        "UPDATE visibility SET version_removed = 2 WHERE state_id = 9",
        "UPDATE versions SET chunks = chunks + 1 WHERE version = 2",
        "UPDATE versions SET manifest_hash = 'x' WHERE version = 2",
        "DELETE FROM versions WHERE version = 3",
        "INSERT INTO fields VALUES (5, 'tag', 'x')",
        "DROP TABLE bodies",
    ],
)
def test_damage_to_the_rows_is_found(damaged: Path, statement: str) -> None:
    """Rows of kb.sqlite that are lost, changed or point nowhere are reported; repair refuses to trust them."""
    _damage(damaged, statement)
    store = Store.open(damaged)
    assert store.verify().problems
    if "versions" not in statement:
        with pytest.raises(DamagedError):
            store.repair()


def test_a_corrupt_database_is_found(damaged: Path) -> None:
    """Flipped bytes all over the pages of kb.sqlite, a cut file and a foreign one are reported, not crashed on."""
    with sqlite3.connect(damaged / "kb.sqlite") as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    whole = (damaged / "kb.sqlite").read_bytes()
    assert len(whole) > 100 * 4096
    for page in range(1, len(whole) // 4096, 9):
        broken = bytearray(whole)
        broken[page * 4096 : page * 4096 + 64] = bytes(64)
        (damaged / "kb.sqlite").write_bytes(broken)
        with contextlib.suppress(DamagedError):  # refused when opened
            assert Store.open(damaged).verify().problems, f"page {page}"
    for content in (whole[: len(whole) // 2], b"rubbish" * 1000, b""):
        (damaged / "kb.sqlite").write_bytes(content)
        with contextlib.suppress(DamagedError):
            assert Store.open(damaged).verify().problems
    (damaged / "kb.sqlite").unlink()
    for create in (False, True):
        with pytest.raises(DamagedError, match="backup"):
            Store.open(damaged, create=create)


def test_damaged_originals_are_found(damaged: Path) -> None:
    """Kept bytes that are changed or gone are reported, and putting the document again mends them."""
    store = Store.open(damaged, embedding=EMBEDDING)
    content = text_of("9", "初始").encode()
    (path,) = [file for file in (damaged / "originals").iterdir() if file.read_bytes() == content]
    for damage in (_flip, Path.unlink):
        damage(path)
        (problem,) = store.verify().problems
        assert "originals" in problem
        if path.exists():
            assert "--force: file:///" in problem
        with store.writer() as writer:
            put(writer, "9", text_of("9", "初始"))
        assert store.verify().problems == []


def test_large_segments_are_hashed_in_the_background(
    damaged: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A large file is served at once and its version withdrawn when its hash turns out wrong; repair brings it back."""
    store = Store.open(damaged, embedding=EMBEDDING)
    with store.writer() as writer:
        writer.remove([id_of(str(number)) for number in range(200)])
        assert writer.publish() == 4  # rewrites the base: a segment that only version 4 shows
    newest = store.snapshot().segments[-1].segment_id
    store.close()
    path = damaged / "segments" / newest / "vectors.faiss"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    monkeypatch.setattr(vouching, "HASHED_AT_ONCE", 0)
    served = threading.Event()
    check = versions.check_file

    def check_once_served(path: Path, entry: FileEntry, *, hashed: bool) -> None:
        served.wait(20)
        check(path, entry, hashed=hashed)

    monkeypatch.setattr(vouching, "check_file", check_once_served)
    reader = Store.open(damaged, embedding=EMBEDDING)
    assert reader.snapshot().version == 4
    served.set()
    deadline = time.monotonic() + 20
    while reader.snapshot().version == 4 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert reader.snapshot().version == 3
    assert "withdrawn" in caplog.text
    assert reader.repair().problems == []
    assert reader.snapshot().version == 4
    time.sleep(0.2)
    assert reader.snapshot().version == 4


def test_no_good_version_is_an_error_that_names_the_repair(tmp_path: Path) -> None:
    """Where no version is good, readers are told so with the command that repairs, again and again until it ran."""
    store = make_store(tmp_path / "kb")
    fill(store, 2)
    _flip(store.path / "versions/1/manifest.json")
    fresh = Store.open(store.path, embedding=EMBEDDING)
    for _ in range(2):
        with pytest.raises(DamagedError, match="kb verify --repair --kb kb"):
            fresh.snapshot()
    fresh.repair()
    assert len(shown(fresh.snapshot())) == 2


def test_a_closed_store_says_so(tmp_path: Path) -> None:
    """Reading from a closed store is a clear error."""
    store = make_store(tmp_path / "kb")
    store.close()
    with pytest.raises(KBError, match="closed"):
        store.counts()


def test_repair_shares_what_versions_have_in_common(tmp_path: Path) -> None:
    """Versions built anew after all segments were lost show what they showed, and share the large segment again."""
    store = make_store(tmp_path / "kb")
    with store.writer() as writer:
        for number in range(300):
            put(writer, f"{number:03}", text_of(f"{number:03}", "一"))
        writer.publish()
        for number in range(3):
            put(writer, f"{number:03}", text_of(f"{number:03}", "二"))
            writer.remove([id_of(f"{number + 10:03}")])
            writer.publish()
    before = {row.version: (row.documents, row.chunks) for row in store.versions()}
    contents = shown(store.snapshot())
    shutil.rmtree(tmp_path / "kb" / "segments")
    fresh = Store.open(tmp_path / "kb", embedding=EMBEDDING, splitter=SPLITTER)
    assert fresh.repair().problems == []
    assert {row.version: (row.documents, row.chunks) for row in fresh.versions()} == before
    assert shown(fresh.snapshot()) == contents
    bases = {read_manifest(tmp_path / "kb", version).segments[0].segment_id for version in before}
    assert len(bases) == 1
    assert fresh.rollback(1) == 5 and len(shown(fresh.snapshot())) == 300
