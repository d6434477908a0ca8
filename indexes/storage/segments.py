"""Segments: vectors, keywords and row ids in one immutable folder, named by the hash of what it holds."""

from __future__ import annotations

import hashlib
import io
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from indexes.errors import DamagedError
from indexes.keywords.bm25 import KeywordEntry, KeywordSegment, write_keywords
from indexes.storage import files
from indexes.storage.manifest import FileEntry, SegmentEntry, segment_bytes
from indexes.storage.versions import SEGMENTS_NAME, check_file, commit_folder, describe_files
from indexes.vectors.coarse import sampled_positions, suits, write_coarse
from indexes.vectors.flat import COARSE_FROM, VectorSegment, read_at, read_halves, write_vectors

ROWS_NAME = "rows.npy"
VECTORS_NAME = "vectors.faiss"
COARSE_NAME = "coarse.faiss"
KEYWORDS_NAME = "keywords"
DESCRIPTION_NAME = "segment.json"

# Vectors that are in memory at once.
_BATCH_ROWS = 4096

Rows = NDArray[np.int64]


def build_segment(root: Path, connection: sqlite3.Connection, row_ids: Rows, dimension: int) -> SegmentEntry:
    """Build a segment of the chunks `row_ids` (ascending, not empty) from SQLite, embedding nothing.

    A sound segment that holds the same is kept. Memory grows with the row ids and the distinct terms, and from
    COARSE_FROM rows on with a quarter of a byte a component; texts and vectors pass through.
    """
    entries: list[SegmentEntry] = []

    def fill(folder: Path) -> str:
        buffer = io.BytesIO()
        np.save(buffer, row_ids.astype("<i8"), allow_pickle=False)
        files.write_file(folder / ROWS_NAME, buffer.getvalue())
        _write_vectors(folder, connection, row_ids, dimension)
        files.make_folder(folder / KEYWORDS_NAME)
        write_keywords(folder / KEYWORDS_NAME, _entries(connection, row_ids))
        listed = describe_files(folder)
        description = segment_bytes(int(row_ids.size), listed)
        files.write_file(folder / DESCRIPTION_NAME, description)
        digest = hashlib.sha256(description).hexdigest()
        listed[DESCRIPTION_NAME] = FileEntry(len(description), digest)
        entries.append(SegmentEntry(digest, int(row_ids.size), 0, listed))
        return digest

    def keep(folder: Path) -> bool:
        try:
            check_segment(folder, entries[0], hashed=True)
        except DamagedError:
            return False
        return True

    commit_folder(root / SEGMENTS_NAME, fill, keep)
    return entries[0]


def check_segment(folder: Path, entry: SegmentEntry, *, hashed: bool) -> None:
    """Raise DamagedError where a file of a segment is missing, has another size, or (if `hashed`) another hash."""
    for name, listed in entry.files.items():
        check_file(folder / name, listed, hashed=hashed)


def read_rows(root: Path, entry: SegmentEntry) -> Rows:
    """Return the row ids of a segment, ascending. Raise DamagedError where they are not as many as listed."""
    path = root / SEGMENTS_NAME / entry.segment_id / ROWS_NAME
    try:
        rows: Rows = np.load(path, allow_pickle=False).astype(np.int64)
    except (OSError, ValueError) as error:
        raise DamagedError(f"the row ids of segment {entry.segment_id[:12]} cannot be read") from error
    if rows.shape != (entry.count,):
        raise DamagedError(f"segment {entry.segment_id[:12]} has {rows.size} rows instead of {entry.count}")
    return rows


class OpenFiles:
    """The files of a segment, mapped. Shared by every version that shows the segment; usable after gc removed it.

    Raise DamagedError where vectors or passages are not as many as `row_ids`.
    """

    def __init__(self, folder: Path, entry: SegmentEntry, row_ids: Rows) -> None:
        self.segment_id = entry.segment_id
        self.row_ids = row_ids
        # Mapped now and not at the first search: gc may remove the names once the version is no longer kept.
        coarse = folder / COARSE_NAME if COARSE_NAME in entry.files else None
        self.vectors = VectorSegment.open(folder / VECTORS_NAME, coarse)
        self.keywords = KeywordSegment.open(folder / KEYWORDS_NAME)
        for count, what in ((self.vectors.count, "vectors"), (self.keywords.count, "passages")):
            if count != row_ids.size:
                raise DamagedError(f"segment {self.segment_id[:12]} has {count} {what} for {row_ids.size} rows")


class OpenSegment:
    """A segment as one version shows it: `row_ids` (n,) ascending, `live` (n,) true where the row is shown."""

    def __init__(self, opened: OpenFiles, live: NDArray[np.bool_]) -> None:
        self._opened = opened
        self.live = live

    @property
    def segment_id(self) -> str:
        """The hash that names the segment."""
        return self._opened.segment_id

    @property
    def row_ids(self) -> Rows:
        """The chunks' row ids in SQLite, ascending."""
        return self._opened.row_ids

    @property
    def vectors(self) -> VectorSegment:
        """The vectors, in the order of `row_ids`."""
        return self._opened.vectors

    @property
    def keywords(self) -> KeywordSegment:
        """The keyword index, in the order of `row_ids`."""
        return self._opened.keywords


def row_ranges(row_ids: Rows) -> list[tuple[int, int]]:
    """Return the runs of consecutive numbers in ascending `row_ids` as (first, last), both inside."""
    if not row_ids.size:
        return []
    breaks = np.flatnonzero(np.diff(row_ids) != 1)
    firsts = row_ids[np.concatenate(([0], breaks + 1))]
    lasts = row_ids[np.concatenate((breaks, [row_ids.size - 1]))]
    return [(int(first), int(last)) for first, last in zip(firsts, lasts, strict=True)]


def _write_vectors(folder: Path, connection: sqlite3.Connection, row_ids: Rows, dimension: int) -> None:
    path = folder / VECTORS_NAME
    count = write_vectors(path, dimension, _vectors(connection, row_ids, dimension))
    if count != row_ids.size:
        raise DamagedError(f"kb.sqlite has {count} of {row_ids.size} vectors of a segment")
    if count >= COARSE_FROM and suits(dimension):
        sample = read_at(path, dimension, count, sampled_positions(count))
        write_coarse(folder / COARSE_NAME, count, read_halves(path, dimension, count), sample)


def _vectors(connection: sqlite3.Connection, row_ids: Rows, dimension: int) -> Iterator[NDArray[np.float16]]:
    for first, last in row_ranges(row_ids):
        found = connection.execute(
            "SELECT v.vector FROM chunks c JOIN vectors v ON v.vector_id = c.vector_id"
            " WHERE c.row_id BETWEEN ? AND ? ORDER BY c.row_id",
            (first, last),
        )
        while blobs := [blob for (blob,) in found.fetchmany(_BATCH_ROWS)]:
            if any(len(blob) != 2 * dimension for blob in blobs):
                raise DamagedError(
                    f"a vector of rows {first} to {last} in kb.sqlite does not have {dimension} components"
                )
            yield np.frombuffer(b"".join(blobs), dtype="<f2").reshape(len(blobs), dimension)


def _entries(connection: sqlite3.Connection, row_ids: Rows) -> Iterator[KeywordEntry]:
    for first, last in row_ranges(row_ids):
        found = connection.execute(
            "SELECT s.title, c.heading, c.text FROM chunks c JOIN states s ON s.state_id = c.state_id"
            " WHERE c.row_id BETWEEN ? AND ? ORDER BY c.row_id",
            (first, last),
        )
        for title, heading, text in found:
            yield KeywordEntry(title, heading, text)
