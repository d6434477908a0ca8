"""Records become exactly the JSON of the contract."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np

from indexes.records import Chunk, Document, Hit, Page
from indexes.rows import DocumentRow, StoredDocument, VersionRow
from ingest.report import FailedDocument, IngestReport, PlannedDocument
from kb import payloads
from kb.records import Answer, Citation, Retrieval, Usage

HIT = Hit("d", "d-0", "手册", "file:///a.txt", 3, 5, 9, "四个汉字", "一 > 二", 0.81234567, 0.5, 1.0)
CITATION = Citation(1, "d", "手册", "file:///a.txt", None, 5, 9, "四个汉字", "", 0.83, True)


def answer(usage: Usage | None) -> Answer:
    timings = {"retrieve": 3.1, "generate": 812.00049, "total": 816.2}
    return Answer(
        "年假十天。[1]", "answered", "extractive", (CITATION,), (HIT,), 0.91, "default", 17, timings, usage, "1", "r"
    )


def test_an_answer_has_exactly_the_fields_of_the_contract() -> None:
    """`kb ask --json` and `POST /ask` give these fields in this order, Chinese as it is."""
    payload = payloads.answer_payload(answer(Usage(12, 3)))
    contract = "answer status engine citations hits confidence kb version timings_ms usage request_id"
    assert " ".join(payload) == contract
    assert payload["citations"] == [
        {
            "n": 1,
            "document_id": "d",
            "title": "手册",
            "uri": "file:///a.txt",
            "page": None,
            "start": 5,
            "end": 9,
            "quote": "四个汉字",
            "heading": "",
            "score": 0.83,
            "supported": True,
        }
    ]
    assert payload["usage"] == {
        "prompt_tokens": 12,
        "completion_tokens": 3,
        "prompt_version": "1",
        "cached": False,
        "truncated": False,
    }
    assert payload["timings_ms"] == {"retrieve": 3.1, "generate": 812.0, "total": 816.2}


def test_unknown_usage_is_null() -> None:
    """Where an engine counts no tokens the counts are null, and where none was asked there is no usage at all."""
    uncounted = {
        "prompt_tokens": None,
        "completion_tokens": None,
        "prompt_version": "1",
        "cached": False,
        "truncated": False,
    }
    assert payloads.answer_payload(answer(None))["usage"] == uncounted
    assert payloads.answer_payload(replace(answer(None), engine=None))["usage"] is None


def test_a_search_has_exactly_the_fields_of_the_contract() -> None:
    """`kb search --json` and `POST /search` give hits with all three scores, the version and the timings."""
    payload = payloads.search_payload(Retrieval((HIT,), 0.9, 17, 3.14159))
    assert payload == {
        "hits": [
            {
                "document_id": "d",
                "chunk_id": "d-0",
                "title": "手册",
                "uri": "file:///a.txt",
                "page": 3,
                "start": 5,
                "end": 9,
                "text": "四个汉字",
                "heading": "一 > 二",
                "score": 0.812346,
                "dense_score": 0.5,
                "keyword_score": 1.0,
            }
        ],
        "version": 17,
        "timings_ms": {"retrieve": 3.142, "total": 3.142},
    }


def test_numbers_of_numpy_become_plain_numbers() -> None:
    """Scores may come as numpy numbers, which JSON does not know."""
    hit = Hit("d", "d-0", "", "", None, 0, 1, "x", "", np.float32(0.5), np.float32(0.25), np.float64(1))  # type: ignore[arg-type]  # what search may give
    assert json.loads(json.dumps(payloads.hit_payload(hit)))["dense_score"] == 0.25


def report(*, dry_run: bool = False) -> IngestReport:
    failed = (FailedDocument("file:///b.pdf", "encrypted", "it needs a password"),)
    planned = (PlannedDocument("file:///c.txt", "add"),) if dry_run else ()
    return IngestReport(3, 1, 2, 4, 0, failed, 10, 7, 3, 1.5, {"load": 0.5}, (), dry_run, planned)


def test_an_ingest_has_exactly_the_fields_of_the_contract() -> None:
    """`kb ingest --json` gives the counts, each failure with its reason, and the stages."""
    assert payloads.ingest_payload(report()) == {
        "version": 3,
        "added": 1,
        "changed": 2,
        "unchanged": 4,
        "removed": 0,
        "failed": [{"uri": "file:///b.pdf", "error": "encrypted", "detail": "it needs a password"}],
        "chunks": 10,
        "embedded": 7,
        "reused": 3,
        "seconds": 1.5,
        "stages": {"load": 0.5},
    }


def test_a_dry_run_says_so_and_lists_what_would_happen() -> None:
    """The result of a dry run cannot be taken for that of a real one."""
    payload = payloads.ingest_payload(report(dry_run=True))
    assert payload["dry_run"] is True
    assert payload["planned"] == [{"uri": "file:///c.txt", "action": "add"}]


def test_a_document_has_the_fields_of_the_contract() -> None:
    """`kb docs show ID --json` gives the text, and pages and chunks as offsets into it."""
    document = Document(
        "d", "file:///a.txt", "手册", "一二三四", "0" * 64, extractor="pypdfium2", pages=(Page(1, 0, 4),)
    )
    chunk = Chunk("d-0", "d", 0, 0, 2, "一二", 1, "章")
    payload = payloads.document_payload(StoredDocument(document, (chunk,), "ready", 2, ("a soft hyphen",)))
    contract = {"document_id", "title", "uri", "text", "pages", "chunks", "extractor", "warnings"}
    assert contract <= set(payload)
    assert payload["pages"] == [{"page": 1, "start": 0, "end": 4}]
    assert payload["chunks"] == [{"chunk_id": "d-0", "start": 0, "end": 2, "page": 1, "heading": "章"}]
    assert payload["warnings"] == ["a soft hyphen"]


def test_the_list_of_documents_has_exactly_the_fields_of_the_contract() -> None:
    """`GET /documents` gives one line a document, and where the next page begins."""
    row = DocumentRow("d", "手册", "file:///a.txt", "failed", 0, 0, 0, "encrypted")
    assert payloads.documents_payload([row], "d") == {
        "documents": [
            {
                "document_id": "d",
                "title": "手册",
                "uri": "file:///a.txt",
                "status": "failed",
                "chunks": 0,
                "pages": 0,
                "version_added": 0,
                "error": "encrypted",
            }
        ],
        "next": "d",
    }


def test_times_of_versions_are_utc() -> None:
    """The time of a version reads the same on every machine."""
    row = VersionRow(2, 1_700_000_000.5, 3, 30, 1, 0, 1, True)
    versions = payloads.versions_payload([row])["versions"]
    assert versions == [
        {
            "version": 2,
            "published_at": "2023-11-14T22:13:20+00:00",
            "documents": 3,
            "chunks": 30,
            "added": 1,
            "removed": 0,
            "restored_from": 1,
            "current": True,
        }
    ]
