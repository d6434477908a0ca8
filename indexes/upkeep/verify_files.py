"""Checking CURRENT, versions/ and segments/ against their hashes, against each other and against SQLite."""

from __future__ import annotations

import hashlib
import re
import sqlite3
from pathlib import Path

import numpy as np

from indexes.errors import DamagedError
from indexes.storage import ledger
from indexes.storage.ledger import Committed
from indexes.storage.manifest import MANIFEST_NAME, SegmentEntry, parse_segment
from indexes.storage.segments import DESCRIPTION_NAME, OpenFiles, check_segment, read_rows
from indexes.storage.versions import (
    CURRENT_NAME,
    SEGMENTS_NAME,
    VERSIONS_NAME,
    check_file,
    list_versions,
    read_current,
    read_manifest,
    read_tombstones,
)  # fmt: skip
from indexes.upkeep.findings import Findings

_SEGMENT_NAME = re.compile(r"[0-9a-f]{64}")


def verify_files(root: Path, connection: sqlite3.Connection, findings: Findings) -> None:
    """Check every file of every version and segment on the disk, and each version's set of rows."""
    committed = ledger.committed_versions(connection)
    with findings.noting():
        _check_current(root, committed)
    sound: dict[str, bool] = {}
    for row in committed:
        with findings.noting():
            check_version(root, connection, row, findings, sound)
    _check_leftovers(root, {row.version for row in committed}, findings, sound)


def _check_current(root: Path, committed: list[Committed]) -> None:
    current = read_current(root)
    latest = committed[-1].version if committed else 0
    accepted = {latest}
    if committed and not committed[-1].announced:
        # Its writer died between the commit and the swap: the next writer announces it.
        accepted.add(committed[-2].version if len(committed) > 1 else 0)
    if current not in accepted:
        raise DamagedError(f"{CURRENT_NAME} names version {current}, kb.sqlite has {latest}")


def check_version(
    root: Path, connection: sqlite3.Connection, row: Committed, findings: Findings, sound: dict[str, bool]
) -> None:
    """Check one committed version against its manifest and SQLite; problems go into `findings` or are raised.

    `sound` remembers which segments were checked and how that went, by id.
    """
    findings.checked["versions"] += 1
    folder = root / VERSIONS_NAME / str(row.version)
    manifest = read_manifest(root, row.version)
    if hashlib.sha256((folder / MANIFEST_NAME).read_bytes()).hexdigest() != row.manifest_hash:
        raise DamagedError(f"the manifest of version {row.version} is not the one that kb.sqlite vouches for")
    _check_names(folder, {MANIFEST_NAME, *manifest.files})
    for name, listed in manifest.files.items():
        check_file(folder / name, listed, hashed=True)
    findings.checked["files"] += 1 + len(manifest.files)
    if manifest.embedding != ledger.identity_of(connection, row.space):
        findings.note(f"version {row.version} names another embedder than kb.sqlite")
    if (manifest.documents, manifest.chunks) != (row.documents, row.chunks):
        findings.note(f"version {row.version} counts other documents or chunks than kb.sqlite")
    tombstones = read_tombstones(root, manifest)
    for entry in manifest.segments:
        if entry.segment_id not in sound:
            sound[entry.segment_id] = False
            with findings.noting():
                _check_segment(root, entry, manifest.embedding.dimension, findings)
                sound[entry.segment_id] = True
    if not all(sound[entry.segment_id] for entry in manifest.segments):
        return
    live = [np.delete(read_rows(root, entry), dead) for entry, dead in zip(manifest.segments, tombstones, strict=True)]
    rows = np.sort(np.concatenate([np.empty(0, np.int64), *live]))
    if not np.array_equal(rows, ledger.rows_of(ledger.shown_states(connection, row.version))):
        raise DamagedError(f"the segments of version {row.version} show other chunks than kb.sqlite")


def _check_segment(root: Path, entry: SegmentEntry, dimension: int, findings: Findings) -> None:
    folder = root / SEGMENTS_NAME / entry.segment_id
    findings.checked["segments"] += 1
    findings.checked["files"] += len(entry.files)
    check_segment(folder, entry, hashed=True)
    _check_description(folder)
    _check_names(folder, set(entry.files))
    opened = OpenFiles(folder, entry, read_rows(root, entry))
    if (np.diff(opened.row_ids) <= 0).any():
        raise DamagedError(f"the rows of segment {entry.segment_id[:12]} do not ascend")
    if opened.vectors.dimension != dimension:
        raise DamagedError(f"the vectors of segment {entry.segment_id[:12]} do not have {dimension} components")


def _check_description(folder: Path) -> None:
    content = (folder / DESCRIPTION_NAME).read_bytes()
    if hashlib.sha256(content).hexdigest() != folder.name:
        raise DamagedError(f"segments/{folder.name[:12]}…/{DESCRIPTION_NAME} does not match its hash")
    _, listed = parse_segment(content)
    for name, entry in listed.items():
        check_file(folder / name, entry, hashed=True)


def _check_names(folder: Path, listed: set[str]) -> None:
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and name not in listed and not path.name.startswith("."):
            raise DamagedError(f"{folder.parent.name}/{folder.name}/{name} belongs to no version")


def _check_leftovers(root: Path, committed: set[int], findings: Findings, sound: dict[str, bool]) -> None:
    """Check what no version refers to: a killed writer leaves it whole, so anything else is damage too."""
    for version in list_versions(root):
        if version not in committed:
            with findings.noting():
                read_tombstones(root, read_manifest(root, version))
    for name in (VERSIONS_NAME, SEGMENTS_NAME):
        for path in sorted((root / name).iterdir()) if (root / name).is_dir() else ():
            if path.name.startswith("."):
                continue
            if name == SEGMENTS_NAME and _SEGMENT_NAME.fullmatch(path.name):
                if path.name not in sound:
                    with findings.noting():
                        _check_description(path)
            elif name == SEGMENTS_NAME or not path.name.isdigit():
                findings.note(f"{name}/{path.name} belongs to no version")
