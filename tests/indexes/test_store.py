"""What is put is invisible until it is published, and is then shown whole, under one version."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from indexes.errors import DocumentError, EmbeddingMismatchError, NotFoundError, UsageError
from indexes.records import Heading, Page, document_id_of
from indexes.store import Store
from tests.indexes.storage_samples import (
    EMBEDDING,
    OTHER_EMBEDDING,
    SPLITTER,
    chunks_of,
    document_of,
    fill,
    id_of,
    make_store,
    put,
    shown,
    text_of,
    uri_of,
    vector_of,
)  # fmt: skip


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return make_store(tmp_path / "库")


def test_a_new_store_shows_nothing(store: Store) -> None:
    """A knowledge base into which nothing was put has version 0, no documents and no problems."""
    assert store.current_version() == 0
    snapshot = store.snapshot()
    assert (snapshot.version, snapshot.segments, snapshot.chunk_count) == (0, (), 0)
    assert snapshot.embedding == EMBEDDING
    assert store.documents() == [] and store.versions() == []
    assert store.verify().problems == []
    with store.writer() as writer:
        assert writer.publish() == 0


def test_work_is_invisible_until_published(store: Store) -> None:
    """A put document is seen by readers only after publish, and a second publish changes nothing."""
    with store.writer() as writer:
        put(writer, "甲", text_of("甲", "一"))
        assert store.snapshot().version == 0 and store.documents() == []
        assert store.counts().pending == 1
        assert writer.publish() == 1
        assert writer.publish() == 1
    assert shown(store.snapshot()) == {uri_of("甲"): text_of("甲", "一")}


def test_everything_of_a_document_comes_back(store: Store) -> None:
    """Text, pages, headings, metadata, warnings, timings, chunks and original bytes are read back as they were put."""
    text = text_of("全", "页")
    document = replace(
        document_of("全", text, {"date": "2024-05-03", "tag": "a,b"}, "手册"),
        pages=(Page(1, 0, 30), Page(2, 30, len(text))),
        headings=(Heading(0, 1, "第一章"),),
        warnings=("one page had no text",),
        extractor="pdfium",
        media_type="application/pdf",
    )
    chunks = [replace(chunk, heading="第一章") for chunk in chunks_of(document)]
    vectors = np.array([vector_of(chunk.text) for chunk in chunks])
    with store.writer() as writer:
        writer.put(
            document, chunks, [chunk.text for chunk in chunks], vectors, settings_hash="s", original=text.encode(),
            timings={"read": 0.5},
        )  # fmt: skip
        assert writer.stored(document.document_id).document == document
        writer.publish()
    stored = store.document(document.document_id)
    assert stored.document == document and stored.chunks == tuple(chunks)
    assert (stored.status, stored.version_added, stored.warnings) == ("ready", 1, document.warnings)
    assert stored.timings == {"read": 0.5}
    assert store.original(document.document_id) == text.encode()
    snapshot = store.snapshot()
    assert snapshot.document(document.document_id) == document
    assert snapshot.document_text(document.document_id) == text
    with pytest.raises(NotFoundError):
        store.document("0" * 16)


def test_a_changed_document_replaces_its_chunks(store: Store) -> None:
    """After a change and a removal the next version shows exactly the new set, through a delta and tombstones."""
    fill(store, 300)
    base = store.snapshot().segments[0].segment_id
    with store.writer() as writer:
        put(writer, "3", "全新的内容。" * 9)
        writer.remove([id_of("4")])
        assert writer.publish() == 2
    expected = {uri_of(str(i)): text_of(str(i), "初始") for i in range(300) if i != 4} | {
        uri_of("3"): "全新的内容。" * 9
    }
    snapshot = store.snapshot()
    assert shown(snapshot) == expected
    assert [segment.segment_id == base for segment in snapshot.segments] == [True, False]
    assert store.verify().problems == []
    row = next(row for row in store.versions() if row.current)
    assert (row.version, row.documents, row.added, row.removed) == (2, 299, 1, 2)


def test_vectors_are_kept_once_and_found_by_key(store: Store) -> None:
    """A passage that is embedded already is found under its key, at half precision, and is not stored again."""
    fill(store, 2)
    before = store.verify().checked["vectors"]
    passage = text_of("0", "初始")[:20]
    key = hashlib.sha256(passage.encode()).hexdigest()
    with store.writer() as writer:
        found = writer.vectors_for([key, "unknown"])
        put(writer, "9", text_of("0", "初始"))
        writer.publish()
    assert list(found) == [key]
    np.testing.assert_allclose(found[key], vector_of(passage), atol=1e-3)
    assert store.verify().checked["vectors"] == before


def test_segments_hold_the_vectors_of_their_rows(store: Store) -> None:
    """A passage's own vector finds that passage first, in base and delta alike."""
    fill(store, 300)
    with store.writer() as writer:
        put(writer, "新", text_of("新", "二"))
        writer.publish()
    snapshot = store.snapshot()
    assert len(snapshot.segments) == 2
    for segment in snapshot.segments:
        row = int(segment.row_ids[segment.live][1])
        (stored,) = snapshot.chunks([row])
        positions, scores = segment.vectors.search(vector_of(stored.chunk.text), 1, segment.live)
        assert snapshot.chunks(segment.row_ids[positions])[0].chunk.text == stored.chunk.text
        assert scores[0] > 0.99
        assert segment.keywords.count == segment.row_ids.size


def test_a_failure_keeps_the_earlier_state(store: Store) -> None:
    """A document that can no longer be read stays searchable, is listed as failed with its reason, and recovers."""
    fill(store, 2)
    with store.writer() as writer:
        writer.fail(uri_of("1"), "damaged", "no pages", content_hash="ff", settings_hash="s", size=5, mtime_ns=6)
        writer.fail("file:///坏.pdf", "encrypted", "needs a password")
        known = writer.known()
        assert (known[uri_of("1")].status, known[uri_of("1")].content_hash) == ("failed", "ff")
        assert known["file:///坏.pdf"].status == "failed"
        assert writer.publish() == 1
    assert shown(store.snapshot()).keys() == {uri_of("0"), uri_of("1")}
    failed = store.documents(status="failed")
    assert [(row.uri, row.status, row.error) for row in failed] == [
        ("file:///坏.pdf", "failed", "encrypted: needs a password"),
        (uri_of("1"), "failed", "damaged: no pages"),
    ]
    assert [row.uri for row in store.documents(status="ready")] == [uri_of("0")]
    assert {failure.reason for failure in store.failures()} == {"damaged", "encrypted"}
    assert store.document(id_of("1")).error == "damaged: no pages"
    assert store.document(id_of("1")).chunks
    assert store.document(document_id_of("file:///坏.pdf")).status == "failed"
    with store.writer() as writer:
        put(writer, "1", text_of("1", "好"))
        writer.remove([document_id_of("file:///坏.pdf")])
        writer.publish()
    assert store.failures() == []
    assert store.document(id_of("1")).status == "ready"


def test_pending_work_of_an_earlier_writer_is_known_and_published(store: Store) -> None:
    """What a writer put and did not publish is known to the next one, with its vectors, and is shown by its publish."""
    with store.writer() as writer:
        put(writer, "甲", text_of("甲", "一"))
    with store.writer() as writer:
        assert writer.known()[uri_of("甲")].content_hash == document_of("甲", text_of("甲", "一")).content_hash
        keys = [hashlib.sha256(c.text.encode()).hexdigest() for c in chunks_of(document_of("甲", text_of("甲", "一")))]
        assert set(writer.vectors_for(keys)) == set(keys)
        assert writer.publish() == 1
    assert uri_of("甲") in shown(store.snapshot())


def test_a_put_that_was_never_published_can_be_replaced_or_removed(store: Store) -> None:
    """Of several puts between two publishes the last one counts, and the others leave nothing behind."""
    with store.writer() as writer:
        put(writer, "甲", text_of("甲", "一"))
        put(writer, "甲", text_of("甲", "二"))
        put(writer, "乙", text_of("乙", "一"))
        writer.remove([id_of("乙")])
        assert writer.publish() == 1
    assert shown(store.snapshot()) == {uri_of("甲"): text_of("甲", "二")}
    report = store.verify()
    assert report.problems == [] and report.checked["documents"] == 1 and report.checked["originals"] == 1
    assert len(list((store.path / "originals").iterdir())) == 1


def test_touch_changes_what_is_known_and_nothing_else(store: Store) -> None:
    """A new modification time of an unchanged source is remembered without a new version."""
    fill(store, 1)
    with store.writer() as writer:
        writer.touch(uri_of("0"), 77, 88)
        assert (writer.known()[uri_of("0")].size, writer.known()[uri_of("0")].mtime_ns) == (77, 88)
        assert writer.publish() == 1


def test_removing_an_unknown_document_removes_nothing(store: Store) -> None:
    """A removal that names an unknown document is refused whole."""
    fill(store, 2)
    with store.writer() as writer:
        with pytest.raises(NotFoundError):
            writer.remove([id_of("0"), "0" * 16])
        assert writer.publish() == 1
    assert len(shown(store.snapshot())) == 2


def test_parts_that_do_not_fit_are_refused(store: Store) -> None:
    """Wrong spans, ids, hashes, shapes and vectors that are no numbers are refused before anything is stored."""
    document = document_of("甲", text_of("甲", "一"))
    chunks = chunks_of(document)
    vectors = np.array([vector_of(chunk.text) for chunk in chunks])
    keys = [chunk.text for chunk in chunks]
    nan = vectors.copy()
    nan[0, 0] = np.nan
    wrong = [
        (replace(document, document_id="f" * 16), chunks, keys, vectors, None),
        (document, [replace(chunks[0], text="另"), *chunks[1:]], keys, vectors, None),
        (document, [replace(chunks[0], end=10**6), *chunks[1:]], keys, vectors, None),
        (document, chunks[::-1], keys, vectors, None),
        (document, chunks, keys[1:], vectors, None),
        (document, chunks, keys, vectors[:, 1:], None),
        (document, chunks, keys, nan, None),
        (document, chunks, keys, vectors, b"other bytes"),
    ]
    with store.writer() as writer:
        for parts in wrong:
            with pytest.raises(UsageError):
                writer.put(*parts[:4], settings_hash="s", original=parts[4])
        with pytest.raises(DocumentError) as caught:
            writer.put(replace(document, title="\ud800"), chunks, keys, vectors, settings_hash="s")
        assert caught.value.reason == "undecodable"
        assert writer.known() == {}


def test_documents_come_in_pages(store: Store) -> None:
    """The list of documents is paged by URI or id, without gaps or repeats, failed ones among the others."""
    fill(store, 25)
    with store.writer() as writer:
        writer.fail(uri_of("15x"), "empty", "no text")
        writer.fail(uri_of("7"), "empty", "no text")
    for cursor in ("uri", "document_id"):
        seen: list[str] = []
        after = None
        while page := store.documents(after=after, limit=4):
            seen += [row.uri for row in page]
            after = getattr(page[-1], cursor)
        assert seen == sorted(seen) and len(seen) == len(set(seen)) == 26
    with pytest.raises(NotFoundError):
        store.documents(after="f" * 16)
    with pytest.raises(UsageError):
        store.documents(status="pending")
    with pytest.raises(UsageError):
        store.documents(limit=0)


def test_opening_what_is_not_there(tmp_path: Path) -> None:
    """A folder without a knowledge base is not opened, and nothing is made in it."""
    with pytest.raises(NotFoundError):
        Store.open(tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_another_embedder_is_refused(store: Store) -> None:
    """A knowledge base is not opened with another embedder, and the message names the command that re-embeds."""
    Store.open(store.path, embedding=OTHER_EMBEDDING).close()  # nothing in it yet
    fill(store, 1)
    with pytest.raises(EmbeddingMismatchError, match="--force"):
        Store.open(store.path, embedding=OTHER_EMBEDDING)
    assert Store.open(store.path, embedding=None).snapshot().embedding == EMBEDDING


def test_changing_the_embedder_loses_no_document(store: Store) -> None:
    """After a change of embedder the old version serves until every document was put again, and nothing mixes."""
    fill(store, 3)
    other = Store.open(store.path, embedding=None)
    with other.writer() as writer:
        stale = writer.change_identity(OTHER_EMBEDDING, SPLITTER)
        assert sorted(stale) == sorted(id_of(str(i)) for i in range(3))
        assert all(known.settings_hash == "" for known in writer.known().values())
        put(writer, "0", text_of("0", "初始"), embedding=OTHER_EMBEDDING)
        with pytest.raises(EmbeddingMismatchError, match="2 documents"):
            writer.publish()
    assert store.snapshot().embedding == EMBEDDING and len(shown(store.snapshot())) == 3
    with pytest.raises(EmbeddingMismatchError), store.writer():
        pass
    assert store.verify().problems == []
    with other.writer() as writer:
        assert len(writer.change_identity(OTHER_EMBEDDING)) == 2
        for document_id in writer.stale():
            name = writer.stored(document_id).document.uri.rpartition("/")[2].removesuffix(".txt")
            put(writer, name, writer.stored(document_id).document.text, embedding=OTHER_EMBEDDING)
        assert writer.publish() == 2
    snapshot = other.snapshot()
    assert snapshot.embedding == OTHER_EMBEDDING and len(shown(snapshot)) == 3
    assert {segment.vectors.dimension for segment in snapshot.segments} == {8}
    assert store.snapshot().version == 1, "a reader with the old embedder keeps the version that suits it"
    assert store.verify().problems == []


def test_a_batch_is_a_transaction_a_document(store: Store) -> None:
    """In a batch a document that is refused takes no other with it."""
    with store.writer() as writer:
        with writer.batch([text_of("甲", "一").encode()]):
            put(writer, "甲", text_of("甲", "一"))
            with pytest.raises(UsageError):
                writer.put(document_of("乙", "文"), [], ["k"], np.zeros((0, 16), np.float32), settings_hash="s")
            put(writer, "丙", text_of("丙", "一"))
        writer.publish()
    assert shown(store.snapshot()).keys() == {uri_of("甲"), uri_of("丙")}
    assert store.original(id_of("甲")) == text_of("甲", "一").encode()


def test_a_document_without_passages_is_kept(store: Store) -> None:
    """A document that gives no passage is a document of the version all the same."""
    with store.writer() as writer:
        put(writer, "空", "")
        assert writer.publish() == 1
    assert store.snapshot().document_count == 1 and store.snapshot().segments == ()
    assert store.verify().problems == []


def test_another_knowledge_base_in_the_same_place_is_served(tmp_path: Path) -> None:
    """A reader that stays open serves what was put in the place of its knowledge base, whatever number that has."""
    path = tmp_path / "kb"
    store = make_store(path)
    for tag in "一二三":
        with store.writer() as writer:
            put(writer, "甲", text_of("甲", tag))
            writer.publish()
    reader = Store.open(path, embedding=EMBEDDING)
    assert reader.snapshot().version == 3 and shown(reader.snapshot()) == {uri_of("甲"): text_of("甲", "三")}
    store.close()
    for tag in "四五":
        other = make_store(tmp_path / "other")
        with other.writer() as writer:
            put(writer, "乙", text_of("乙", tag))
            writer.publish()
        other.close()
        shutil.rmtree(path)
        (tmp_path / "other").rename(path)
        assert reader.snapshot().version == 1
        assert shown(reader.snapshot()) == {uri_of("乙"): text_of("乙", tag)}
        assert [row.uri for row in reader.documents()] == [uri_of("乙")]
    with Store.open(path, embedding=EMBEDDING, splitter=SPLITTER).writer() as writer:
        put(writer, "丙", text_of("丙", "六"))
        writer.publish()
    assert reader.snapshot().version == 2 and set(shown(reader.snapshot())) == {uri_of("乙"), uri_of("丙")}
    reader.close()
