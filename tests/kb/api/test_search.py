"""POST /search: passages, best first."""

from __future__ import annotations

import pytest

from kb.api.schemas import SearchBody
from tests.kb.api.serving import ENGLISH, RunningService, check_error


def test_search_finds_the_passage(served: RunningService) -> None:
    """The first hit is the passage that answers; scores descend and lie in [0, 1]; offsets are exact."""
    body = served.client.post("/search", json={"query": ENGLISH, "top_k": 3}).json()
    SearchBody.model_validate(body, strict=True, extra="forbid")
    assert "backup.txt" in body["hits"][0]["uri"] and len(body["hits"]) <= 3
    scores = [hit["score"] for hit in body["hits"]]
    assert scores == sorted(scores, reverse=True) and all(0 <= score <= 1 for score in scores)
    hit = body["hits"][0]
    text = served.client.get(f"/documents/{hit['document_id']}").json()["text"]
    assert hit["text"] == text[hit["start"] : hit["end"]]


def test_search_takes_filters(served: RunningService) -> None:
    """A filter that nothing matches leaves no hits."""
    body = {"query": ENGLISH, "filters": {"uri": "file:///nowhere.txt"}, "kb": "default"}
    assert served.client.post("/search", json=body).json()["hits"] == []


@pytest.mark.parametrize(
    "body", [{}, {"query": ""}, {"query": "a", "top_k": 0}, {"query": "a", "limit": 5}, {"question": "a"}]
)
def test_bad_searches_are_refused(served: RunningService, body: dict[str, object]) -> None:
    """A search that makes no sense is 422."""
    check_error(served.client.post("/search", json=body), 422, "invalid_request")


def test_a_search_without_its_query_is_told_so(served: RunningService) -> None:
    """The field that is missing is named."""
    answer = served.client.post("/search", json={"question": "a"})
    assert answer.json()["error"]["message"] == "`query`: needed, but not there."
