"""Removing what no kept version shows: versions, segments, rows, vectors, originals and what killed writers left."""

from __future__ import annotations

import itertools
import logging
import sqlite3
from dataclasses import dataclass, field
from pathlib import Path

from indexes.errors import DamagedError
from indexes.rows import GcReport
from indexes.storage import files, ledger
from indexes.storage.database import transaction
from indexes.storage.originals import ORIGINALS_NAME, is_original, list_originals, remove_original
from indexes.storage.states import drop_states
from indexes.storage.versions import SEGMENTS_NAME, VERSIONS_NAME, list_versions, read_manifest

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class _Counts:
    versions: int = 0
    segments: int = 0
    documents: int = 0
    vectors: int = 0
    originals: int = 0
    leftovers: int = 0
    hashes: set[str] = field(default_factory=set)


def collect(
    root: Path,
    connection: sqlite3.Connection,
    *,
    keep_versions: int,
    minimum_age: float,
    now: float,
    thorough: bool,
) -> GcReport:
    """Remove what no kept version shows. Call with the writer's lock held.

    Kept are the last `keep_versions` and every version that was the newest within the last `minimum_age` seconds
    before `now`, for readers that are opening it. Rows go before folders, so a version that is listed is whole.
    `thorough` also sweeps originals and vectors that a killed writer left, and gives free space back to the system.
    """
    counts = _Counts()
    versions = ledger.committed_versions(connection)
    if thorough:
        # First what needs no room: on a full disk the database cannot be written until something is gone.
        _remove_folders(root, {row.version for row in versions}, counts)
    floor = _oldest_kept([(row.version, row.published_at) for row in versions], keep_versions, now - minimum_age)
    if any(row.version < floor for row in versions):
        _drop_rows(connection, floor, counts)
    kept = {row.version for row in versions if row.version >= floor}
    _remove_folders(root, kept, counts)
    for content_hash in counts.hashes:
        remove_original(root, content_hash)
        counts.originals += 1
    if thorough:
        _sweep(root, connection, counts)
    return GcReport(
        counts.versions, counts.segments, counts.documents, counts.vectors, counts.originals, counts.leftovers
    )


def _oldest_kept(versions: list[tuple[int, float]], keep: int, young: float) -> int:
    """Return the lowest version to keep: one of the last `keep`, or one whose successor came after `young`."""
    if not versions:
        return 0
    floor = versions[max(len(versions) - max(keep, 1), 0)][0]
    for (version, _), (_, superseded_at) in itertools.pairwise(versions):
        if superseded_at > young:
            return min(floor, version)
    return floor


def _drop_rows(connection: sqlite3.Connection, floor: int, counts: _Counts) -> None:
    with transaction(connection):
        counts.versions += connection.execute("DELETE FROM versions WHERE version < ?", (floor,)).rowcount
        ended = connection.execute(
            "SELECT DISTINCT state_id FROM visibility WHERE version_removed <= ?", (floor,)
        ).fetchall()
        connection.execute("DELETE FROM visibility WHERE version_removed <= ?", (floor,))
        unseen = [
            state_id
            for (state_id,) in ended
            if not connection.execute("SELECT 1 FROM visibility WHERE state_id = ?", (state_id,)).fetchone()
            and not connection.execute("SELECT 1 FROM documents WHERE state_id = ?", (state_id,)).fetchone()
        ]
        vectors, counts.hashes = drop_states(connection, unseen)
        counts.vectors += vectors
        counts.documents += len(unseen)


def _remove_folders(root: Path, kept: set[int], counts: _Counts) -> None:
    for version in list_versions(root):
        if version not in kept:
            files.remove_folder(root / VERSIONS_NAME / str(version))
            counts.leftovers += version > max(kept, default=0)
    for name in (VERSIONS_NAME, SEGMENTS_NAME):
        for path in sorted((root / name).iterdir()) if (root / name).is_dir() else ():
            if path.name.startswith(files.HIDDEN):
                files.remove_folder(path)
                counts.leftovers += 1
    try:
        used = {entry.segment_id for version in kept for entry in read_manifest(root, version).segments}
    except DamagedError as error:
        logger.warning("%s; no segments are removed until `kb verify --repair`", error)
        return
    for path in sorted((root / SEGMENTS_NAME).iterdir()) if (root / SEGMENTS_NAME).is_dir() else ():
        if path.is_dir() and path.name not in used:
            files.remove_folder(path)
            counts.segments += 1


def _sweep(root: Path, connection: sqlite3.Connection, counts: _Counts) -> None:
    for path in list_originals(root):
        known = (
            is_original(path)
            and connection.execute(
                "SELECT 1 FROM states WHERE content_hash = ? AND has_original", (path.name,)
            ).fetchone()
        )
        if not known:
            files.remove_file(path)
            counts.originals += 1
    with transaction(connection):
        counts.vectors += connection.execute(
            "DELETE FROM vectors WHERE NOT EXISTS (SELECT 1 FROM chunks c WHERE c.vector_id = vectors.vector_id)"
        ).rowcount
    connection.execute("PRAGMA incremental_vacuum").fetchall()
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    if (root / ORIGINALS_NAME).is_dir():
        files.sync_folder(root / ORIGINALS_NAME)
