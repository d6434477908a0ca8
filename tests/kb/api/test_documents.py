"""/documents: the list and its pages, one document, its original, uploads and deletions."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from kb.api.dependencies import ServiceOptions
from kb.api.schemas import DocumentList
from tests.kb.api.serving import DOCUMENTS, RunningService, check_error

Serve = Callable[..., RunningService]


def wait_for_run(running: RunningService, job_id: int, seconds: float = 30) -> dict[str, object]:
    """Return the run of an upload when it has ended."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        runs = running.client.get("/jobs").json()["runs"]
        run: dict[str, object] = next(run for run in runs if run["id"] == job_id)
        if run["status"] != "running":
            return run
        time.sleep(0.05)
    raise AssertionError("the upload was not read in")


def upload(running: RunningService, name: str, data: bytes, **parameters: str) -> dict[str, object]:
    response = running.client.post("/documents", files={"file": (name, data)}, params=parameters)
    assert response.status_code == 202, response.text
    return wait_for_run(running, response.json()["job_id"])


def test_list_goes_by_pages(served: RunningService) -> None:
    """Following `next` shows each document once; a failed one has its reason."""
    seen, after = [], None
    while True:
        response = served.client.get("/documents", params={"limit": 2, **({"after": after} if after else {})})
        page = response.json()
        DocumentList.model_validate(page, strict=True, extra="forbid")
        seen += page["documents"]
        after = page["next"]
        if after is None:
            break
    assert len(seen) == len({one["document_id"] for one in seen}) == len(DOCUMENTS) + 1
    failed = [one for one in seen if one["status"] == "failed"]
    assert ["broken.pdf" in one["uri"] and bool(one["error"]) for one in failed] == [True]
    assert failed == served.client.get("/documents", params={"status": "failed"}).json()["documents"]
    assert len(served.client.get("/documents", params={"status": "ready"}).json()["documents"]) == len(DOCUMENTS)


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=1001", "limit=CANARY", "status=CANARY", "kb=../CANARY", "kb=", "after=" + "9" * 99]
)
def test_bad_queries_are_refused(served: RunningService, query: str) -> None:
    """Query parameters out of range are 422 and not repeated."""
    check_error(served.client.get(f"/documents?{query}"), 422, "invalid_request", "CANARY")


def test_document_is_shown_whole(served: RunningService) -> None:
    """A document comes with its text and with passages whose offsets fit it."""
    documents = served.client.get("/documents").json()["documents"]
    line = next(one for one in documents if "vacation" in one["uri"])
    found = served.client.get(f"/documents/{line['document_id']}").json()
    assert set(found) >= {"document_id", "title", "uri", "text", "pages", "chunks", "extractor", "warnings"}
    assert "十五天带薪年假" in found["text"]
    assert found["chunks"][0]["start"] == 0 and found["chunks"][-1]["end"] <= len(found["text"])


@pytest.mark.parametrize("name", ["0123456789abcdef", "CANARY", "%00", "%ff%fe", "x" * 64])
def test_unknown_documents_are_404(served: RunningService, name: str) -> None:
    """A document that is not there is 404, however it is named."""
    check_error(served.client.get(f"/documents/{name}"), 404, "not_found", "CANARY")
    check_error(served.client.get(f"/documents/{name}/original"), 404, "not_found", "CANARY")
    check_error(served.client.delete(f"/documents/{name}"), 404, "not_found", "CANARY")


def test_upload_is_read_in_and_can_be_asked_replaced_and_removed(serve_home: Serve, tmp_path: Path) -> None:
    """An upload into an empty home makes the knowledge base; the same name replaces it; DELETE takes it out whole."""
    running = serve_home()
    check_error(running.client.get("/readyz"), 503, "not_ready")
    check_error(running.client.post("/ask", json={"question": "?a"}), 404, "not_found")
    name = "内部 规定.txt"
    run = upload(running, name, "值班电话是四四一七。每日八点交接班。".encode("gb18030"))
    assert run["status"] == "done" and run["kb"] == "default"
    assert running.client.get("/readyz").status_code == 200
    answer = running.client.post("/ask", json={"question": "值班电话是多少？"}).json()
    assert "四四一七" in answer["answer"]
    assert upload(running, name, "值班电话是九九零二。每日八点交接班。".encode())["status"] == "done"
    lines = running.client.get("/documents").json()["documents"]
    assert len(lines) == 1 and lines[0]["version_added"] == 2
    answer = running.client.post("/ask", json={"question": "值班电话是多少？"}).json()
    assert "九九零二" in answer["answer"] and "四四一七" not in answer["answer"]
    stored = tmp_path / "home" / "default" / "uploads" / name
    assert stored.exists()
    address = f"/documents/{lines[0]['document_id']}"
    assert running.client.delete(address).json() == {"version": 3, "removed": 1}
    assert not stored.exists()
    check_error(running.client.get(address), 404, "not_found")
    assert running.client.get("/documents").json() == {"documents": [], "next": None}


def test_original_is_a_download_that_no_browser_runs(serve_home: Serve) -> None:
    """The original is byte for byte what came in, as an attachment; HTML is not sent as HTML."""
    running = serve_home()
    page = (
        "<html><head><title>页面</title></head><body><p>本页说明如何申请门禁卡，请到一楼前台办理。</p>"
        "<script>alert(1)</script></body></html>"
    ).encode()
    assert upload(running, '说明";x=.html', page)["status"] == "done"
    line = running.client.get("/documents").json()["documents"][0]
    response = running.client.get(f"/documents/{line['document_id']}/original")
    assert response.content == page
    assert response.headers["content-type"] == "application/octet-stream"
    assert response.headers["content-disposition"].startswith('attachment; filename="')
    assert "filename*=UTF-8''%E8%AF%B4%E6%98%8E" in response.headers["content-disposition"]
    assert response.headers["content-security-policy"] == "sandbox; default-src 'none'"
    assert response.headers["x-content-type-options"] == "nosniff"


def test_unreadable_upload_fails_with_its_reason(serve_home: Serve) -> None:
    """An upload that cannot be read ends as a failed run that says why, and leaves others alone."""
    running = serve_home()
    assert upload(running, "good.txt", b"The gate code is 4417. Ask the porter.")["status"] == "done"
    run = upload(running, "bad.pdf", b"%PDF-1.7\nrubbish")
    assert run["status"] == "failed" and run["error"]
    assert "4417" in running.client.post("/ask", json={"question": "What is the gate code?"}).json()["answer"]


@pytest.mark.parametrize(
    ("name", "stored"),
    [
        ("../../../etc/passwd", "passwd"),
        ("..\\..\\boot.ini", "boot.ini"),
        (".hidden.txt", "hidden.txt"),
        ("a\u202etxt.exe", "a_txt.exe"),
        ("x" * 300 + ".txt", "x" * 116 + ".txt"),
    ],
)
def test_upload_names_cannot_leave_the_folder(serve_home: Serve, tmp_path: Path, name: str, stored: str) -> None:
    """Whatever a file is called, it lands under the uploads of its knowledge base."""
    running = serve_home()
    upload(running, name, b"Plain text that can be read. It says nothing.")
    assert [path.name for path in (tmp_path / "home" / "default" / "uploads").iterdir()] == [stored]


PART = b'--b\r\nContent-Disposition: form-data; name="%s"\r\n\r\nx\r\n--b--\r\n'


@pytest.mark.parametrize(
    ("content", "kind", "status", "code"),
    [
        (b"{}", "application/json", 415, "unsupported_media_type"),
        (b"x", "multipart/form-data; boundary=b", 422, "invalid_request"),
        (b"x", "multipart/form-data", 422, "invalid_request"),
        (PART % b"file", "multipart/form-data; boundary=b", 422, "invalid_request"),
        (PART % b'other"; filename="a', "multipart/form-data; boundary=b", 422, "invalid_request"),
    ],
)
def test_bad_uploads_are_refused(served: RunningService, content: bytes, kind: str, status: int, code: str) -> None:
    """An upload that is no multipart body with one file is refused in the short form."""
    check_error(served.client.post("/documents", content=content, headers={"Content-Type": kind}), status, code)


def test_two_files_in_one_request_are_refused(served: RunningService) -> None:
    """One request takes one file."""
    files = [("file", ("a.txt", b"a")), ("file", ("b.txt", b"b"))]
    check_error(served.client.post("/documents", files=files), 422, "invalid_request")


def test_upload_limit(serve_home: Serve) -> None:
    """A file over the limit is 413; the limit of JSON bodies does not apply to files."""
    running = serve_home(options=ServiceOptions(upload_bytes=300_000))
    check_error(running.client.post("/documents", files={"file": ("a.txt", b"x" * 400_000)}), 413, "too_large")
    check_error(running.client.post("/documents", files={"file": ("a.txt", b"x" * 300_001)}), 413, "too_large")
    assert running.client.post("/documents", files={"file": ("a.txt", b"word " * 50_000)}).status_code == 202


def test_read_only_service_changes_nothing(serve_home: Serve, filled_home: Path, tmp_path: Path) -> None:
    """A read-only service answers questions, and 409 to uploads, deletions and jobs."""
    running = serve_home(filled_home, ServiceOptions(read_only=True))
    document = running.client.get("/documents").json()["documents"][0]["document_id"]
    for response in (
        running.client.post("/documents", files={"file": ("a.txt", b"a")}),
        running.client.delete(f"/documents/{document}"),
        running.client.post("/jobs", json={"name": "any"}),
    ):
        check_error(response, 409, "read_only")
    assert running.client.get(f"/documents/{document}").status_code == 200


def test_deletion_while_another_writes_is_locked(serve_home: Serve, filled_home: Path, tmp_path: Path) -> None:
    """While another writer holds the knowledge base, DELETE is 409 and questions are answered."""
    home = tmp_path / "copy"
    shutil.copytree(filled_home, home)
    running = serve_home(home)
    document = running.client.get("/documents", params={"status": "ready"}).json()["documents"][0]["document_id"]
    with running.application.store("default").writer():
        check_error(running.client.delete(f"/documents/{document}"), 409, "locked")
        response: httpx.Response = running.client.post("/ask", json={"question": "When does the nightly backup start?"})
        assert response.json()["status"] == "answered"
