"""Search over a real store: fusion, filters, copies, overlaps, scores and what refusal looks at."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from indexes.embedders.hash import HashEmbedder
from indexes.embedding import Embedder
from indexes.errors import EmbeddingMismatchError, UsageError
from indexes.ranking.confidence_features import ConfidenceFeatures
from indexes.records import Chunk, Document, SplitterIdentity, chunk_id_of, document_id_of
from indexes.search import Searcher
from indexes.storage.snapshot import Snapshot
from indexes.store import Store
from tests.fakes.embedders import ConceptEmbedder, RandomEmbedder

SPLITTER = SplitterIdentity("test", 1, 256, 0)
PASSAGES = (
    "显存不足时可以使用量化模型，Int4 的模型只需要八分之一的空间。",
    "检索先用关键词，再用向量，两者的结果合并排序。",
    "每个答案都标明出处：文档、页码和引用的原文。",
    "索引的每个版本一次发布，中断的写入不会丢失数据。",
    "员工每年享有十五天带薪年假，未休的天数可以顺延到次年三月。",
    "The server listens on port 8000 unless the configuration names another port.",
    "Citations name the document, the page and the quoted span.",
)


def document(name: str, text: str, tag: str = "") -> Document:
    uri = f"file:///{name}.txt"
    return Document(document_id_of(uri), uri, name, text, "0" * 64, metadata={"tag": tag} if tag else {})


def chunks_of(document: Document, spans: Sequence[tuple[int, int]] | None = None) -> list[Chunk]:
    spans = spans or [(0, len(document.text))]
    return [
        Chunk(chunk_id_of(document.document_id, i), document.document_id, i, start, end, document.text[start:end])
        for i, (start, end) in enumerate(spans)
    ]


@contextmanager
def indexed(
    folder: Path, embedder: Embedder, batches: Sequence[Sequence[tuple[Document, list[Chunk]]]]
) -> Iterator[tuple[Store, Snapshot]]:
    """Give a store with each batch published as a version of its own."""
    store = Store.open(folder, create=True, embedding=embedder.identity, splitter=SPLITTER)
    try:
        for batch in batches:
            with store.writer() as writer:
                for item, chunks in batch:
                    vectors = embedder.embed_documents([chunk.text for chunk in chunks])
                    keys = [f"{item.document_id}-{chunk.text}" for chunk in chunks]
                    writer.put(item, chunks, keys, vectors, settings_hash="s")
                writer.publish()
        yield store, store.snapshot()
    finally:
        store.close()


def small() -> list[tuple[Document, list[Chunk]]]:
    documents = [document(f"d{i}", text, "even" if i % 2 == 0 else "odd") for i, text in enumerate(PASSAGES)]
    return [(item, chunks_of(item)) for item in documents]


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Snapshot]:
    with indexed(tmp_path_factory.mktemp("kb") / "small", HashEmbedder(), [small()]) as (_, opened):
        yield opened


@pytest.mark.parametrize(
    ("question", "place"),
    [
        ("显存不够怎么办？", 0),
        ("顯存不夠怎麼辦？", 0),
        ("年假有多少天", 4),
        ("Which port does the server use?", 5),
        ("ＰＯＲＴ　８０００", 5),
        ("谁保证写入的数据不丢失", 3),
    ],
)
def test_the_passage_that_answers_comes_first(snapshot: Snapshot, question: str, place: int) -> None:
    """Chinese in either script, English and full-width questions each find their passage."""
    hits = Searcher(HashEmbedder()).search(snapshot, question, 3).hits
    assert hits[0].text == PASSAGES[place]


def test_scores_lie_between_0_and_1_and_fall(snapshot: Snapshot) -> None:
    """Hits come best first; every score and feature is in [0, 1]; each hit shows its document's own text."""
    result = Searcher(HashEmbedder()).search(snapshot, "引用的文档和页码 citations page", 10)
    scores = [hit.score for hit in result.hits]
    assert scores == sorted(scores, reverse=True)
    assert len(scores) >= 3
    for hit in result.hits:
        assert all(0 <= score <= 1 for score in (hit.score, hit.dense_score, hit.keyword_score))
        assert hit.text == snapshot.document_text(hit.document_id)[hit.start : hit.end]
    vector = result.features.vector()
    assert vector.shape == (len(ConfidenceFeatures.names()),)
    assert ((vector >= 0) & (vector <= 1)).all()


@pytest.mark.parametrize("question", ["", "？！……", "😀", " \u200b\n"])
def test_a_question_without_a_word_finds_nothing(snapshot: Snapshot, question: str) -> None:
    """Punctuation is no evidence: no hits, and features that say so."""
    result = Searcher(HashEmbedder()).search(snapshot, question, 5)
    assert result.hits == ()
    assert result.features.found == 0


def test_a_question_of_question_words_alone_still_searches(snapshot: Snapshot) -> None:
    """Where leaving question words out would leave nothing, they are searched for."""
    assert Searcher(HashEmbedder()).search(snapshot, "多少？", 5).features.length > 0


def test_top_k_bounds_the_hits(snapshot: Snapshot) -> None:
    """Never more than asked for, never more than there are, and 0 is an error."""
    searcher = Searcher(HashEmbedder())
    assert len(searcher.search(snapshot, "文档", 1).hits) == 1
    assert len(searcher.search(snapshot, "文档 页码 模型 检索 版本 年假 port page", 100).hits) == len(PASSAGES)
    with pytest.raises(UsageError, match="top_k"):
        searcher.search(snapshot, "文档", 0)


def test_filters_narrow_the_hits_and_wrong_ones_are_refused(snapshot: Snapshot) -> None:
    """Only passages of matching documents come back; a filter that matches none gives no hits."""
    searcher = Searcher(HashEmbedder())
    question = "文档 页码 模型 检索 版本 年假 port page"
    titles = {hit.title for hit in searcher.search(snapshot, question, 10, {"tag": "odd"}).hits}
    assert titles == {"d1", "d3", "d5"}
    assert searcher.search(snapshot, question, 10, {"tag": "none"}).hits == ()
    with pytest.raises(UsageError):
        searcher.search(snapshot, question, 10, {"tag": {"wrong": ["shape"]}})


def test_another_embedders_index_is_refused(snapshot: Snapshot) -> None:
    """Vectors of one model say nothing to another: the error names the way out."""
    with pytest.raises(EmbeddingMismatchError, match="--force"):
        Searcher(HashEmbedder(64)).search(snapshot, "文档", 1)


def test_an_empty_store_finds_nothing(tmp_path: Path) -> None:
    """Before anything is published there are no hits and no error."""
    with indexed(tmp_path / "kb", HashEmbedder(), []) as (_, opened):
        assert Searcher(HashEmbedder()).search(opened, "文档", 5).hits == ()


def test_copies_are_dropped_and_overlaps_are_joined(tmp_path: Path) -> None:
    """The same passage in two documents is one hit; overlapping passages of one document are one exact span."""
    text = "第一句讲量化。" + "第二句讲显存和量化。" + "第三句讲显存。" + "第四句讲年假和考勤。"
    long = document("long", text)
    spans = [(0, 17), (7, 24), (24, len(text))]
    batch = [(long, chunks_of(long, spans))]
    for name, copied in (("copy", "量化模型节省显存"), ("traditional", "量化模型節省顯存")):
        copy = document(name, copied)
        batch.append((copy, chunks_of(copy)))
    with indexed(tmp_path / "kb", HashEmbedder(), [batch]) as (_, opened):
        hits = Searcher(HashEmbedder()).search(opened, "显存 量化 年假", 10).hits
    joined = [hit for hit in hits if hit.title == "long"]
    assert [(hit.start, hit.end) for hit in joined if hit.start == 0] == [(0, 24)]
    assert all(hit.text == text[hit.start : hit.end] for hit in joined)
    assert len(joined) == 2
    assert len([hit for hit in hits if hit.title != "long"]) == 1


def test_incremental_versions_answer_like_one_built_anew(tmp_path: Path) -> None:
    """Changed, removed and added documents in several versions give the same hits and scores as one fresh index."""
    rng = random.Random(5)
    words = ("显存", "量化", "模型", "检索", "向量", "关键词", "引用", "页码", "版本", "年假", "端口", "port", "page")

    def item(number: int, edition: int) -> tuple[Document, list[Chunk]]:
        local = random.Random(f"{number} {edition}")
        made = document(f"n{number}", f"{number}号：" + "，".join(local.choices(words, k=12)))
        return made, chunks_of(made)

    first = [item(number, 0) for number in range(120)]
    changed = [item(number, 1) for number in range(0, 120, 5)]
    added = [item(number, 1) for number in range(120, 150)]
    last = {made.document_id: (made, chunks) for made, chunks in [*first, *changed, *added]}
    gone = [first[number][0].document_id for number in range(1, 120, 10)]
    kept = [pair for key, pair in last.items() if key not in gone]
    rng.shuffle(kept)
    embedder = HashEmbedder()
    searcher = Searcher(embedder)
    questions = [" ".join(rng.sample(words, 3)) + "是什么" for _ in range(25)]
    with indexed(tmp_path / "grown", embedder, [first, changed, added]) as (store, _):
        with store.writer() as writer:
            writer.remove(gone)
            writer.publish()
        grown = [searcher.search(store.snapshot(), question, 10).hits for question in questions]
    with indexed(tmp_path / "anew", embedder, [kept]) as (_, opened):
        anew = [searcher.search(opened, question, 10).hits for question in questions]
    assert grown == anew


CONCEPTS = (
    ("年假", "带薪休假", "holiday"),
    ("显存", "memory of the card"),
    ("端口", "port", "监听地址"),
    ("出处", "来源", "citation"),
)


def test_a_good_embedder_finds_what_shares_no_word(tmp_path: Path) -> None:
    """A paraphrase without a common term finds its passage by meaning, against others that share common words."""
    embedder = ConceptEmbedder(CONCEPTS)
    filler = [document(f"f{i}", f"第{i}条规定，公司可以在每年的有关时间里决定具体的安排。") for i in range(60)]
    batch = [*small(), *((item, chunks_of(item)) for item in filler)]
    with indexed(tmp_path / "kb", embedder, [batch]) as (_, opened):
        searcher = Searcher(embedder)
        assert searcher.search(opened, "holiday", 1).hits[0].text == PASSAGES[4]
        result = searcher.search(opened, "公司决定可以带薪休假", 1)
        assert result.hits[0].text == PASSAGES[4]
        assert result.features.trust > 0.5
        found = {hit.text for hit in searcher.search(opened, "来源", 2).hits}
        assert found == {PASSAGES[2], PASSAGES[6]}


def test_a_random_embedder_does_no_harm(tmp_path: Path) -> None:
    """With vectors that mean nothing, at most 3 of 1,000 questions lose the first place that keywords gave them."""
    rng = np.random.default_rng(0)
    documents = []
    for number in range(300):
        characters = "".join(chr(0x4E00 + int(code)) for code in rng.integers(0, 400, size=60))
        documents.append(document(f"r{number}", characters))
    embedder = RandomEmbedder()
    batch = [(item, chunks_of(item)) for item in documents]
    with indexed(tmp_path / "kb", embedder, [batch]) as (_, opened):
        searcher = Searcher(embedder)
        lost = gained = 0
        for _ in range(1000):
            target = int(rng.integers(0, 300))
            start = int(rng.integers(0, 50))
            noise = "".join(chr(0x4E00 + int(code)) for code in rng.integers(0, 400, size=8))
            question = documents[target].text[start : start + 3] + noise
            fused = searcher.search(opened, question, 30).hits
            alone = max(fused, key=lambda hit: hit.keyword_score)
            right = documents[target].document_id
            lost += alone.document_id == right and fused[0].document_id != right
            gained += alone.document_id != right and fused[0].document_id == right
        assert lost - gained <= 3
