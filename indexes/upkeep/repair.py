"""Building damaged versions anew from SQLite, in place and without embedding."""

from __future__ import annotations

import logging
import sqlite3
from pathlib import Path

import numpy as np

from indexes.errors import DamagedError
from indexes.storage import files, ledger
from indexes.storage.database import transaction
from indexes.storage.layout import Layout, plan_layout
from indexes.storage.ledger import Committed
from indexes.storage.manifest import Manifest
from indexes.storage.publishing import announce, describe_version, keeping_old_version, load_placed, manifest_hash
from indexes.storage.versions import (
    SEGMENTS_NAME,
    VERSIONS_NAME,
    list_versions,
    make_folders,
    read_manifest,
    write_version,
)
from indexes.text.matching import FOLD_VERSION
from indexes.upkeep.findings import Findings
from indexes.upkeep.verify_files import check_version
from indexes.upkeep.verify_rows import verify_rows

logger = logging.getLogger(__name__)


def repair(root: Path, connection: sqlite3.Connection) -> None:
    """Build every damaged version anew under its own number, and remove damaged segments that no version shows.

    Call with the writer's lock held. SQLite is the truth here: raise DamagedError, changing nothing, where it is
    damaged itself in more than its originals. Damaged originals stay; ingesting their sources again mends them.
    """
    rows = Findings()
    verify_rows(root, connection, rows)
    beyond = [problem for problem in rows.problems if not problem.startswith(("originals/", str(root / "originals")))]
    if beyond:
        raise DamagedError(f"kb.sqlite itself is damaged ({beyond[0]}); restore it from a backup, or ingest anew")
    with keeping_old_version(root):
        make_folders(root)
        sound: dict[str, bool] = {}
        damaged = [row for row in ledger.committed_versions(connection) if not _is_sound(root, connection, row, sound)]
        for segment_id in [name for name, good in sound.items() if not good]:
            if (root / SEGMENTS_NAME / segment_id).exists():
                files.remove_folder(root / SEGMENTS_NAME / segment_id)
        before: Manifest | None = None
        for row in ledger.committed_versions(connection):
            if row not in damaged:
                before = read_manifest(root, row.version)
                continue
            # What was imported has no versions on the disk yet, and that is no damage.
            level = logging.WARNING if (root / VERSIONS_NAME / str(row.version)).exists() else logging.INFO
            logger.log(level, "building version %d anew from kb.sqlite", row.version)
            before = _rebuild(root, connection, row, before)
        _remove_folders(root, connection)
        latest = ledger.latest_version(connection)
        if latest is not None:
            announce(root, connection, latest.version)  # readers look again when CURRENT is replaced


def _is_sound(root: Path, connection: sqlite3.Connection, row: Committed, sound: dict[str, bool]) -> bool:
    findings = Findings()
    with findings.noting():
        check_version(root, connection, row, findings, sound)
        if read_manifest(root, row.version).fold_version != FOLD_VERSION:
            findings.note(f"the keywords of version {row.version} were made by another release")
    return not findings.problems


def _rebuild(root: Path, connection: sqlite3.Connection, row: Committed, before: Manifest | None) -> Manifest:
    """Build a version from SQLite; what it shares with the sound version `before` it is taken from there."""
    planned = Manifest(
        version=row.version,
        published_at=row.published_at,
        embedding=ledger.identity_of(connection, row.space),
        splitter=ledger.head_splitter(connection),
        fold_version=FOLD_VERSION,
        documents=row.documents,
        chunks=row.chunks,
        restored_from=row.restored_from,
        segments=(),
        files={},
    )
    rows = ledger.rows_of(ledger.shown_states(connection, row.version))
    layout = Layout([], rows)
    if before is not None and before.embedding == planned.embedding:
        placed = load_placed(root, before)
        shown = np.sort(np.concatenate([np.empty(0, np.int64), *(np.delete(part.rows, part.dead) for part in placed)]))
        layout = plan_layout(placed, np.setdiff1d(shown, rows), np.setdiff1d(rows, shown))
    manifest, contents = describe_version(root, connection, layout, planned)
    write_version(root, manifest, contents)
    with transaction(connection):
        connection.execute(
            "UPDATE versions SET manifest_hash = ? WHERE version = ?", (manifest_hash(manifest), row.version)
        )
    return manifest


def _remove_folders(root: Path, connection: sqlite3.Connection) -> None:
    """Remove versions that were never committed, and segments that no version shows: damaged ones may be among them."""
    committed = {row.version for row in ledger.committed_versions(connection)}
    used = {entry.segment_id for version in committed for entry in read_manifest(root, version).segments}
    for version in list_versions(root):
        if version not in committed:
            files.remove_folder(root / VERSIONS_NAME / str(version))
    for path in sorted((root / SEGMENTS_NAME).iterdir()):
        if path.is_dir() and path.name not in used:
            files.remove_folder(path)
