"""Records as the JSON objects of the contract: one place for the command line and for HTTP.

Offsets count code points over the document's text, half-open; pages count from 1; scores lie in [0, 1].
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from indexes.records import Hit
from kb.records import Answer, Citation, Retrieval

if TYPE_CHECKING:
    from indexes.rows import DocumentRow, StoredDocument, VerifyReport, VersionRow
    from ingest.jobs import JobDefinition, JobRun
    from ingest.report import IngestReport

Payload = dict[str, object]


def hit_payload(hit: Hit) -> Payload:
    """Return one entry of `hits`."""
    return {
        "document_id": hit.document_id,
        "chunk_id": hit.chunk_id,
        "title": hit.title,
        "uri": hit.uri,
        "page": hit.page,
        "start": hit.start,
        "end": hit.end,
        "text": hit.text,
        "heading": hit.heading,
        "score": _score(hit.score),
        "dense_score": _score(hit.dense_score),
        "keyword_score": _score(hit.keyword_score),
    }


def hits_payload(hits: Iterable[Hit]) -> list[Payload]:
    """Return `hits`, best first."""
    return [hit_payload(hit) for hit in hits]


def citation_payload(citation: Citation) -> Payload:
    """Return one entry of `citations`; `quote` is exactly `text[start:end]` of the document."""
    return {
        "n": citation.n,
        "document_id": citation.document_id,
        "title": citation.title,
        "uri": citation.uri,
        "page": citation.page,
        "start": citation.start,
        "end": citation.end,
        "quote": citation.quote,
        "heading": citation.heading,
        "score": _score(citation.score),
        "supported": citation.supported,
    }


def answer_payload(answer: Answer) -> Payload:
    """Return the response of `kb ask --json` and `POST /ask`."""
    return {
        "answer": answer.answer,
        "status": answer.status,
        "engine": answer.engine,
        "citations": [citation_payload(citation) for citation in answer.citations],
        "hits": hits_payload(answer.hits),
        "confidence": _score(answer.confidence),
        "kb": answer.kb,
        "version": answer.version,
        "timings_ms": {name: round(value, 3) for name, value in answer.timings_ms.items()},
        "usage": None if answer.engine is None else _usage_payload(answer),
        "request_id": answer.request_id,
    }


def _usage_payload(answer: Answer) -> Payload:
    """Return what an answer took of its engine; the counts are null where the engine does not count."""
    usage = answer.usage
    return {
        "prompt_tokens": None if usage is None else usage.prompt_tokens,
        "completion_tokens": None if usage is None else usage.completion_tokens,
        "prompt_version": answer.prompt_version,
        "cached": answer.cached,
        "truncated": answer.truncated,
    }


def search_payload(retrieval: Retrieval) -> Payload:
    """Return the response of `kb search --json` and `POST /search`."""
    return {
        "hits": hits_payload(retrieval.hits),
        "version": retrieval.version,
        "timings_ms": {"retrieve": round(retrieval.milliseconds, 3), "total": round(retrieval.milliseconds, 3)},
    }


def ingest_payload(report: IngestReport) -> Payload:
    """Return the result of `kb ingest --json`; `stages` are seconds. A dry run adds `dry_run` and `planned`."""
    payload: Payload = {
        "version": report.version,
        "added": report.added,
        "changed": report.changed,
        "unchanged": report.unchanged,
        "removed": report.removed,
        "failed": [
            {"uri": document.uri, "error": document.error, "detail": document.detail} for document in report.failed
        ],
        "chunks": report.chunks,
        "embedded": report.embedded,
        "reused": report.reused,
        "seconds": report.seconds,
        "stages": dict(report.stages),
    }
    if report.dry_run:
        payload["dry_run"] = True
        payload["planned"] = [{"uri": planned.uri, "action": planned.action} for planned in report.planned]
    return payload


def documents_payload(rows: Sequence[DocumentRow], following: str | None) -> Payload:
    """Return the response of `kb docs list --json` and `GET /documents`; `following` is the `next` of the contract."""
    return {
        "documents": [
            {
                "document_id": row.document_id,
                "title": row.title,
                "uri": row.uri,
                "status": row.status,
                "chunks": row.chunks,
                "pages": row.pages,
                "version_added": row.version_added,
                "error": row.error,
            }
            for row in rows
        ],
        "next": following,
    }


def document_payload(stored: StoredDocument) -> Payload:
    """Return the response of `kb docs show ID --json` and `GET /documents/{id}`."""
    document = stored.document
    return {
        "document_id": document.document_id,
        "title": document.title,
        "uri": document.uri,
        "text": document.text,
        "pages": [{"page": page.number, "start": page.start, "end": page.end} for page in document.pages],
        "chunks": [
            {
                "chunk_id": chunk.chunk_id,
                "start": chunk.start,
                "end": chunk.end,
                "page": chunk.page,
                "heading": chunk.heading,
            }
            for chunk in stored.chunks
        ],
        "extractor": document.extractor,
        "warnings": list(stored.warnings),
        "status": stored.status,
        "error": stored.error,
        "version_added": stored.version_added,
        "media_type": document.media_type,
        "source": document.source,
        "metadata": dict(document.metadata),
    }


def versions_payload(rows: Iterable[VersionRow]) -> Payload:
    """Return the response of `kb versions --json` and `GET /versions`; times are ISO 8601 in UTC."""
    return {
        "versions": [
            {
                "version": row.version,
                "published_at": moment(row.published_at),
                "documents": row.documents,
                "chunks": row.chunks,
                "added": row.added,
                "removed": row.removed,
                "restored_from": row.restored_from,
                "current": row.current,
            }
            for row in rows
        ]
    }


def verify_payload(report: VerifyReport) -> Payload:
    """Return the result of `kb verify --json`."""
    return {"problems": list(report.problems), "checked": dict(report.checked)}


def job_run_payload(run: JobRun) -> Payload:
    """Return one run of a job; times are ISO 8601 in UTC."""
    return {
        "id": run.id,
        "job": run.job,
        "kb": run.kb,
        "started_at": run.started_at,
        "finished_at": run.finished_at,
        "status": run.status,
        "report": None if run.report is None else dict(run.report),
        "error": run.error or None,
    }


def job_payload(job: JobDefinition, paused: bool, next_run: datetime | None, last: JobRun | None) -> Payload:
    """Return one configured job. `next_run` is when it is due; a paused job is not started then."""
    return {
        "name": job.name,
        "kb": job.kb,
        "cron": job.cron,
        "timezone": job.timezone,
        "prune": job.prune,
        "paused": paused,
        "next_run": None if next_run is None else next_run.isoformat(timespec="seconds"),
        "last_run": None if last is None else job_run_payload(last),
    }


def moment(seconds: float) -> str:
    """Return seconds since 1970 as ISO 8601 in UTC."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def _score(value: float) -> float:
    """Return a score as a plain number of at most six decimals (numpy numbers are no JSON)."""
    return round(float(value), 6)
