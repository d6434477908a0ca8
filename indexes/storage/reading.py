"""Opening versions for readers: checked, cached, never blocking on the writer, never going back without need."""

from __future__ import annotations

import logging
import os
import threading
import weakref
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from indexes.errors import DamagedError, EmbeddingMismatchError
from indexes.records import EmbeddingIdentity
from indexes.storage import ledger
from indexes.storage.database import ReaderPool
from indexes.storage.manifest import Manifest
from indexes.storage.segments import OpenFiles, OpenSegment, read_rows
from indexes.storage.snapshot import Snapshot
from indexes.storage.versions import (
    CURRENT_NAME,
    SEGMENTS_NAME,
    list_versions,
    read_current,
    read_manifest,
    read_tombstones,
)  # fmt: skip
from indexes.storage.vouching import vouch
from indexes.text.matching import FOLD_VERSION

logger = logging.getLogger(__name__)

# A version can only vanish while it is opened if gc removed it, and then CURRENT has moved on.
ATTEMPTS = 10

NOT_EMBEDDED = EmbeddingIdentity("", "", "", 0, "", "", 0)
"""The identity of a store that was never told of an embedder."""

_Stamp = tuple[int, int, int] | None


@dataclass(frozen=True, slots=True)
class _Opened:
    """What readers are served, and the stamp (inode, time, size) of CURRENT for which it was chosen."""

    snapshot: Snapshot
    stamp: _Stamp


class VersionReader:
    """Serves the newest good version to many threads; one reference is swapped when there is a newer one."""

    def __init__(self, root: Path, pool: ReaderPool, embedding: EmbeddingIdentity | None) -> None:
        self._root = root
        self._pool = pool
        self._embedding = embedding
        self._opened: _Opened | None = None
        self._files: dict[str, OpenFiles] = {}
        self._withdrawn: set[tuple[str, int]] = set()  # segment and inode: a repaired segment has another inode
        self._refreshing = threading.Lock()
        self._folder = _OpenFolder(root)

    def snapshot(self) -> Snapshot:
        """Return the newest good version; costs one stat where nothing was published since.

        While one thread opens a newer version the others are served the one before. A damaged newest version is
        passed over with a logged warning. Raise DamagedError where no version is good, and EmbeddingMismatchError
        where the only one was made by another embedder than configured.
        """
        opened = self._opened
        if opened is not None and opened.stamp == self._stamp():
            return opened.snapshot
        if opened is None:
            self._refreshing.acquire()
        elif not self._refreshing.acquire(blocking=False):
            return opened.snapshot
        try:
            opened = self._opened
            if opened is None or opened.stamp != self._stamp():
                opened = self._opened = self._refresh(opened)
            return opened.snapshot
        finally:
            self._refreshing.release()

    def current(self) -> int:
        """Return the number of the newest version, 0 where nothing is published, whether or not its files are good."""
        try:
            number = read_current(self._root)
        except DamagedError as error:
            logger.warning("%s", error)
            number = 0
        if number:
            return number
        # CURRENT is missing or damaged; SQLite knows which versions readers had been shown.
        with self._pool.connection() as connection:
            return max((row.version for row in ledger.committed_versions(connection) if row.announced), default=0)

    def _refresh(self, before: _Opened | None) -> _Opened:
        if self._folder.was_replaced():
            logger.warning("%s was put in the place of another; opening it anew", self._root)
            self._folder = _OpenFolder(self._root)
            self._pool.renew()
            self._files, self._withdrawn, before = {}, set(), None
        held = before.snapshot.version if before is not None else 0
        problem: DamagedError | EmbeddingMismatchError | None = None
        number = 0
        for _ in range(ATTEMPTS):
            stamp = self._stamp()
            number = self.current()
            if number == 0 and before is None:
                return _Opened(self._nothing(), stamp)
            if before is not None and number <= held:
                if number < held:
                    logger.warning("%s went back from %d to %d; staying at %d", CURRENT_NAME, held, number, held)
                return _Opened(before.snapshot, stamp)
            try:
                return _Opened(self._open(number), stamp)
            except (DamagedError, EmbeddingMismatchError) as error:
                problem = error
            if self._stamp() == stamp:
                break
        return self._fall_back(before, number, problem)

    def _fall_back(
        self, before: _Opened | None, number: int, problem: DamagedError | EmbeddingMismatchError | None
    ) -> _Opened:
        stamp = self._stamp()
        held = before.snapshot.version if before is not None else 0
        if isinstance(problem, DamagedError):
            for older in reversed(list_versions(self._root)):
                if held < older < number:
                    try:
                        opened = _Opened(self._open(older), stamp)
                    except (DamagedError, EmbeddingMismatchError) as error:
                        logger.warning("%s", error)
                        continue
                    logger.warning("%s; serving version %d; run `kb verify --repair`", problem, older)
                    return opened
        if before is not None:
            logger.warning("%s; version %d goes on serving", problem, held)
            return _Opened(before.snapshot, stamp)
        if isinstance(problem, EmbeddingMismatchError):
            raise problem
        raise DamagedError(
            f"version {number} of '{self._root.name}' is damaged ({problem}), and no older one is good;"
            f" run `kb verify --repair --kb {self._root.name}`"
        ) from problem

    def _open(self, number: int) -> Snapshot:
        manifest = read_manifest(self._root, number)
        self._refuse_other_makers(manifest)
        tombstones = read_tombstones(self._root, manifest)
        inodes = vouch(self._root, manifest.segments, self._withdraw)
        for withdrawn, inode in self._withdrawn:
            if inodes.get(withdrawn) == inode:
                raise DamagedError(f"version {number} shows segment {withdrawn[:12]}, which is damaged")
        opened: dict[str, OpenFiles] = {}
        segments = []
        for entry, dead in zip(manifest.segments, tombstones, strict=True):
            kept = self._files.get(entry.segment_id)
            if kept is None:
                folder = self._root / SEGMENTS_NAME / entry.segment_id
                kept = OpenFiles(folder, entry, read_rows(self._root, entry))
            opened[entry.segment_id] = kept
            live = np.ones(entry.count, np.bool_)
            live[dead] = False
            segments.append(OpenSegment(kept, live))
        self._files = opened
        return Snapshot(manifest, segments, self._pool)

    def _refuse_other_makers(self, manifest: Manifest) -> None:
        if self._embedding is not None and manifest.embedding != self._embedding:
            raise EmbeddingMismatchError(
                f"version {manifest.version} of '{self._root.name}' was embedded by {manifest.embedding.name}"
                f" {manifest.embedding.model}, the configuration names {self._embedding.name} {self._embedding.model}"
            )
        if manifest.fold_version != FOLD_VERSION:
            raise DamagedError(f"the keywords of version {manifest.version} were made by another release")

    def _withdraw(self, segment_id: str, inode: int) -> None:
        """Stop serving a segment: the next reader looks for a version without it."""
        self._withdrawn.add((segment_id, inode))
        self._files.pop(segment_id, None)
        opened = self._opened
        if opened is not None and any(segment.segment_id == segment_id for segment in opened.snapshot.segments):
            self._opened = None

    def _nothing(self) -> Snapshot:
        embedding = self._embedding
        if embedding is None:
            with self._pool.connection() as connection:
                space = ledger.head_space(connection)
                embedding = NOT_EMBEDDED if space is None else ledger.identity_of(connection, space)
        return Snapshot(Manifest(0, 0.0, embedding, None, FOLD_VERSION, 0, 0, None, (), {}), (), self._pool)

    def _stamp(self) -> _Stamp:
        try:
            stat = (self._root / CURRENT_NAME).stat()
        except OSError:
            return None
        return stat.st_ino, stat.st_mtime_ns, stat.st_size


class _OpenFolder:
    """The folder of a knowledge base, held open, so that another one of its name can be told from it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None
        if os.name != "nt" and path.is_dir():
            self._descriptor = os.open(path, os.O_RDONLY)
            weakref.finalize(self, os.close, self._descriptor)

    def was_replaced(self) -> bool:
        """Return whether another folder is there now, as after a restore; False while there is none."""
        if self._descriptor is None:
            return False
        try:
            return not os.path.samestat(self._path.stat(), os.fstat(self._descriptor))
        except OSError:
            return False
