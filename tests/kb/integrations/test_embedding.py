"""The embedder of a knowledge base serves LlamaIndex as its embedding: questions as questions, texts as texts."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from indexes.embedders.hash import HashEmbedder
from indexes.embedding import Embedder
from indexes.errors import UsageError
from kb.integrations.opening import open_knowledge_base
from tests.kb.integrations.mirrored import TEXTS, open_store, publish

pytest.importorskip("llama_index.core", reason="needs the llama-index extra")

from kb.integrations.embedding import KnowledgeBaseEmbedding

QUESTION = "东犬灯塔建于哪一年？"


def _check(embedding: KnowledgeBaseEmbedding, embedder: Embedder) -> None:
    question = embedder.embed_query(QUESTION).tolist()
    texts = [text[:30] for text in TEXTS.values()] * 3
    vectors = embedder.embed_documents(texts).tolist()
    assert question != embedder.embed_documents([QUESTION])[0].tolist()
    assert embedding.get_query_embedding(QUESTION) == pytest.approx(question, abs=1e-5)
    assert asyncio.run(embedding.aget_query_embedding(QUESTION)) == pytest.approx(question, abs=1e-5)
    assert embedding.get_text_embedding(texts[0]) == pytest.approx(vectors[0], abs=1e-5)
    together = embedding.get_text_embedding_batch(texts)
    assert [pytest.approx(vector, abs=1e-5) for vector in vectors] == together
    assert [pytest.approx(vector, abs=1e-5) for vector in together] == asyncio.run(
        embedding.aget_text_embedding_batch(texts)
    )


def test_questions_and_texts_are_embedded_each_their_own_way() -> None:
    """Vectors are those of the embedder, one by one, in batches and asynchronously; what is too long is refused."""
    embedder = HashEmbedder()
    embedding = KnowledgeBaseEmbedding(embedder, embed_batch_size=4)
    _check(embedding, embedder)
    assert embedding.model_name == "hash-512"
    with pytest.raises(UsageError, match="tokens"):
        embedding.get_text_embedding("字" * 600)


@pytest.mark.models
def test_a_bge_model_prefixes_questions_alone(tmp_path: Path) -> None:
    """With a bge model a question gets the prefix that the model was trained with, and a text gets none."""
    from indexes.embedders.bge import BgeEmbedder
    from tests.tiny_bge import make_tiny_bge

    folder = make_tiny_bge(tmp_path / "bge-tiny-zh-v1.5")
    embedder = BgeEmbedder(str(folder), runtime="torch")
    embedding = KnowledgeBaseEmbedding(embedder)
    _check(embedding, embedder)
    prefix = embedder.identity.query_prefix
    assert prefix
    assert embedding.get_query_embedding(QUESTION) == pytest.approx(
        embedding.get_text_embedding(prefix + QUESTION), abs=1e-5
    )


def test_a_knowledge_base_opens_for_reading_beside_its_writer(kb_home: Path) -> None:
    """What is opened finds passages and gives the store, while another holds the lock and publishes."""
    writing = open_store(kb_home / "handbook", HashEmbedder())
    publish(writing, TEXTS, embedder=HashEmbedder())
    with open_knowledge_base("handbook") as handbook:
        assert handbook.retriever.retrieve(QUESTION).hits[0].title == "lighthouse"
        assert handbook.embedder.identity == handbook.store.snapshot().embedding
        publish(writing, {"new": "新的制度。"}, embedder=HashEmbedder())
        assert handbook.store.snapshot().version == 2
