"""A vector store of LlamaIndex follows the versions of a knowledge base, and finds what our own search finds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from indexes.embedders.hash import HashEmbedder
from indexes.errors import (
    ConfigurationError,
    DamagedError,
    EmbeddingMismatchError,
    LockedError,
    NotFoundError,
    UsageError,
)
from indexes.store import Snapshot, Store
from tests.kb.integrations.mirrored import EMBEDDER, TEXTS, Contents, id_of, open_store, publish, shown_in

pytest.importorskip("llama_index.core", reason="needs the llama-index extra")

from llama_index.core import VectorStoreIndex
from llama_index.core.schema import MetadataMode
from llama_index.core.vector_stores.simple import SimpleVectorStore
from llama_index.core.vector_stores.types import MetadataFilter, MetadataFilters

from kb.integrations.embedding import KnowledgeBaseEmbedding
from kb.integrations.mirror.ledger import open_ledger
from kb.integrations.vector_store import MirrorReport, VectorStoreError, VectorStoreMirror
from tests.kb.integrations.strict_store import StrictVectorStore

QUESTIONS = ("东犬灯塔建于哪一年？", "How long was the Summer Theatre in operation?", "怎样安装软件包？", "游客")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = open_store(tmp_path / "kb")
    publish(store, TEXTS)
    return store


def held_in(vectors: StrictVectorStore) -> Contents:
    """Return what a vector store holds in the form of `shown_in`."""
    found: Contents = {}
    for node_id, vector in vectors.data.embedding_dict.items():
        node = vectors.node(node_id)
        chunk_id = node.metadata["chunk_id"]
        assert chunk_id not in found, "a passage is there twice"
        found[chunk_id] = (node.text, node.ref_doc_id, node.metadata["version_added"], vector)
    assert len(vectors._rows) == len(found)
    return found


def test_nodes_say_all_that_a_hit_says(store: Store, tmp_path: Path) -> None:
    """A node carries text, span, page, title, source and stored vector; a model is shown title, page and heading."""
    vectors = StrictVectorStore()
    report = VectorStoreMirror(store, vectors, tmp_path / "ledger").update()
    snapshot = store.snapshot()
    assert report == MirrorReport(1, 3, snapshot.chunk_count, added=3, changed=0, removed=0)
    assert held_in(vectors) == shown_in(store)
    nodes = {node.metadata["chunk_id"]: node for node in map(vectors.node, vectors._rows)}
    node = nodes[f"{id_of('lighthouse')}-0"]
    text = TEXTS["lighthouse"]
    assert node.text == text[node.start_char_idx : node.end_char_idx]
    assert node.metadata == {
        "document_id": id_of("lighthouse"), "chunk_id": f"{id_of('lighthouse')}-0", "title": "lighthouse", "page": 1,
        "uri": "file:///docs/lighthouse.txt", "heading": "", "start": node.start_char_idx, "end": node.end_char_idx,
        "knowledge_base": "kb", "version_added": 1,
    }  # fmt: skip
    assert {nodes[chunk].metadata.get("page") for chunk in nodes} == {1, 2, None}
    shown = node.get_content(metadata_mode=MetadataMode.LLM)
    assert "title: lighthouse" in shown and "chunk_id" not in shown and "uri" not in shown


def _nearest(snapshot: Snapshot, question: str, k: int) -> list[tuple[str, float]]:
    vector = EMBEDDER.embed_query(question)
    found = []
    for segment in snapshot.segments:
        positions, cosines = segment.vectors.search(vector, k, segment.live)
        stored = snapshot.chunks(segment.row_ids[positions])
        found += [(s.chunk.chunk_id, float(cosine)) for s, cosine in zip(stored, cosines, strict=True)]
    return sorted(found, key=lambda item: -item[1])[:k]


def test_an_index_finds_what_our_dense_search_finds(store: Store, tmp_path: Path) -> None:
    """A VectorStoreIndex over the mirrored store gives the passages of our dense search, in its order, as near."""
    publish(store, {"theatre": TEXTS["theatre"] + " It burnt down later."})
    vectors = StrictVectorStore()
    VectorStoreMirror(store, vectors, tmp_path / "ledger").update()
    index = VectorStoreIndex.from_vector_store(vectors, embed_model=KnowledgeBaseEmbedding(EMBEDDER))
    snapshot = store.snapshot()
    for question in QUESTIONS:
        nodes = index.as_retriever(similarity_top_k=4).retrieve(question)
        expected = _nearest(snapshot, question, 4)
        assert [node.metadata["chunk_id"] for node in nodes] == [chunk_id for chunk_id, _ in expected]
        assert np.allclose([node.score for node in nodes], [cosine for _, cosine in expected], atol=1e-3)
    filters = MetadataFilters(filters=[MetadataFilter(key="title", value="package")])
    for node in index.as_retriever(similarity_top_k=9, filters=filters).retrieve(QUESTIONS[0]):
        assert node.metadata["title"] == "package"


def test_an_update_touches_only_what_changed(store: Store, tmp_path: Path) -> None:
    """What is new is added, what changed is replaced, what is gone is deleted, and nothing else is written."""
    vectors = StrictVectorStore()
    mirror = VectorStoreMirror(store, vectors, tmp_path / "ledger", batch_passages=2)
    mirror.update()
    assert vectors._largest <= 2
    before = vectors._added
    assert mirror.update() == MirrorReport(1, 3, before, 0, 0, 0)
    assert vectors._added == before

    publish(store, {"lighthouse": "东犬灯塔关闭了。", "new": "新的制度。"}, removed=["theatre"])
    report = mirror.update()
    assert (report.version, report.documents, report.added, report.changed, report.removed) == (2, 3, 1, 1, 1)
    assert vectors._added == before + 2
    assert held_in(vectors) == shown_in(store)

    store.rollback(1)
    mirror.update()
    assert held_in(vectors) == shown_in(store)
    publish(store, {}, removed=list(TEXTS))
    assert mirror.update() == MirrorReport(4, 0, 0, 0, 0, 3)
    assert held_in(vectors) == {}


def test_one_large_document_goes_in_batches(tmp_path: Path) -> None:
    """A document of more passages than a batch is added in several calls, whole and once."""
    store = open_store(tmp_path / "kb")
    publish(store, {"long": "".join(f"第{number}条规定了第{number}件事情。" for number in range(60)), **TEXTS})
    vectors = StrictVectorStore()
    VectorStoreMirror(store, vectors, tmp_path / "ledger", batch_passages=7).update()
    assert vectors._largest == 7
    assert held_in(vectors) == shown_in(store)


def test_a_version_removed_while_it_is_read_gives_way_to_the_newest(tmp_path: Path) -> None:
    """Where gc removes the version in the middle of an update, the update ends with the newest one, nothing twice."""
    store = open_store(tmp_path / "kb", keep_versions=1)
    publish(store, TEXTS)
    vectors = StrictVectorStore()
    writer = open_store(tmp_path / "kb", keep_versions=1)
    steps = 0

    def supersede() -> None:
        nonlocal steps
        steps += 1
        if steps == 3:
            publish(writer, {title: text + "改。" for title, text in TEXTS.items()})
            publish(writer, {"new": "新的制度。"}, removed=["theatre"])
            assert writer.gc(minimum_age=0).versions

    vectors._step = supersede
    report = VectorStoreMirror(store, vectors, tmp_path / "ledger", batch_passages=1).update()
    assert (report.version, report.documents) == (3, 3)
    assert held_in(vectors) == shown_in(store)


def test_another_knowledge_base_is_refused(store: Store, tmp_path: Path) -> None:
    """The ledger of one knowledge base is not used for another, nor for another kind of store; nothing is touched."""
    vectors = StrictVectorStore()
    VectorStoreMirror(store, vectors, tmp_path / "ledger").update()
    other = open_store(tmp_path / "elsewhere" / "kb")
    publish(other, {"new": "新的制度。"})
    with pytest.raises(UsageError, match="elsewhere"):
        VectorStoreMirror(other, vectors, tmp_path / "ledger").update()
    with pytest.raises(UsageError, match="SimpleVectorStore"):
        VectorStoreMirror(store, SimpleVectorStore(), tmp_path / "ledger").update()
    assert held_in(vectors) == shown_in(store)


def test_a_knowledge_base_that_moved_is_known_by_its_name(store: Store, tmp_path: Path) -> None:
    """With a name given, the folder may be another: nothing is added again."""
    vectors = StrictVectorStore()
    VectorStoreMirror(store, vectors, tmp_path / "ledger", known_as="handbook").update()
    store.close()
    (tmp_path / "kb").rename(tmp_path / "moved")
    moved = open_store(tmp_path / "moved")
    report = VectorStoreMirror(moved, vectors, tmp_path / "ledger", known_as="handbook").update()
    assert (report.added, report.changed, report.removed) == (0, 0, 0)


def test_another_embedding_is_refused_until_cleared(store: Store, tmp_path: Path) -> None:
    """Vectors of two models never meet in a store: the update is refused, and after clear() all is added anew."""
    vectors = StrictVectorStore()
    VectorStoreMirror(store, vectors, tmp_path / "ledger").update()
    before = held_in(vectors)
    store.close()
    other = HashEmbedder(32)
    changed = Store.open(tmp_path / "kb")
    with changed.writer() as writer:
        writer.change_identity(other.identity)
    publish(changed, TEXTS, embedder=other)
    mirror = VectorStoreMirror(changed, vectors, tmp_path / "ledger")
    with pytest.raises(EmbeddingMismatchError, match=r"hash-64.*hash-32.*clear"):
        mirror.update()
    assert held_in(vectors) == before
    mirror.clear()
    assert held_in(vectors) == {}
    assert mirror.update().added == 3
    assert held_in(vectors) == shown_in(changed)
    assert {len(vector) for vector in vectors.data.embedding_dict.values()} == {32}


def test_a_store_that_lost_everything_is_noticed(store: Store, tmp_path: Path) -> None:
    """A store that is empty against its ledger is an error that names the way out, and that way works."""
    VectorStoreMirror(store, StrictVectorStore(), tmp_path / "ledger").update()
    vectors = StrictVectorStore()
    mirror = VectorStoreMirror(store, vectors, tmp_path / "ledger")
    with pytest.raises(VectorStoreError, match="remove the ledger"):
        mirror.update()
    (tmp_path / "ledger").unlink()
    mirror.update()
    assert held_in(vectors) == shown_in(store)


def test_an_empty_knowledge_base_is_an_empty_store(tmp_path: Path) -> None:
    """Before anything is published there is nothing to add, and the first version is added when it is there."""
    store = open_store(tmp_path / "kb")
    vectors = StrictVectorStore()
    mirror = VectorStoreMirror(store, vectors, tmp_path / "ledger")
    assert mirror.update() == MirrorReport(0, 0, 0, 0, 0, 0)
    publish(store, TEXTS)
    assert mirror.update().added == 3
    with pytest.raises(UsageError, match="batch_passages"):
        VectorStoreMirror(store, vectors, tmp_path / "ledger", batch_passages=0)


def test_ledgers_that_cannot_be_used(store: Store, tmp_path: Path) -> None:
    """A ledger in use, one that is something else, one that is damaged and one that cannot be made are told apart."""
    vectors = StrictVectorStore()

    def update(name: str) -> None:
        VectorStoreMirror(store, vectors, tmp_path / name).update()

    update("ledger")
    with open_ledger(tmp_path / "ledger"), pytest.raises(LockedError):
        update("ledger")
    with pytest.raises(UsageError, match="another kind"):
        update("kb/kb.sqlite")
    (tmp_path / "text").write_text("This is no ledger at all. " * 50, encoding="utf-8")
    with pytest.raises(DamagedError, match="no ledger"):
        update("text")
    with pytest.raises(ConfigurationError):
        update("no/such/folder/ledger")
    with pytest.raises(NotFoundError):
        store.snapshot().document("none")  # the store is as it was
    update("ledger")
    assert held_in(vectors) == shown_in(store)
