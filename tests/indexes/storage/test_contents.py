"""All that a version shows can be read in portions, with the vectors that search uses, or it is said to be gone."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import numpy as np
import pytest

from indexes.errors import DamagedError, NotFoundError
from indexes.rows import ShownDocument, StoredPassage
from indexes.store import Snapshot, Store
from tests.indexes.storage_samples import fill, id_of, make_store, put, text_of


def _documents(snapshot: Snapshot, limit: int) -> list[ShownDocument]:
    found: list[ShownDocument] = []
    while page := snapshot.documents(found[-1].document_id if found else "", limit):
        assert len(page) <= limit
        found += page
    return found


def _passages(snapshot: Snapshot, document: ShownDocument, limit: int) -> list[StoredPassage]:
    portions = [snapshot.passages(document, begin, limit) for begin in range(0, document.chunks, limit)]
    return [passage for portion in portions for passage in portion]


def test_portions_hold_what_the_segments_hold(tmp_path: Path) -> None:
    """Documents by id and passages in order, in portions of any size, are those of the segments, vectors included."""
    store = make_store(tmp_path / "kb")
    fill(store, 7)
    with store.writer() as writer:
        put(writer, "3", text_of("3", "新"))
        writer.remove([id_of("5")])
        writer.publish()
    snapshot = store.snapshot()
    expected = {
        int(row): vector.tolist()
        for segment in snapshot.segments
        for row, vector in zip(
            segment.row_ids[segment.live], segment.vectors.vectors(np.flatnonzero(segment.live)), strict=True
        )
    }
    for limit in (1, 3, 100):
        documents = _documents(snapshot, limit)
        assert [document.document_id for document in documents] == sorted(map(id_of, "012346"))
        assert {document.version_added for document in documents if document.document_id != id_of("3")} == {1}
        assert [document.version_added for document in documents if document.document_id == id_of("3")] == [2]
        passages = [passage for document in documents for passage in _passages(snapshot, document, limit)]
        assert {passage.stored.row_id: passage.vector.tolist() for passage in passages} == expected
        stored = snapshot.chunks([passage.stored.row_id for passage in passages])
        assert [passage.stored for passage in passages] == stored


def test_an_empty_store_and_an_empty_document_have_nothing(tmp_path: Path) -> None:
    """Before the first version there are no documents, and behind the last passage there are none."""
    store = make_store(tmp_path / "kb")
    assert store.snapshot().documents() == []
    fill(store, 1)
    (document,) = store.snapshot().documents()
    assert store.snapshot().passages(document, document.chunks, 10) == []


def _superseded(store: Store, keep: int) -> None:
    for number in range(keep + 1):
        fill(store, 3, f"轮{number}")
    store.gc(minimum_age=0)


def test_a_version_that_went_is_told_from_an_empty_one(tmp_path: Path) -> None:
    """Reading a version that gc removed is NotFoundError, in the list and in a document, never a shorter list."""
    store = make_store(tmp_path / "kb", keep_versions=1)
    fill(store, 3)
    snapshot = store.snapshot()
    document = snapshot.documents()[0]
    _superseded(store, 1)
    with pytest.raises(NotFoundError, match="no longer kept"):
        snapshot.documents()
    with pytest.raises(NotFoundError, match="no longer kept"):
        snapshot.passages(document, 0, 10)


def test_a_damaged_vector_is_not_handed_on(tmp_path: Path) -> None:
    """A vector whose bytes do not match their checksum is an error that names the check."""
    store = make_store(tmp_path / "kb")
    fill(store, 1)
    with sqlite3.connect(tmp_path / "kb" / "kb.sqlite") as connection:
        connection.execute("UPDATE vectors SET vector = zeroblob(length(vector))")
    connection.close()
    snapshot = store.snapshot()
    with pytest.raises(DamagedError, match="kb verify"):
        snapshot.passages(snapshot.documents()[0], 0, 1)
