"""What keeps watch over the service asks these: is it alive, can it answer, what has it done."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import JSONResponse, Response

from kb.api.dependencies import ServiceDependency
from kb.api.errors import ServiceError
from kb.api.metrics import CONTENT_TYPE

router = APIRouter(tags=["operation"])


@router.head("/healthz", include_in_schema=False)
@router.get("/healthz")
async def healthz() -> JSONResponse:
    """Say that the process is alive."""
    return JSONResponse({"status": "ok"})


@router.head("/readyz", include_in_schema=False)
@router.get("/readyz")
def readyz(service: ServiceDependency) -> JSONResponse:
    """Say that a version of a knowledge base is loaded; 503 `not_ready` otherwise."""
    if next(iter(service.sizes()), None) is None:
        raise ServiceError("not_ready", headers={"Retry-After": "5"})
    return JSONResponse({"status": "ready"})


@router.get("/metrics", response_class=Response)
def metrics(service: ServiceDependency) -> Response:
    """Return the figures of this process for Prometheus."""
    return Response(service.metrics.text(), media_type=CONTENT_TYPE)
