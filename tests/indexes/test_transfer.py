"""Exporting a knowledge base into one file and importing it: whole, checked, and nowhere else."""

from __future__ import annotations

import hashlib
import json
import random
import sqlite3
import threading
import zipfile
from pathlib import Path

import pytest

from indexes.errors import DamagedError, LockedError, UsageError
from indexes.storage.lock import writer_lock
from indexes.store import Store
from indexes.transfer import STAGING_NAME, export_store, import_store
from indexes.upkeep.sealed import MANIFEST_NAME, read_sealed, write_sealed
from tests.indexes.storage_samples import fill, id_of, make_store, put, shown, text_of, uri_of


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Return a store of 30 documents in its second version, of which one more was removed since the first."""
    made = make_store(tmp_path / "home" / "base")
    fill(made, 30)
    with made.writer() as writer:
        writer.remove([id_of("3")])
        put(writer, "另加", text_of("另加", "后来"))
        writer.publish()
    return made


def _contents(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.name != "LOCK")


def test_what_is_imported_is_what_was_exported(store: Store, tmp_path: Path) -> None:
    """Documents, versions, originals and further files come back, sound, and writing goes on from there."""
    (store.path / "further.json").write_text("{}")
    done = export_store(store, tmp_path / "base.kb", ["further.json", "absent.json"])
    assert (done.version, done.documents, done.originals) == (2, 30, 31)
    assert done.bytes == (tmp_path / "base.kb").stat().st_size
    import_store(tmp_path / "base.kb", tmp_path / "other" / "copy", ["further.json"])
    copy = Store.open(tmp_path / "other" / "copy")
    assert shown(copy.snapshot()) == shown(store.snapshot())
    assert copy.verify().problems == []
    assert [row.version for row in copy.versions()] == [row.version for row in store.versions()]
    assert copy.original(id_of("另加")) == text_of("另加", "后来").encode()
    assert (copy.path / "further.json").read_text() == "{}"
    assert copy.rollback(1) == 3
    assert shown(copy.snapshot())[uri_of("3")] == text_of("3", "初始")
    assert _contents(tmp_path / "other" / STAGING_NAME) == []


def test_an_empty_knowledge_base_travels_too(tmp_path: Path) -> None:
    """Nothing published is nothing lost."""
    empty = make_store(tmp_path / "empty")
    assert export_store(empty, tmp_path / "empty.kb").version == 0
    import_store(tmp_path / "empty.kb", tmp_path / "again")
    assert Store.open(tmp_path / "again").current_version() == 0


def test_an_export_beside_a_writer_is_one_version(store: Store, tmp_path: Path) -> None:
    """Exports taken while documents come in and go each hold exactly what one published version showed."""
    published = {2: shown(store.snapshot())}
    stop = threading.Event()

    def write() -> None:
        writing = Store.open(store.path)
        for turn in range(200):
            if stop.is_set():
                break
            with writing.writer() as writer:
                writer.remove([id_of(str(turn % 30))])
                put(writer, f"新{turn}", text_of(f"新{turn}", "新"))
                version = writer.publish()
            published[version] = shown(writing.snapshot())

    thread = threading.Thread(target=write)
    thread.start()
    try:
        done = [export_store(store, tmp_path / f"{turn}.kb") for turn in range(4)]
    finally:
        stop.set()
        thread.join()
    assert len({one.version for one in done}) > 1
    for turn, one in enumerate(done):
        import_store(tmp_path / f"{turn}.kb", tmp_path / "copies" / str(turn))
        copy = Store.open(tmp_path / "copies" / str(turn))
        assert copy.current_version() == one.version
        assert shown(copy.snapshot()) == published[one.version]


def test_every_flipped_bit_and_cut_is_found(store: Store, tmp_path: Path) -> None:
    """Damage anywhere in the file is refused, and nothing is left behind."""
    export_store(store, tmp_path / "base.kb")
    whole = (tmp_path / "base.kb").read_bytes()
    draw = random.Random(5)
    home = tmp_path / "fresh"
    damaged = [whole[:length] for length in (0, 10, 64, len(whole) // 2, len(whole) - 1)] + [whole + b"\0"]
    for place in [0, 8, len(whole) - 1, len(whole) - 70, *(draw.randrange(len(whole)) for _ in range(40))]:
        damaged.append(whole[:place] + bytes([whole[place] ^ (1 << draw.randrange(8))]) + whole[place + 1 :])
    for content in damaged:
        (tmp_path / "damaged.kb").write_bytes(content)
        with pytest.raises(DamagedError):
            import_store(tmp_path / "damaged.kb", home / "copy")
    assert _contents(home) == [STAGING_NAME]


@pytest.mark.parametrize(
    "name", ["../evil", "/evil", "originals/../../evil", "originals/x", "LOCK", "versions/1/manifest.json", "a\\b"]
)
def test_names_that_lead_elsewhere_are_refused(store: Store, tmp_path: Path, name: str) -> None:
    """A well sealed file with another member than those of a knowledge base writes nothing."""
    (tmp_path / "content").write_bytes(b"evil")
    write_sealed(tmp_path / "evil.kb", {name: tmp_path / "content"}, {})
    home = tmp_path / "deep" / "fresh"
    with pytest.raises(DamagedError):
        import_store(tmp_path / "evil.kb", home / "copy")
    assert _contents(tmp_path / "deep") == ["fresh", f"fresh/{STAGING_NAME}"]


def test_members_that_are_not_listed_or_too_large_are_refused(tmp_path: Path) -> None:
    """The list of the file is held to its members and to the room on the disk."""
    (tmp_path / "content").write_bytes(b"x" * 100)
    folder = tmp_path / "folder"
    folder.mkdir()
    write_sealed(tmp_path / "a.kb", {"a": tmp_path / "content"}, {"name": "n"})
    with pytest.raises(DamagedError):
        read_sealed(tmp_path / "a.kb", folder, lambda name: True, 99)
    changes: list[object] = [{"b": {"bytes": 1, "sha256": ""}}, {}, {"a": {"bytes": 99, "sha256": ""}}, {"a": []}, []]
    for change in changes:
        with zipfile.ZipFile(tmp_path / "b.kb", "w") as archive:
            archive.writestr("a", b"x" * 100)
            archive.writestr(MANIFEST_NAME, json.dumps({"format": 1, "facts": {}, "files": change}))
            archive.comment = b"0" * 64
        content = (tmp_path / "b.kb").read_bytes()[:-64]
        (tmp_path / "b.kb").write_bytes(content + hashlib.sha256(content).hexdigest().encode())
        with pytest.raises(DamagedError):
            read_sealed(tmp_path / "b.kb", folder, lambda name: True, 1000)
        (folder / "a").unlink(missing_ok=True)
    assert read_sealed(tmp_path / "a.kb", folder, lambda name: True, 100) == {"name": "n"}
    assert (folder / "a").read_bytes() == b"x" * 100


def test_a_database_that_acts_is_refused(store: Store, tmp_path: Path) -> None:
    """A trigger would run inside our own statements; no export holds one."""
    export_store(store, tmp_path / "base.kb")
    folder = tmp_path / "opened"
    folder.mkdir()
    read_sealed(tmp_path / "base.kb", folder, lambda name: True, 1 << 30)
    connection = sqlite3.connect(folder / "kb.sqlite")
    connection.execute("CREATE TRIGGER act AFTER UPDATE ON versions BEGIN DELETE FROM documents; END")
    connection.commit()
    connection.close()
    members = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    write_sealed(tmp_path / "acting.kb", members, {})
    with pytest.raises(DamagedError, match="more than rows"):
        import_store(tmp_path / "acting.kb", tmp_path / "fresh" / "copy")
    assert not (tmp_path / "fresh" / "copy").exists()


def test_a_damaged_knowledge_base_is_not_exported(store: Store, tmp_path: Path) -> None:
    """A changed original is found on the way, and the earlier export stays."""
    (tmp_path / "base.kb").write_bytes(b"earlier")
    next((store.path / "originals").iterdir()).write_bytes(b"changed")
    with pytest.raises(DamagedError):
        export_store(store, tmp_path / "base.kb")
    assert (tmp_path / "base.kb").read_bytes() == b"earlier"
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_wrong_places_are_refused(store: Store, tmp_path: Path) -> None:
    """A folder, a missing folder and the knowledge base itself are no targets; a name that is taken is none either."""
    for target in (tmp_path, tmp_path / "absent" / "base.kb", store.path / "kb.sqlite"):
        with pytest.raises(UsageError):
            export_store(store, target)
    export_store(store, tmp_path / "base.kb")
    before = _contents(store.path)
    with pytest.raises(UsageError, match="already"):
        import_store(tmp_path / "base.kb", store.path)
    assert _contents(store.path) == before
    with pytest.raises(UsageError):
        import_store(tmp_path / "absent.kb", tmp_path / "copy")


def test_imports_into_one_home_wait_for_each_other(store: Store, tmp_path: Path) -> None:
    """A second import beside a running one is refused, and one that was killed is cleared away by the next."""
    export_store(store, tmp_path / "base.kb")
    staging = tmp_path / "fresh" / STAGING_NAME
    staging.mkdir(parents=True)
    with writer_lock(staging), pytest.raises(LockedError):
        import_store(tmp_path / "base.kb", tmp_path / "fresh" / "copy")
    (staging / "folder").mkdir()
    (staging / "folder" / "kb.sqlite").write_bytes(b"half")
    import_store(tmp_path / "base.kb", tmp_path / "fresh" / "copy")
    assert Store.open(tmp_path / "fresh" / "copy").verify().problems == []
