"""The splitter: budgets, offsets, headings and overlap; and the splitter as LangChain and LlamaIndex see it."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.documents import Document as LangChainDocument
from langchain_text_splitters import TextSplitter

from indexes.embedders.hash import HashEmbedder
from indexes.errors import UsageError
from indexes.records import Chunk, Document, Heading, Page
from ingest.splitter import ChineseTextSplitter
from ingest.splitting.embedding_text import embedding_text
from ingest.splitting.sentences import sentence_spans
from tests.ingest.splitting.test_sentences import ANY_TEXT

Count = Callable[[Sequence[str]], list[int]]


def by_characters(texts: Sequence[str]) -> list[int]:
    """A tokenizer of one token a character, with two special tokens."""
    return [len(text) + 2 for text in texts]


def by_bytes(texts: Sequence[str]) -> list[int]:
    """A tokenizer of one token a byte, as byte-level models fall back to: a character may take four tokens."""
    return [len(text.encode("utf-8", "surrogatepass")) + 1 for text in texts]


def by_words(texts: Sequence[str]) -> list[int]:
    """A tokenizer that drops control characters and counts a word as one token, as BERT's unknown word is."""
    return [len(re.findall(r"[A-Za-z0-9]+|[^\W\x00-\x1f]", text)) for text in texts]


def superadditive(texts: Sequence[str]) -> list[int]:
    """A tokenizer for which a whole counts more than its parts: every line break and space costs three tokens."""
    return [len(text) + 3 * sum(character.isspace() for character in text) for text in texts]


COUNTS: list[Count] = [by_characters, by_bytes, by_words, superadditive, HashEmbedder().count_tokens]


def document(text: str, headings: Sequence[Heading] = (), pages: Sequence[Page] = ()) -> Document:
    return Document("d", "file:///d", "d", text, "", headings=tuple(headings), pages=tuple(pages))


def check(source: Document, chunks: Sequence[Chunk], count: Count, limit: int) -> None:
    covered = bytearray(len(source.text))
    for ordinal, chunk in enumerate(chunks):
        assert chunk.text == source.text[chunk.start : chunk.end]
        assert (chunk.ordinal, chunk.chunk_id) == (ordinal, f"d-{ordinal}")
        assert count([embedding_text(source.title, chunk)])[0] <= limit
        covered[chunk.start : chunk.end] = b"\1" * (chunk.end - chunk.start)
    assert not [c for c, seen in zip(source.text, covered, strict=True) if not seen and not c.isspace()]


@settings(max_examples=150, deadline=None)
@given(
    ANY_TEXT.map(lambda text: text * 4),
    st.sampled_from(COUNTS),
    st.integers(32, 60),
    st.integers(0, 3),
    st.lists(st.tuples(st.integers(0, 200), st.integers(1, 3), ANY_TEXT), max_size=4),
)
def test_any_text(text: str, count: Count, limit: int, overlap: int, marks: list[tuple[int, int, str]]) -> None:
    """For any string, headings and tokenizer: exact offsets, nothing lost, nothing over the limit, repeatable."""
    source = document(text, [Heading(*mark) for mark in sorted(marks)])
    splitter = ChineseTextSplitter(count, chunk_tokens=limit, overlap_sentences=overlap)
    chunks = splitter.split_document(source)
    check(source, chunks, count, limit)
    assert chunks == splitter.split_document(source)


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("unit", ["字", "é", "👩‍👩‍👧", "\ud83d", "x", "\x00", "🇨🇳", "字，", "word "])
def test_one_endless_sentence(unit: str, count: Count) -> None:
    """A sentence far over the budget is cut until it fits, whatever it is made of."""
    source = document(unit * 2_000)
    chunks = ChineseTextSplitter(count, chunk_tokens=64).split_document(source)
    assert len(chunks) >= 2
    check(source, chunks, count, 64)


@pytest.mark.parametrize("cluster", ["e\u0301\u0302", "👩‍👩‍👧", "\ud83d\ude00", "🇨🇳", "각", "👍🏽"])
def test_clusters_stay_whole(cluster: str) -> None:
    """A cut between characters never falls inside what a reader sees as one character."""
    chunks = ChineseTextSplitter(by_bytes, chunk_tokens=50).split_document(document(cluster * 300))
    assert all(not len(chunk.text) % len(cluster) for chunk in chunks)


def test_long_sentence_is_cut_at_clauses() -> None:
    """A sentence longer than the budget is cut after commas, not in words."""
    text = "，".join(f"这是第{number}个分句它没有句号" for number in range(40)) + "。"
    chunks = ChineseTextSplitter(by_characters, chunk_tokens=64).split_document(document(text))
    assert all(chunk.text[-1] in "，。" for chunk in chunks)


def test_chunks_end_at_sentence_ends(corpus: object) -> None:
    """In a real book at least 99 % of the chunks end where a sentence ends, none over the budget."""
    from pathlib import Path

    text = (Path(str(corpus)) / "documents" / "debian-reference.zh-cn.txt").read_text(encoding="utf-8")[:150_000]
    count = HashEmbedder().count_tokens
    chunks = ChineseTextSplitter(count, chunk_tokens=256).split_document(document(text))
    ends = {end for _, end in sentence_spans(text)}
    assert sum(chunk.end in ends for chunk in chunks) >= 0.99 * len(chunks)
    check(document(text), chunks, count, 256)


def test_overlap_is_whole_sentences() -> None:
    """Each chunk begins with the last sentence of the one before, and goes on from there."""
    text = "".join(f"这是编号为{number:03d}的一句话，内容略。" for number in range(60))
    chunks = ChineseTextSplitter(by_characters, chunk_tokens=100, overlap_sentences=1).split_document(document(text))
    for before, after in itertools.pairwise(chunks):
        repeated = text[after.start : before.end]
        assert sentence_spans(repeated) == [(0, len(repeated))]
    bare = ChineseTextSplitter(by_characters, chunk_tokens=100, overlap_sentences=0).split_document(document(text))
    assert "".join(chunk.text for chunk in bare) == text


def test_heading_paths_and_boundaries() -> None:
    """A chunk carries the heading path in force at its start and does not run over a heading of the top level."""
    body = "正文内容在这里。" * 8
    text = f"第一章\n{body}\n概述\n{body}\n第二章\n{body}"
    second, overview = text.index("第二章"), text.index("概述")
    source = document(text, [Heading(0, 1, "第一章"), Heading(overview, 2, "概述"), Heading(second, 1, "第二章")])
    chunks = ChineseTextSplitter(by_characters, chunk_tokens=200).split_document(source)
    assert [chunk.heading for chunk in chunks] == ["第一章", "第一章 > 概述", "第二章"]
    assert [chunk.start for chunk in chunks] == [0, overview, second]
    assert embedding_text("title", chunks[1]) == "第一章 > 概述\n" + chunks[1].text


def test_long_heading_path_is_shortened() -> None:
    """Heading paths too long to embed lose their outer levels first and never push a chunk over the limit."""
    headings = [Heading(0, 1, "外" * 90), Heading(2, 2, "内层标题"), Heading(600, 3, "很" * 500)]
    source = document("外\n内\n很长。" + "正文。" * 200, headings)
    chunks = ChineseTextSplitter(by_characters, chunk_tokens=64).split_document(source)
    check(source, chunks, by_characters, 64)
    assert "内层标题" in [chunk.heading for chunk in chunks]


def test_table_rows_stay_whole() -> None:
    """Rows of a table are never cut inside where they fit the budget."""
    rows = [f"| 第{number}行。说明 | {number}.5 |" for number in range(80)]
    chunks = ChineseTextSplitter(by_characters, chunk_tokens=90).split_document(document("\n".join(rows)))
    assert {line for chunk in chunks for line in chunk.text.split("\n")} == set(rows)


def test_pages() -> None:
    """Each chunk names the page on which it begins, as the document itself would."""
    text = "第一页的话。" * 30 + "\n" + "第二页的话。" * 30
    source = document(text, pages=[Page(1, 0, 181), Page(2, 181, len(text))])
    chunks = ChineseTextSplitter(by_characters, chunk_tokens=64).split_document(source)
    assert [chunk.page for chunk in chunks] == [source.page_at(chunk.start) for chunk in chunks]
    assert {chunk.page for chunk in chunks} == {1, 2}


@pytest.mark.parametrize("text", ["", " \n\u3000\t"])
def test_blank(text: str) -> None:
    """Blank text has no chunks."""
    assert ChineseTextSplitter(by_characters).split_document(document(text)) == []


def test_wrong_settings() -> None:
    """A budget too small to hold anything, or an absurd overlap, is a usage error."""
    for tokens, overlap in ((0, 1), (31, 1), (256, -1), (256, 99)):
        with pytest.raises(UsageError):
            ChineseTextSplitter(by_characters, chunk_tokens=tokens, overlap_sentences=overlap)


def test_a_character_over_the_budget() -> None:
    """A tokenizer that needs more than the budget for one character is an error, not an endless loop."""
    with pytest.raises(UsageError, match="one character"):
        ChineseTextSplitter(lambda texts: [100 * len(text) for text in texts], chunk_tokens=64).split_text("字字")


def test_identity() -> None:
    """The identity names the settings that decide the cuts."""
    identity = ChineseTextSplitter(by_characters, chunk_tokens=128, overlap_sentences=2).identity
    assert (identity.name, identity.chunk_tokens, identity.overlap_sentences) == ("chinese-sentences", 128, 2)


def test_is_a_langchain_splitter() -> None:
    """It is a LangChain `TextSplitter`: documents are split with their metadata, and `start_index` is exact."""
    splitter = ChineseTextSplitter(by_characters, chunk_tokens=40, add_start_index=True)
    assert isinstance(splitter, TextSplitter)
    text = "重复的句子。" * 40
    parts = splitter.split_documents([LangChainDocument(page_content=text, metadata={"source": "a"})])
    assert [part.page_content for part in parts] == splitter.split_text(text)
    assert len({part.metadata["start_index"] for part in parts}) == len(parts) > 3
    for part in parts:
        start = part.metadata["start_index"]
        assert text[start : start + len(part.page_content)] == part.page_content
        assert part.metadata["source"] == "a"
    made = splitter.create_documents([text, "另一篇。"], [{"n": 1}, {"n": 2}])
    assert made[-1].metadata == {"n": 2, "start_index": 0}
    assert next(iter(splitter.transform_documents([LangChainDocument(page_content="一句。")]))).page_content == "一句。"


def test_is_a_llama_index_node_parser() -> None:
    """LlamaIndex parses documents with it: linked nodes, metadata kept, offsets exact even where the text repeats."""
    schema = pytest.importorskip("llama_index.core.schema", reason="needs the llama-index extra")
    from ingest.llama_index import ChineseNodeParser

    splitter = ChineseTextSplitter(by_characters, chunk_tokens=40)
    text = "重复的句子。" * 40
    nodes = ChineseNodeParser(splitter).get_nodes_from_documents([schema.Document(text=text, metadata={"k": "v"})])
    assert [node.text for node in nodes] == splitter.split_text(text)
    assert [(node.start_char_idx, node.end_char_idx) for node in nodes] == [
        (a, b) for a, b, _ in splitter.chunk_spans(text)
    ]
    assert all(node.metadata == {"k": "v"} for node in nodes)
    assert nodes[0].next_node.node_id == nodes[1].node_id
