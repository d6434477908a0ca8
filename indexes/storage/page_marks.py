"""What servers last said of web pages whose content had not changed: newer than what the states of documents hold.

States never change, and a page that is the same under a new ETag makes no new one; so the new ETag is kept beside them.
Each function runs inside the caller's transaction.
"""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass

_PREFIX = "page:"


@dataclass(frozen=True, slots=True)
class PageMarks:
    """The ETag and the time of change that a server gave with a page of this content; "" where it gave none."""

    content_hash: str
    etag: str
    last_modified: str


def remember_marks(connection: sqlite3.Connection, document_id: str, marks: PageMarks) -> None:
    """Keep the marks of a document, in place of earlier ones."""
    spelled = json.dumps([marks.content_hash, marks.etag, marks.last_modified])
    connection.execute("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", (_PREFIX + document_id, spelled))


def forget_marks(connection: sqlite3.Connection, document_id: str) -> None:
    """Forget the marks of a document that is read anew or removed."""
    connection.execute("DELETE FROM meta WHERE key = ?", (_PREFIX + document_id,))


def all_marks(connection: sqlite3.Connection) -> dict[str, PageMarks]:
    """Return the marks that are kept, by the id of their document."""
    found = connection.execute(f"SELECT key, value FROM meta WHERE key GLOB '{_PREFIX}*'")
    return {key.removeprefix(_PREFIX): PageMarks(*json.loads(value)) for key, value in found}
