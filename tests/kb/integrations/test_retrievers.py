"""A knowledge base behind the retriever interfaces of LlamaIndex and LangChain, used by the real libraries."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from indexes.errors import NotFoundError, UsageError
from kb.integrations.metadata import metadata_of
from kb.integrations.opening import open_retriever
from kb.retriever import Retriever
from tests.kb.knowledge import knowledge_base

BOOK = "目录。\f东犬灯塔建于1872年，塔高19.5米。"
NOTES = "The Summer Theatre was in operation from 1870 to 1939."
QUESTION = "东犬灯塔建于哪一年？"


@pytest.fixture(scope="module")
def retriever(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Retriever]:
    with knowledge_base(tmp_path_factory.mktemp("kb"), {"book": BOOK, "notes": NOTES}) as made:
        yield made


def test_llama_index_nodes_say_where_they_are_from(retriever: Retriever) -> None:
    """Nodes carry text, score, span, page, title and source of the hits, and a model sees only what concerns it."""
    schema = pytest.importorskip("llama_index.core.schema", reason="needs the llama-index extra")
    from kb.integrations.llama_index import KnowledgeBaseRetriever

    found = retriever.retrieve(QUESTION)
    nodes = KnowledgeBaseRetriever(retriever).retrieve(QUESTION)
    assert [node.score for node in nodes] == [hit.score for hit in found.hits]
    hit, node = found.hits[0], nodes[0].node
    assert node.metadata == metadata_of(hit, found)
    assert node.text == BOOK[node.start_char_idx : node.end_char_idx] == hit.text
    assert (node.node_id, node.ref_doc_id) == (hit.chunk_id, hit.document_id)
    assert (node.metadata["title"], node.metadata["uri"]) == ("book", "file:///docs/book.txt")
    shown = node.get_content(metadata_mode=schema.MetadataMode.LLM)
    assert "title: book" in shown
    assert "document_id" not in shown and "confidence" not in shown


def test_llama_index_builds_a_query_engine_on_it(retriever: Retriever) -> None:
    """A query engine of LlamaIndex, sync and async, puts the passages before its model and hands them on as sources."""
    pytest.importorskip("llama_index.core", reason="needs the llama-index extra")
    from llama_index.core.llms import MockLLM
    from llama_index.core.query_engine import RetrieverQueryEngine

    from kb.integrations.llama_index import KnowledgeBaseRetriever

    engine = RetrieverQueryEngine.from_args(KnowledgeBaseRetriever(retriever, top_k=1), llm=MockLLM())
    # MockLLM answers with its prompt.
    for response in (engine.query(QUESTION), asyncio.run(engine.aquery(QUESTION))):
        assert "1872年" in str(response)
        assert [node.metadata["title"] for node in response.source_nodes] == ["book"]


def test_langchain_documents_say_where_they_are_from(retriever: Retriever) -> None:
    """Documents carry text, id and metadata of the hits; invoke, ainvoke and batch give the same."""
    from kb.integrations.langchain import KnowledgeBaseRetriever

    made = KnowledgeBaseRetriever(retriever=retriever, top_k=1)
    found = retriever.retrieve(QUESTION, top_k=1)
    (document,) = made.invoke(QUESTION)
    assert (document.id, document.page_content) == (found.hits[0].chunk_id, found.hits[0].text)
    assert document.metadata == metadata_of(found.hits[0], found)
    assert [document.page_content] == [d.page_content for d in asyncio.run(made.ainvoke(QUESTION))]
    assert [[d.metadata["title"] for d in part] for part in made.batch([QUESTION, "Summer Theatre"])] == [
        ["book"],
        ["notes"],
    ]


@pytest.mark.parametrize("framework", ["llama_index", "langchain"])
def test_filters_thresholds_and_errors_are_passed_through(retriever: Retriever, framework: str) -> None:
    """Filters narrow, little confidence gives nothing, and a wrong value is our own error."""
    from kb.integrations.langchain import KnowledgeBaseRetriever as ForLangChain

    if framework == "langchain":
        titles = lambda question, **options: [  # noqa: E731
            document.metadata["title"] for document in ForLangChain(retriever=retriever, **options).invoke(question)
        ]
    else:
        pytest.importorskip("llama_index.core", reason="needs the llama-index extra")
        from kb.integrations.llama_index import KnowledgeBaseRetriever as ForLlamaIndex

        titles = lambda question, **options: [  # noqa: E731
            node.metadata["title"] for node in ForLlamaIndex(retriever, **options).retrieve(question)
        ]
    assert "book" not in titles(QUESTION, filters={"source": "notes"})
    assert titles(QUESTION, confidence_threshold=0.5)[0] == "book"
    assert titles("红楼梦的作者是谁？建于哪一年？", confidence_threshold=0.99) == []
    with pytest.raises(UsageError, match="top_k"):
        titles(QUESTION, top_k=0)


def test_a_missing_knowledge_base_is_not_made(kb_home: Path) -> None:
    """Opening for a program is opening as the commands do: a name that is not there is an error."""
    with pytest.raises(NotFoundError), open_retriever("none"):
        pass
    assert list(kb_home.iterdir()) == []
