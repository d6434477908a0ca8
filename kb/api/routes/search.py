"""`POST /search`: passages for a query, without an answer."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse

from kb.api.dependencies import ServiceDependency
from kb.api.errors import ServiceError
from kb.api.limits import while_connected
from kb.api.schemas import SearchBody, SearchRequest
from kb.api.strict_json import StrictJsonRoute
from kb.payloads import search_payload
from kb.records import Retrieval

router = APIRouter(route_class=StrictJsonRoute, tags=["asking"])


@router.post("/search", responses={200: {"model": SearchBody}}, response_class=JSONResponse)
async def search(body: SearchRequest, service: ServiceDependency, request: Request) -> JSONResponse:
    """Return the passages that match a query, best first."""
    kb = body.kb or service.options.kb

    def produce(_: threading.Event) -> Iterator[Retrieval]:
        yield service.application.retriever(kb).retrieve(body.query, top_k=body.top_k, filters=body.filters)

    async def run() -> Retrieval:
        async for retrieval in await service.works.start(produce):
            return retrieval
        raise ServiceError("shutting_down")

    return JSONResponse(search_payload(await while_connected(asyncio.create_task(run()), request.receive)))
