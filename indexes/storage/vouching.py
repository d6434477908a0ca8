"""Which segment files this process may trust: hashed once, small ones at once, large ones in the background."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from pathlib import Path

from indexes.errors import DamagedError
from indexes.storage.manifest import FileEntry, SegmentEntry
from indexes.storage.segments import check_segment
from indexes.storage.versions import SEGMENTS_NAME, check_file

logger = logging.getLogger(__name__)

HASHED_AT_ONCE = 64 << 20
"""Bytes of unseen files that opening a version hashes before it returns; the rest is hashed in the background."""

Withdraw = Callable[[str, int], None]
_Signature = tuple[tuple[int, int, int], ...]
_seen: dict[Path, _Signature] = {}
_seen_lock = threading.Lock()


def vouch(root: Path, entries: Iterable[SegmentEntry], withdraw: Withdraw) -> dict[str, int]:
    """Check the segments of a version that this process has not seen: all sizes, and the hashes.

    Return the inode of each segment's folder by segment id. Raise DamagedError for what is found at once; `withdraw`
    is called from another thread, with the id and the inode of a segment, for what is found later. Segments whose
    files were seen and have not been touched since are not hashed again.
    """
    inodes: dict[str, int] = {}
    unseen: list[tuple[Path, FileEntry, str]] = []
    signatures: dict[str, tuple[Path, _Signature]] = {}
    for entry in entries:
        folder = root / SEGMENTS_NAME / entry.segment_id
        check_segment(folder, entry, hashed=False)
        inodes[entry.segment_id] = _inode(folder)
        signature = _signature(folder, entry)
        with _seen_lock:
            known = _seen.get(folder) == signature
        if not known:
            signatures[entry.segment_id] = (folder, signature)
            unseen += [(folder / name, listed, entry.segment_id) for name, listed in entry.files.items()]
    unseen.sort(key=lambda file: file[1].bytes)
    budget = HASHED_AT_ONCE
    while unseen and unseen[0][1].bytes <= budget:
        path, listed, _ = unseen.pop(0)
        check_file(path, listed, hashed=True)
        budget -= listed.bytes
    late = {segment_id for _, _, segment_id in unseen}
    _remember(signature for segment_id, signature in signatures.items() if segment_id not in late)
    if unseen:
        remaining = {segment_id: signatures[segment_id] for segment_id in late}
        threading.Thread(
            target=_hash_late, args=(unseen, remaining, inodes, withdraw), name="segment-hashing", daemon=True
        ).start()
    return inodes


def _hash_late(
    unseen: list[tuple[Path, FileEntry, str]],
    signatures: dict[str, tuple[Path, _Signature]],
    inodes: dict[str, int],
    withdraw: Withdraw,
) -> None:
    for path, listed, segment_id in unseen:
        try:
            check_file(path, listed, hashed=True)
        except DamagedError as error:
            if path.parent.exists():  # otherwise gc removed a segment that no kept version shows
                logger.error("%s; the versions that show it are withdrawn; run `kb verify --repair`", error)
                withdraw(segment_id, inodes[segment_id])
            signatures.pop(segment_id, None)
    _remember(signatures.values())


def _remember(sound: Iterable[tuple[Path, _Signature]]) -> None:
    with _seen_lock:
        _seen.update(sound)
        for folder in [folder for folder in _seen if not folder.exists()]:
            del _seen[folder]


def _inode(folder: Path) -> int:
    try:
        return folder.stat().st_ino
    except OSError as error:
        raise DamagedError(f"segment {folder.name[:12]} cannot be read: {error.strerror}") from error


def _signature(folder: Path, entry: SegmentEntry) -> _Signature:
    try:
        stats = [(folder / name).stat() for name in entry.files]
    except OSError as error:
        raise DamagedError(f"a file of segment {entry.segment_id[:12]} cannot be read: {error.strerror}") from error
    return tuple((stat.st_ino, stat.st_size, stat.st_mtime_ns) for stat in stats)
