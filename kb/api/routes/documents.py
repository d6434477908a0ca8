"""`/documents`: what is in a knowledge base, one document whole, its original bytes, uploads and deletions."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Path, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from indexes.errors import NotFoundError
from ingest.uris import path_of
from kb.api.dependencies import KbDependency, ServiceDependency
from kb.api.errors import ServiceError
from kb.api.schemas import DocumentList, JobAccepted
from kb.api.uploads import safe_name
from kb.payloads import document_payload, documents_payload

router = APIRouter(tags=["documents"])

# Types that a browser cannot run; everything else goes out as plain bytes.
_HARMLESS_TYPES = frozenset({"application/pdf", "text/plain", "text/markdown"})

DocumentId = Annotated[str, Path(max_length=64)]

_UPLOAD_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {"file": {"type": "string", "format": "binary"}},
                }
            }
        },
    }
}


@router.get("/documents", responses={200: {"model": DocumentList}})
def list_documents(
    service: ServiceDependency,
    kb: KbDependency,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    after: Annotated[str | None, Query(max_length=64, description="`next` of the page before")] = None,
    status: Annotated[str | None, Query(pattern="^(ready|failed)$")] = None,
) -> JSONResponse:
    """List documents, those that could not be read among them with their error."""
    rows = service.application.store(kb).documents(status=status, after=after, limit=limit + 1)
    following = rows[limit - 1].document_id if len(rows) > limit else None
    return JSONResponse(documents_payload(rows[:limit], following))


@router.post("/documents", status_code=202, responses={202: {"model": JobAccepted}}, openapi_extra=_UPLOAD_BODY)
async def upload_document(request: Request, service: ServiceDependency, kb: KbDependency) -> JSONResponse:
    """Take in one file (multipart field `file`). It is stored at once and read in soon; `GET /jobs` shows how it went.

    A file of the same name replaces the one uploaded before. A knowledge base that is missing is made.
    """
    service.check_writable()
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        raise ServiceError("unsupported_media_type", "Send the file as `multipart/form-data`, in the field `file`.")
    try:
        form = await request.form(max_files=1, max_fields=8)
    except HTTPException:
        raise ServiceError("invalid_request", "The body is not valid multipart/form-data with one file.") from None
    try:
        file = form.get("file")
        if not isinstance(file, UploadFile) or not file.filename:
            raise ServiceError("invalid_request", "`file`: needed, as a part with a file name.")
        if (file.size or 0) > service.options.upload_bytes:
            raise ServiceError("too_large")
        job_id = await run_in_threadpool(service.uploads.add, kb, file.filename, file.file)
    finally:
        await form.close()
    return JSONResponse({"job_id": job_id}, 202)


@router.get("/documents/{document_id}")
def show_document(document_id: DocumentId, service: ServiceDependency, kb: KbDependency) -> JSONResponse:
    """Return a document with its text, pages and passages."""
    return JSONResponse(document_payload(service.application.store(kb).document(document_id)))


@router.delete("/documents/{document_id}")
def remove_document(document_id: DocumentId, service: ServiceDependency, kb: KbDependency) -> JSONResponse:
    """Remove a document and publish the version without it. Its source, where it has one of its own, is not touched."""
    service.check_writable()
    store = service.application.store(kb)
    uri = store.document(document_id).document.uri
    with store.writer() as writer:
        writer.remove([document_id])
        version = writer.publish()
    if uri.startswith("file:"):
        service.uploads.remove(kb, path_of(uri))
    return JSONResponse({"version": version, "removed": 1})


@router.get("/documents/{document_id}/original", response_class=Response)
def original_document(document_id: DocumentId, service: ServiceDependency, kb: KbDependency) -> Response:
    """Return the bytes that came in, as a download that no browser will run."""
    store = service.application.store(kb)
    document = store.document(document_id).document
    data = store.original(document_id)
    if data is None:
        raise NotFoundError(f"no original of {document_id} was kept")
    name = safe_name(document.uri.split("?")[0])
    headers = {
        "Content-Disposition": f"attachment; filename=\"{_ascii(name)}\"; filename*=UTF-8''{quote(name, safe='')}",
        "Content-Security-Policy": "sandbox; default-src 'none'",
    }
    media_type = document.media_type if document.media_type in _HARMLESS_TYPES else "application/octet-stream"
    return Response(data, headers=headers, media_type=media_type)


def _ascii(name: str) -> str:
    return "".join(character if " " <= character <= "~" and character not in '"\\%' else "_" for character in name)
