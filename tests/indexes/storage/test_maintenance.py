"""gc removes what no kept version shows, and nothing else; rollback shows an old set as a new version."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from indexes.errors import EmbeddingMismatchError, KBError, NotFoundError
from indexes.storage import database
from indexes.store import Store
from tests.indexes.storage_samples import (
    EMBEDDING,
    OTHER_EMBEDDING,
    SPLITTER,
    document_of,
    fill,
    id_of,
    make_store,
    put,
    shown,
    text_of,
    uri_of,
)  # fmt: skip


def _rows(store: Store) -> dict[str, int]:
    connection = sqlite3.connect(store.path / "kb.sqlite")
    counts = {
        table: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
        for table in ("states", "bodies", "fields", "chunks", "vectors", "visibility", "versions")
    }
    connection.close()
    return counts


def _names(store: Store, folder: str) -> set[str]:
    return {path.name for path in (store.path / folder).iterdir()}


def test_only_the_last_versions_are_kept(tmp_path: Path) -> None:
    """Of many versions the last `keep_versions` stay, with their rows, vectors and originals; the rest is gone."""
    store = make_store(tmp_path / "kb", keep_versions=3)
    for number in range(6):
        with store.writer() as writer:
            put(writer, "变", text_of("变", str(number)), {"tag": str(number)})
            put(writer, "常", text_of("常", "同"))
            writer.publish()
    assert len(_names(store, "versions")) == 6, "all are younger than a minute"
    report = store.gc(minimum_age=0)
    assert report.versions == 3 and report.documents > 0 and report.vectors > 0 and report.originals == 3
    assert [row.version for row in store.versions()] == [6, 5, 4]
    assert _names(store, "versions") == {"4", "5", "6"}
    states = _rows(store)["states"]
    assert states == 3 + 3, "three states of each document, since each put makes one"
    assert len(_names(store, "originals")) == 4
    assert store.verify().problems == []
    assert shown(store.snapshot())[uri_of("变")] == text_of("变", "5")
    assert store.gc(minimum_age=0).versions == 0


def test_publish_collects_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Versions beyond those kept go with the next publish, once they are not young any more."""
    from indexes.storage import writer as writer_module

    monkeypatch.setattr(writer_module, "YOUNG_SECONDS", 0.0)
    store = make_store(tmp_path / "kb", keep_versions=2)
    for number in range(5):
        fill(store, 1, str(number))
    assert [row.version for row in store.versions()] == [5, 4]
    assert _names(store, "versions") == {"4", "5"}
    used = {segment.segment_id for segment in store.snapshot().segments}
    assert used < _names(store, "segments") and len(_names(store, "segments")) == 2
    assert store.verify().problems == []


def test_what_killed_writers_left_is_removed(tmp_path: Path) -> None:
    """Hidden folders, versions that were never committed, unused segments and originals go; they are no damage."""
    store = make_store(tmp_path / "kb")
    fill(store, 2)
    with store.writer() as writer:
        put(writer, "待", text_of("待", "一"))
    for folder in ("versions/.tmp-1", "segments/.tmp-2"):
        (store.path / folder).mkdir()
        (store.path / folder / "half").write_bytes(b"x")
    (store.path / "originals" / ".tmp-3").write_bytes(b"x")
    (store.path / "originals" / ("a" * 64)).write_bytes(b"x")
    assert store.verify().problems == []
    report = store.gc()
    assert (report.leftovers, report.originals, report.versions) == (2, 2, 0)
    for folder in ("versions", "segments", "originals"):
        assert not [name for name in _names(store, folder) if name.startswith(".")]
    with store.writer() as writer:
        assert uri_of("待") in writer.known()
        assert writer.publish() == 2
    assert uri_of("待") in shown(store.snapshot())


def test_what_needs_no_room_is_removed_though_the_disk_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the database cannot be written, what killed writers left in the folders goes all the same."""
    store = make_store(tmp_path / "kb", keep_versions=1)
    for number in range(3):
        fill(store, 1, str(number))
    left = store.path / "segments" / ".tmp-killed"
    left.mkdir()
    (left / "vectors.faiss").write_bytes(b"x" * 1000)

    def full(connection: sqlite3.Connection) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patch, pytest.raises(KBError, match="disk is full"):
        patch.setattr(database, "commit", full)
        store.gc(minimum_age=0)
    assert not left.exists()
    assert store.verify().problems == [] and len(store.versions()) == 3
    assert store.gc(minimum_age=0).versions == 2


def test_a_snapshot_of_a_removed_version_says_so(tmp_path: Path) -> None:
    """Rows of a version that gc removed are reported as gone, not as other rows."""
    store = make_store(tmp_path / "kb", keep_versions=1)
    fill(store, 2)
    old = store.snapshot()
    rows = old.segments[0].row_ids
    fill(store, 2, "新")
    store.gc(minimum_age=0)
    assert not (store.path / "segments" / old.segments[0].segment_id).exists()
    with pytest.raises(NotFoundError, match="no longer kept"):
        old.chunks(rows)
    assert old.segments[0].vectors.count == rows.size, "what was open for searching stays open"


def test_rollback_shows_the_old_set_as_a_new_version(tmp_path: Path) -> None:
    """Rolling back gives a new number and the old documents, and going on from there works."""
    store = make_store(tmp_path / "kb")
    fill(store, 3)
    old = shown(store.snapshot())
    with store.writer() as writer:
        put(writer, "1", text_of("1", "改"))
        writer.remove([id_of("2")])
        put(writer, "9", text_of("9", "新"))
        writer.publish()
        put(writer, "待", text_of("待", "一"))
    assert store.rollback(1) == 3
    assert shown(store.snapshot()) == old
    row = store.versions()[0]
    assert (row.version, row.restored_from, row.documents, row.current) == (3, 1, 3, True)
    with store.writer() as writer:
        known = writer.known()
        assert known.keys() == old.keys(), "unpublished work is set aside"
        assert known[uri_of("1")].content_hash == document_of("1", text_of("1", "初始")).content_hash
        assert writer.publish() == 3
    assert store.rollback(3) == 3, "nothing to do"
    assert store.rollback(2) == 4
    with store.writer() as writer:
        put(writer, "1", text_of("1", "再改"))
        assert writer.publish() == 5
    assert shown(store.snapshot()) == {
        uri_of("0"): text_of("0", "初始"), uri_of("1"): text_of("1", "再改"), uri_of("9"): text_of("9", "新"),
    }  # fmt: skip
    assert store.verify().problems == []
    with pytest.raises(NotFoundError, match="5"):
        store.rollback(77)


def test_rollback_to_damaged_files_builds_them_anew(tmp_path: Path) -> None:
    """An old version whose files are damaged is restored from SQLite."""
    store = make_store(tmp_path / "kb")
    fill(store, 3)
    fill(store, 3, "新")
    (store.path / "versions/1/manifest.json").write_bytes(b"{}")
    assert store.rollback(1) == 3
    assert set(shown(store.snapshot()).values()) == {text_of(str(number), "初始") for number in range(3)}


def test_rollback_over_a_change_of_embedder(tmp_path: Path) -> None:
    """Rolling back to another embedder's version is refused where one is configured, and restores it where none is."""
    store = make_store(tmp_path / "kb")
    fill(store, 1)
    unbound = Store.open(store.path)
    with unbound.writer() as writer:
        writer.change_identity(OTHER_EMBEDDING, SPLITTER)
        put(writer, "0", text_of("0", "初始"), embedding=OTHER_EMBEDDING)
        writer.publish()
    other = Store.open(store.path, embedding=OTHER_EMBEDDING)
    with pytest.raises(EmbeddingMismatchError):
        other.rollback(1)
    assert unbound.rollback(1) == 3
    assert unbound.snapshot().embedding == EMBEDDING
    with Store.open(store.path, embedding=EMBEDDING).writer() as writer:
        assert writer.publish() == 3
    assert unbound.verify().problems == []
