"""Rolling back: a new version that shows an old set, from the old version's own segments where they are sound."""

from __future__ import annotations

import dataclasses
import functools
import logging
import sqlite3
import time
from pathlib import Path

from indexes.errors import DamagedError, EmbeddingMismatchError, NotFoundError
from indexes.records import EmbeddingIdentity
from indexes.storage import ledger
from indexes.storage.database import transaction
from indexes.storage.layout import Layout
from indexes.storage.ledger import Change, Committed
from indexes.storage.manifest import TOMBSTONES_NAME, Manifest
from indexes.storage.publishing import announce, commit_version, describe_version, finish, keeping_old_version
from indexes.storage.segments import check_segment
from indexes.storage.states import drop_states
from indexes.storage.versions import SEGMENTS_NAME, VERSIONS_NAME, read_manifest, read_tombstones, write_version
from indexes.text.matching import FOLD_VERSION

logger = logging.getLogger(__name__)


def roll_back(root: Path, connection: sqlite3.Connection, version: int, configured: EmbeddingIdentity | None) -> int:
    """Publish the set that `version` shows as a new version and return its number; the same number where they agree.

    Unpublished work is set aside: the next ingest finds its sources changed and puts them again. Raise NotFoundError
    where `version` is not kept, and EmbeddingMismatchError where another embedder than the `configured` one made it
    (with None configured it is restored, embedder and all). Damaged files are built anew from SQLite.
    """
    with keeping_old_version(root):
        finish(root, connection)
        kept = {row.version: row for row in ledger.committed_versions(connection)}
        if version not in kept:
            listed = ", ".join(map(str, kept)) or "none"
            raise NotFoundError(f"version {version} is not kept; kept are: {listed}")
        target, latest = kept[version], kept[max(kept)]
        identity = ledger.identity_of(connection, target.space)
        if configured is not None and identity != configured:
            raise EmbeddingMismatchError(
                f"version {version} was embedded by {identity.name} {identity.model}, not by the configured"
                f" {configured.name} {configured.model}; configure that embedder, or `kb ingest … --force`"
            )
        change = _difference(connection, latest.version, version)
        if not change and latest.space == target.space:
            with transaction(connection):
                _set_aside(connection, latest.version, identity)
            return latest.version
        manifest, contents = _restored(root, connection, target, identity, latest.version + 1)
        write_version(root, manifest, contents)
        also = functools.partial(_set_aside, connection, manifest.version, identity)
        commit_version(connection, manifest, target.space, change, also)
        announce(root, connection, manifest.version)
        return manifest.version


def _difference(connection: sqlite3.Connection, latest: int, version: int) -> Change:
    now = {state.state_id: state for state in ledger.shown_states(connection, latest)}
    then = {state.state_id: state for state in ledger.shown_states(connection, version)}
    return Change(
        added=[state for key, state in then.items() if key not in now],
        removed=[state for key, state in now.items() if key not in then],
    )


def _restored(
    root: Path, connection: sqlite3.Connection, target: Committed, identity: EmbeddingIdentity, version: int
) -> tuple[Manifest, dict[str, bytes]]:
    """Return the manifest and files of a new version that shows what `target` shows."""
    try:
        old = read_manifest(root, target.version)
        for entry in old.segments:
            check_segment(root / SEGMENTS_NAME / entry.segment_id, entry, hashed=True)
        read_tombstones(root, old)
        if old.fold_version == FOLD_VERSION:
            path = root / VERSIONS_NAME / str(target.version) / TOMBSTONES_NAME
            contents = {TOMBSTONES_NAME: path.read_bytes()} if old.files else {}
            restored = dataclasses.replace(old, version=version, published_at=time.time(), restored_from=target.version)
            return restored, contents
    except DamagedError as error:
        logger.warning("%s; building the segments of version %d anew", error, target.version)
    planned = Manifest(
        version=version,
        published_at=time.time(),
        embedding=identity,
        splitter=ledger.head_splitter(connection),
        fold_version=FOLD_VERSION,
        documents=target.documents,
        chunks=target.chunks,
        restored_from=target.version,
        segments=(),
        files={},
    )
    rows = ledger.rows_of(ledger.shown_states(connection, target.version))
    return describe_version(root, connection, Layout([], rows), planned)


def _set_aside(connection: sqlite3.Connection, version: int, identity: EmbeddingIdentity) -> None:
    """Make the states that `version` shows the newest acknowledged ones, and drop those that were never published."""
    shown = {"version": version}
    connection.execute(
        f"DELETE FROM documents WHERE state_id NOT IN (SELECT v.state_id FROM visibility v WHERE {ledger.SHOWN})",
        shown,
    )
    connection.execute(
        "INSERT OR IGNORE INTO documents (document_id, uri, state_id, size, mtime_ns)"
        " SELECT s.document_id, s.uri, s.state_id, s.size, s.mtime_ns FROM visibility v"
        f" JOIN states s ON s.state_id = v.state_id WHERE {ledger.SHOWN}",
        shown,
    )
    connection.execute("DELETE FROM pending")
    unpublished = connection.execute(
        "SELECT state_id FROM states s WHERE NOT EXISTS (SELECT 1 FROM visibility v WHERE v.state_id = s.state_id)"
    ).fetchall()
    drop_states(connection, [state_id for (state_id,) in unpublished])
    ledger.set_head_space(connection, identity)
