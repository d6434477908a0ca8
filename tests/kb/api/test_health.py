"""Probes, figures, versions, and the OpenAPI description."""

from __future__ import annotations

from tests.kb.api.serving import CHINESE, UNANSWERABLE, RunningService


def test_probes(served: RunningService) -> None:
    """A service with a published version is alive and ready."""
    for path in ("/healthz", "/readyz"):
        assert served.client.get(path).status_code == 200
        assert served.client.head(path).status_code == 200


def test_metrics_count_questions_by_outcome_and_sizes(served: RunningService) -> None:
    """The figures tell answered from refused, routes by their template, and the size of what is served."""

    def read() -> dict[str, float]:
        text = served.client.get("/metrics").text
        lines = (line.rpartition(" ") for line in text.splitlines() if not line.startswith("#"))
        return {name: float(value) for name, _, value in lines}

    before = read()
    for question in (CHINESE, CHINESE, UNANSWERABLE):
        served.client.post("/ask", json={"question": question})
    served.client.get("/documents/0123456789abcdef")
    after = read()

    def gain(name: str) -> float:
        return after.get(name, 0) - before.get(name, 0)

    assert gain('kb_questions_total{outcome="answered"}') == 2
    assert gain('kb_questions_total{outcome="refused"}') == 1
    assert gain('kb_http_requests_total{method="POST",route="/ask",status="200"}') == 3
    assert gain('kb_http_requests_total{method="GET",route="/documents/{document_id}",status="404"}') == 1
    assert after['kb_version{kb="default"}'] == 1 and after['kb_documents{kb="default"}'] == 3
    assert after["process_resident_memory_bytes"] > 0 and after["kb_http_requests_open"] == 1
    assert "0123456789abcdef" not in "".join(after)


def test_versions(served: RunningService) -> None:
    """The versions are listed with the one that is served."""
    versions = served.client.get("/versions").json()["versions"]
    assert [(one["version"], one["current"]) for one in versions] == [(1, True)]


def test_openapi_describes_all_routes_and_all_codes(served: RunningService) -> None:
    """The description names each route of the contract and each error code; errors have the short form everywhere."""
    from kb.api.errors import KINDS

    api = served.client.get("/openapi.json").json()
    wanted = {
        "/ask", "/search", "/documents", "/documents/{document_id}", "/documents/{document_id}/original", "/versions",
        "/jobs", "/healthz", "/readyz", "/metrics", "/v1/models", "/v1/chat/completions",
    }  # fmt: skip
    assert wanted == set(api["paths"])
    assert {"post", "get"} == set(api["paths"]["/documents"])
    for code, kind in KINDS.items():
        assert f"| `{code}` | {kind.status} |" in api["info"]["description"]
    assert "HTTPValidationError" not in api["components"]["schemas"]
    assert set(api["components"]["schemas"]["AskRequest"]["properties"]) == {
        "question", "kb", "top_k", "score_threshold", "filters", "history", "stream", "engine", "search_only",
    }  # fmt: skip


def test_pages_load_nothing_from_elsewhere(served: RunningService) -> None:
    """The page, the OpenAPI page and their files name no other site and hold no inline script or style."""
    import re

    for path in ("/", "/docs"):
        response = served.client.get(path)
        assert response.headers["content-type"].startswith("text/html")
        assert "default-src 'none'" in response.headers["content-security-policy"]
        assert "unsafe" not in response.headers["content-security-policy"]
        assert not re.search(r"<script(?![^>]*src=)|<style|\sstyle=|\son\w+=", response.text)
        for name in re.findall(r'(?:src|href)="(/static/[^"]+)"', response.text):
            file = served.client.get(name)
            assert file.status_code == 200
            assert not re.search(
                r"https?://(?!www\.w3\.org/2000/svg)|innerHTML|outerHTML|insertAdjacentHTML|eval\(", file.text
            )
            tag = file.headers["etag"]
            assert served.client.get(name, headers={"If-None-Match": tag}).status_code == 304
