"""A knowledge base as one file, and back: what SQLite and the originals hold; the segments are built from that."""

from __future__ import annotations

import re
import shutil
from collections.abc import Collection
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from indexes.errors import DamagedError, UsageError, unwritable
from indexes.storage import files, ledger
from indexes.storage.database import DATABASE_NAME, connect_reader, typed_errors
from indexes.storage.lock import writer_lock
from indexes.storage.originals import ORIGINALS_NAME, original_path
from indexes.store import Store
from indexes.upkeep.backup import copy_database
from indexes.upkeep.findings import Findings
from indexes.upkeep.sealed import read_sealed, write_sealed
from indexes.upkeep.verify_rows import verify_rows

STAGING_NAME = ".import"
_ORIGINAL = re.compile(ORIGINALS_NAME + r"/[0-9a-f]{64}")
# A collection beside an export may remove what the copied database still names; then another copy is taken.
_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class Transfer:
    """What was exported or imported: the newest version, its documents, and the originals beside them."""

    version: int
    documents: int
    originals: int
    bytes: int


def export_store(store: Store, target: Path, extras: Collection[str] = ()) -> Transfer:
    """Write a knowledge base as it is at one moment into the file `target`, which is replaced once all is written.

    Readers and the writer go on meanwhile. `extras` names further files of its folder to take where they are. Raise
    DamagedError for what is not sound, UsageError where `target` cannot be written.
    """
    if target.resolve().is_relative_to(store.path.resolve()):
        raise UsageError(f"{target} lies in the knowledge base itself; name a file elsewhere")
    hidden = files.hidden_path(target.parent)
    try:
        files.make_folder(hidden)
    except OSError as error:
        raise UsageError(f"{target} cannot be written: {error.strerror}") from error
    try:
        if target.is_dir():
            raise UsageError(f"{target} is a folder; name a file")
        originals = _sound_copy(store.path, hidden / DATABASE_NAME)
        members = {DATABASE_NAME: hidden / DATABASE_NAME}
        members |= {name: store.path / name for name in extras if (store.path / name).is_file()}
        members |= {f"{ORIGINALS_NAME}/{name}": original_path(store.path, name) for name in originals}
        version, documents = _newest(hidden / DATABASE_NAME)
        facts = {"name": store.name, "version": version, "documents": documents}
        write_sealed(hidden / "export", members, facts)
        size = (hidden / "export").stat().st_size
        files.replace(hidden / "export", target)
        files.sync_folder(target.parent)
        return Transfer(version, documents, len(originals), size)
    finally:
        shutil.rmtree(hidden)


def import_store(source: Path, target: Path, extras: Collection[str] = ()) -> Transfer:
    """Make the knowledge base `target` of an exported file: whole and checked, or not at all.

    Raise UsageError where `target` is there already, DamagedError for a file that is not as it was exported,
    LockedError beside another import into the same home.
    """
    if not source.is_file():
        raise UsageError(f"{source} is no file")
    _refuse_existing(target)
    staging = target.parent / STAGING_NAME
    try:
        staging.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(staging, error) from error
    with writer_lock(staging):
        folder = staging / "folder"
        # Left behind by an import that was killed.
        shutil.rmtree(folder, ignore_errors=True)
        files.make_folder(folder)
        try:
            space = shutil.disk_usage(staging).free
            read_sealed(source, folder, lambda name: _accepted(name, extras), space)
            _build(folder, source)
            version, documents = _newest(folder / DATABASE_NAME)
            originals = len(list((folder / ORIGINALS_NAME).glob("*")))
            _show(folder, target)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    return Transfer(version, documents, originals, source.stat().st_size)


def _accepted(name: str, extras: Collection[str]) -> bool:
    return name == DATABASE_NAME or name in extras or _ORIGINAL.fullmatch(name) is not None


def _refuse_existing(target: Path) -> None:
    if target.exists() or target.is_symlink():
        raise UsageError(f"there is a knowledge base '{target.name}' already; import under another name with --kb")


def _show(folder: Path, target: Path) -> None:
    for path in [path for path in (folder, *sorted(folder.rglob("*"))) if path.is_dir()]:
        files.sync_folder(path)
    _refuse_existing(target)
    try:
        files.rename(folder, target)
    except OSError as error:
        # Somebody made one since.
        raise UsageError(f"the knowledge base '{target.name}' cannot be made: {error.strerror}") from error
    files.sync_folder(target.parent)


def _sound_copy(root: Path, copy: Path) -> list[str]:
    """Copy the database and check all of it, and return the hashes of the originals that it names."""
    for attempt in range(_ATTEMPTS):
        copy.unlink(missing_ok=True)
        copy_database(root / DATABASE_NAME, copy)
        findings = Findings()
        with typed_errors(copy), closing(connect_reader(copy)) as connection:
            with findings.noting():
                verify_rows(root, connection, findings)
            found = connection.execute("SELECT DISTINCT content_hash FROM states WHERE has_original").fetchall()
        if not findings.problems:
            return sorted(name for (name,) in found)
        if attempt == _ATTEMPTS - 1:
            raise DamagedError(f"{findings.problems[0]}; nothing was exported: `kb verify` says what is damaged")
    raise AssertionError("the last attempt returns or raises")


def _build(folder: Path, source: Path) -> None:
    """Build the segments and check everything. The database comes from elsewhere: it must hold rows alone."""
    database = folder / DATABASE_NAME
    if not database.is_file():
        raise DamagedError(f"{source.name} holds no {DATABASE_NAME}")
    with typed_errors(database), closing(connect_reader(database)) as connection:
        (active,) = connection.execute(
            "SELECT count(*) FROM sqlite_master WHERE type NOT IN ('table', 'index') OR sql LIKE '%VIRTUAL%'"
        ).fetchone()
    if active:
        raise DamagedError(f"{source.name}: its database holds more than rows, which no export does")
    store = Store.open(folder)
    try:
        report = store.repair()
    finally:
        store.close()
    if report.problems:
        raise DamagedError(f"{source.name}: {report.problems[0]}")


def _newest(database: Path) -> tuple[int, int]:
    """Return the number of the newest version and of its documents, 0 and 0 where nothing is published."""
    with typed_errors(database), closing(connect_reader(database)) as connection:
        newest = ledger.latest_version(connection)
    return (newest.version, newest.documents) if newest is not None else (0, 0)
