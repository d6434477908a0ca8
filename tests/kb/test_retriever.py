"""From a question to hits, confidence and passages."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from indexes.errors import UsageError
from kb.records import Message
from kb.retriever import Retriever
from tests.kb.knowledge import DOCUMENTS, knowledge_base

LONG = "".join(f"第{n}章讲第{n}种植物，它的名字叫植物甲{n}号，生长在{n}号山谷里。" for n in range(1, 60))


@pytest.fixture(scope="module")
def retriever(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Retriever]:
    documents = {**DOCUMENTS, "plants": LONG}
    with knowledge_base(tmp_path_factory.mktemp("retriever"), documents, chunk_tokens=64) as made:
        yield made


def test_the_right_document_comes_first(retriever: Retriever) -> None:
    """A question finds the document that answers it, with a confidence and the version that was searched."""
    found = retriever.retrieve("东犬灯塔建于哪一年？")
    assert found.hits[0].title == "lighthouse"
    assert [hit.score for hit in found.hits] == sorted((hit.score for hit in found.hits), reverse=True)
    assert found.confidence > 0.5
    assert found.version == 1
    assert found.milliseconds > 0


def test_what_is_not_there_has_little_confidence(retriever: Retriever) -> None:
    """A question about something else has a confidence under the default threshold."""
    assert retriever.retrieve("红楼梦的作者是谁？").confidence < 0.5
    assert retriever.retrieve("How much does a new telephone cost?").confidence < 0.5


def test_confidence_does_not_depend_on_how_many_hits_are_asked_for(retriever: Retriever) -> None:
    """The same question is as sure with one hit as with five."""
    question = "东犬灯塔建于哪一年？"
    assert retriever.retrieve(question, top_k=1).confidence == retriever.retrieve(question, top_k=5).confidence


def test_thresholds_and_top_k_of_the_request_hold(retriever: Retriever) -> None:
    """A request's own limits go before the configured ones; hits under the threshold are dropped."""
    every = retriever.retrieve("植物生长在哪里？", top_k=9)
    middle = every.hits[3].score
    fewer = retriever.retrieve("植物生长在哪里？", top_k=9, score_threshold=middle)
    assert fewer.hits == tuple(hit for hit in every.hits if hit.score >= middle)
    assert len(retriever.retrieve("植物生长在哪里？", top_k=2).hits) == 2


def test_without_hits_confidence_is_zero(retriever: Retriever) -> None:
    """Where the threshold leaves nothing there is no confidence either."""
    found = retriever.retrieve("东犬灯塔建于哪一年？", score_threshold=1.0)
    assert found.hits == ()
    assert found.confidence == 0.0


def test_filters_reach_the_search(retriever: Retriever) -> None:
    """Only documents that match the filters are found."""
    found = retriever.retrieve("东犬灯塔建于哪一年？", filters={"source": "theatre"})
    assert {hit.title for hit in found.hits} <= {"theatre"}


@pytest.mark.parametrize(
    ("top_k", "score_threshold"), [(0, None), (101, None), (None, -0.1), (None, 1.1), (None, float("nan"))]
)
def test_limits_out_of_range_are_usage_errors(
    retriever: Retriever, top_k: int | None, score_threshold: float | None
) -> None:
    """A top_k or threshold that makes no sense is refused."""
    with pytest.raises(UsageError):
        retriever.retrieve("什么？", top_k=top_k, score_threshold=score_threshold)


def test_a_follow_up_is_found_by_its_history(retriever: Retriever) -> None:
    """A follow-up that leaves out its subject finds what the question before was about."""
    history = (Message("user", "东犬灯塔在哪里？"), Message("assistant", "在岛上。"))
    assert retriever.retrieve("它有多高？", history=history).hits[0].title == "lighthouse"


def test_passages_are_widened_merged_and_exact(retriever: Retriever) -> None:
    """Passages are the hits with their neighbours, no two of a document overlap, and each is its document's span."""
    ground = retriever.ground("植物甲30号生长在哪里？", top_k=6)
    hits, passages = ground.retrieval.hits, ground.passages(6_000)
    for passage in passages:
        text = ground.snapshot.document_text(passage.document_id)
        assert passage.text == text[passage.start : passage.end]
    for hit in hits:
        assert any(p.document_id == hit.document_id and p.start <= hit.start and hit.end <= p.end for p in passages)
    spans = sorted((p.document_id, p.start, p.end) for p in passages)
    assert all(a[0] != b[0] or a[2] < b[1] for a, b in pairwise(spans))
    assert passages[0].start < hits[0].start
    assert passages[0].end > hits[0].end


def test_the_budget_bounds_what_is_added(retriever: Retriever) -> None:
    """With no room to widen, passages hold the hits and nothing more."""
    ground = retriever.ground("植物甲30号生长在哪里？", top_k=2)
    total = sum(len(hit.text) for hit in ground.retrieval.hits)
    assert sum(len(passage.text) for passage in ground.passages(1)) <= total
    assert sum(len(passage.text) for passage in ground.passages(total + 100)) <= total + 100


def test_pages_are_looked_up_in_the_searched_version(tmp_path: Path) -> None:
    """The page of an offset is that of the document as it was searched."""
    with knowledge_base(tmp_path, {"book": "第一页讲海水。\f第二页讲河水。"}) as retriever:
        ground = retriever.ground("河水")
        document_id = ground.retrieval.hits[0].document_id
        assert [ground.place_of(document_id, offset).page for offset in (0, 7, 8, 14)] == [1, 1, 2, 2]


def test_an_empty_knowledge_base_finds_nothing(tmp_path: Path) -> None:
    """Where nothing was ever published there are no hits, no confidence and no error."""
    with knowledge_base(tmp_path, {}) as retriever:
        found = retriever.retrieve("什么？")
    assert found.hits == ()
    assert found.confidence == 0.0
