"""A copy of a database as it is at one moment, taken while others read and write."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from indexes.storage import files
from indexes.storage.database import connect_reader, typed_errors


def copy_database(source: Path, target: Path) -> None:
    """Copy the database `source` into the new file `target`, durably, by SQLite's online backup.

    Readers and the writer go on meanwhile; what is committed after the first page was read is not in the copy. Raise
    DamagedError for a corrupt source, ConfigurationError for one of another format.
    """
    with typed_errors(source), closing(connect_reader(source)) as reader, closing(sqlite3.connect(target)) as copy:
        # In one step: the read transaction then spans the whole copy, and no write can make it begin again.
        reader.backup(copy)
        # One file, whole without a log beside it.
        copy.execute("PRAGMA journal_mode=DELETE")
    files.sync_file(target)
