"""`GET /versions`: the published versions that are kept."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import JSONResponse

from kb.api.dependencies import KbDependency, ServiceDependency
from kb.payloads import versions_payload

router = APIRouter(tags=["documents"])


@router.get("/versions")
def versions(service: ServiceDependency, kb: KbDependency) -> JSONResponse:
    """List the versions of a knowledge base, and which of them is served."""
    return JSONResponse(versions_payload(service.application.store(kb).versions()))
