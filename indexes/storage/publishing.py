"""Publishing: from pending work in SQLite to a version that readers open.

The order makes every moment safe to die at: new segments, the version's folder, one SQLite transaction that commits
the version, then CURRENT. A writer that dies before the commit leaves folders that nothing refers to; one that dies
after it leaves a committed version that the next writer announces.
"""

from __future__ import annotations

import dataclasses
import hashlib
import logging
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from indexes.errors import DamagedError, EmbeddingMismatchError, KBError
from indexes.records import EmbeddingIdentity
from indexes.storage import ledger
from indexes.storage.database import transaction
from indexes.storage.layout import Layout, Placed, plan_layout
from indexes.storage.ledger import Change, Committed, StateRows
from indexes.storage.manifest import TOMBSTONES_NAME, FileEntry, Manifest, manifest_bytes
from indexes.storage.segments import build_segment, check_segment, read_rows
from indexes.storage.versions import (
    SEGMENTS_NAME,
    make_folders,
    read_current,
    read_manifest,
    read_tombstones,
    spell_tombstones,
    write_current,
    write_version,
)  # fmt: skip
from indexes.text.matching import FOLD_VERSION

logger = logging.getLogger(__name__)


def publish(root: Path, connection: sqlite3.Connection) -> int:
    """Make the pending work visible as a new version and return its number.

    Where nothing changed, the number stays (0 where nothing was ever published). Cost: the change, and now and then
    a merge. Raise EmbeddingMismatchError while documents still have another embedder's vectors, DamagedError where
    SQLite is damaged, and KBError where the disk is full or fails; the old version then goes on serving.
    """
    with keeping_old_version(root):
        make_folders(root)
        finish(root, connection)
        latest = ledger.latest_version(connection)
        change = ledger.pending_change(connection)
        space = ledger.head_space(connection)
        if space is None or (latest is None and not change):
            _forget_pending(connection)
            return 0 if latest is None else latest.version
        _refuse_stale(connection, space, latest)
        previous = _read_previous(root, latest)
        if latest is not None and not change and latest.space == space and not _folded_otherwise(previous):
            _forget_pending(connection)
            return latest.version
        embedding = ledger.identity_of(connection, space)
        layout = _plan(root, connection, latest, previous, change)
        manifest, contents = _describe(root, connection, latest, change, embedding, layout)
        write_version(root, manifest, contents)
        commit_version(connection, manifest, space, change)
        announce(root, connection, manifest.version)
        return manifest.version


@contextmanager
def keeping_old_version(root: Path) -> Iterator[None]:
    """Turn what the system refuses (a full disk, say) into a KBError, and log that the old version goes on serving."""
    try:
        yield
    except (OSError, RuntimeError) as error:  # FAISS raises RuntimeError where it cannot write
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error).splitlines()[-1]
        logger.error("publishing in %s failed (%s); the version before goes on serving", root, reason)
        raise KBError(f"publishing failed: {reason}; the version before goes on serving, nothing is lost") from error


def finish(root: Path, connection: sqlite3.Connection) -> None:
    """Announce the newest committed version where its writer died before it could, and mend a wrong CURRENT."""
    latest = ledger.latest_version(connection)
    if latest is None:
        return
    try:
        current = read_current(root)
    except DamagedError as error:
        logger.warning("%s; writing it anew for version %d", error, latest.version)
        current = -1
    if current != latest.version:
        announce(root, connection, latest.version)
    elif not latest.announced:
        _mark_announced(connection, latest.version)


def announce(root: Path, connection: sqlite3.Connection, version: int) -> None:
    """Point CURRENT at a committed version."""
    write_current(root, version)
    _mark_announced(connection, version)


def commit_version(
    connection: sqlite3.Connection,
    manifest: Manifest,
    space: int,
    change: Change,
    also: Callable[[], None] | None = None,
) -> None:
    """Commit a version whose folder is on the disk: intervals, its row, and no pending work, in one transaction.

    `also` runs inside the transaction, at its end.
    """
    version = manifest.version
    with transaction(connection):
        connection.executemany(
            "UPDATE visibility SET version_removed = ? WHERE state_id = ? AND version_removed IS NULL",
            [(version, state.state_id) for state in change.removed],
        )
        connection.executemany(
            "INSERT INTO visibility (state_id, document_id, version_added) VALUES (?, ?, ?)",
            [(state.state_id, state.document_id, version) for state in change.added],
        )
        connection.execute(
            "INSERT INTO versions (version, published_at, space, documents, chunks, added, removed, restored_from,"
            " manifest_hash, announced) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 0)",
            (
                version, manifest.published_at, space, manifest.documents, manifest.chunks, len(change.added),
                len(change.removed), manifest.restored_from, manifest_hash(manifest),
            ),
        )  # fmt: skip
        connection.execute("DELETE FROM pending")
        if also is not None:
            also()


def manifest_hash(manifest: Manifest) -> str:
    """Return the SHA-256 of a manifest's file: SQLite vouches for it."""
    return hashlib.sha256(manifest_bytes(manifest)).hexdigest()


def describe_version(
    root: Path, connection: sqlite3.Connection, layout: Layout, manifest: Manifest
) -> tuple[Manifest, dict[str, bytes]]:
    """Build what a layout lacks and return `manifest` with its segments and files, and the content of those files."""
    entries = [dataclasses.replace(placed.entry, tombstones=int(placed.dead.size)) for placed in layout.kept]
    if layout.rebuilt.size:
        entries.append(build_segment(root, connection, layout.rebuilt, manifest.embedding.dimension))
    live = sum(entry.live for entry in entries)
    if live != manifest.chunks:
        raise DamagedError(f"the segments show {live} chunks where kb.sqlite has {manifest.chunks}; run `kb verify`")
    contents: dict[str, bytes] = {}
    if any(placed.dead.size for placed in layout.kept):
        contents[TOMBSTONES_NAME] = spell_tombstones([placed.dead for placed in layout.kept])
    described = {
        name: FileEntry(len(content), hashlib.sha256(content).hexdigest()) for name, content in contents.items()
    }
    return dataclasses.replace(manifest, segments=tuple(entries), files=described), contents


def load_placed(root: Path, manifest: Manifest) -> list[Placed]:
    """Return the segments of a version with their rows and tombstones, sizes checked."""
    placed = []
    for entry, dead in zip(manifest.segments, read_tombstones(root, manifest), strict=True):
        check_segment(root / SEGMENTS_NAME / entry.segment_id, entry, hashed=False)
        placed.append(Placed(entry, read_rows(root, entry), dead))
    return placed


def _plan(
    root: Path, connection: sqlite3.Connection, latest: Committed | None, previous: Manifest | None, change: Change
) -> Layout:
    added, removed = ledger.rows_of(change.added), ledger.rows_of(change.removed)
    if latest is None:
        return Layout([], added)
    if previous is not None and not _folded_otherwise(previous):
        try:
            return plan_layout(load_placed(root, previous), removed, added)
        except DamagedError as error:
            logger.warning("%s; building its segments anew", error)
    shown = ledger.rows_of(ledger.shown_states(connection, latest.version))
    return Layout([], np.union1d(np.setdiff1d(shown, removed), added))


def _describe(
    root: Path,
    connection: sqlite3.Connection,
    latest: Committed | None,
    change: Change,
    embedding: EmbeddingIdentity,
    layout: Layout,
) -> tuple[Manifest, dict[str, bytes]]:
    def count(states: list[StateRows]) -> int:
        return sum(state.chunk_count for state in states)

    planned = Manifest(
        version=1 if latest is None else latest.version + 1,
        published_at=time.time(),
        embedding=embedding,
        splitter=ledger.head_splitter(connection),
        fold_version=FOLD_VERSION,
        documents=(latest.documents if latest else 0) + len(change.added) - len(change.removed),
        chunks=(latest.chunks if latest else 0) + count(change.added) - count(change.removed),
        restored_from=None,
        segments=(),
        files={},
    )
    return describe_version(root, connection, layout, planned)


def _read_previous(root: Path, latest: Committed | None) -> Manifest | None:
    if latest is None:
        return None
    try:
        return read_manifest(root, latest.version)
    except DamagedError as error:
        logger.warning("%s; building its segments anew from kb.sqlite", error)
        return None


def _folded_otherwise(manifest: Manifest | None) -> bool:
    return manifest is not None and manifest.fold_version != FOLD_VERSION


def _refuse_stale(connection: sqlite3.Connection, space: int, latest: Committed | None) -> None:
    same = latest is not None and latest.space == space
    stale = ledger.stale_documents(connection, space, pending_only=same)
    if stale:
        raise EmbeddingMismatchError(
            f"{len(stale)} documents still have the vectors of another embedder (the first is {stale[0]});"
            " re-embed all sources with `kb ingest … --force`, or remove them"
        )


def _forget_pending(connection: sqlite3.Connection) -> None:
    if connection.execute("SELECT 1 FROM pending LIMIT 1").fetchone():
        with transaction(connection):
            connection.execute("DELETE FROM pending")


def _mark_announced(connection: sqlite3.Connection, version: int) -> None:
    with transaction(connection):
        connection.execute("UPDATE versions SET announced = 1 WHERE version = ?", (version,))
