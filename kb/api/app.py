"""The HTTP application: its layers, from the outside in, and its routes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, Security
from fastapi.security import HTTPBearer
from starlette.concurrency import run_in_threadpool

import kb
from kb.api.context import RequestContext
from kb.api.dependencies import Service, ServiceOptions
from kb.api.errors import KINDS, add_error_handlers
from kb.api.limits import BodyLimit
from kb.api.routes import ask, documents, health, jobs, openai, search, versions, web
from kb.api.schemas import ErrorBody
from kb.api.security import ApiKey, HostAndOrigin

if TYPE_CHECKING:
    from kb.wiring import Application

_DESCRIPTION = """\
Answers from the documents of a knowledge base, each with exact citations, or an honest refusal.

Offsets count Unicode code points, half-open, over a document's text. Pages count from 1. Scores lie in [0, 1].
A body in JSON holds at most 64 KiB, a question 4,000 characters.

Errors have one form, `{"error": {"code", "message", "request_id"}}`, and never repeat the input. The request's
identity is also in the header `X-Request-ID`.

"""


def error_table() -> str:
    """Return the error codes as a Markdown table, as the OpenAPI page and the guide show them."""
    rows = (f"| `{code}` | {kind.status} | {kind.message} |" for code, kind in KINDS.items())
    return "\n".join(("| code | status | meaning |", "| --- | --- | --- |", *rows))


def create_app(
    application: Application, options: ServiceOptions | None = None, *, close_application: bool = False
) -> FastAPI:
    """Return the ASGI application that serves `application`, and closes it at its end where told to."""
    service = Service(application, options or ServiceOptions())

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await run_in_threadpool(service.start)
        try:
            yield
        finally:
            await run_in_threadpool(service.close)
            if close_application:
                application.close()

    described: dict[int | str, dict[str, Any]] = {
        422: {"model": ErrorBody, "description": "The request is not valid."},
        "default": {"model": ErrorBody, "description": "An error; see the table of codes."},
    }
    app = FastAPI(
        title="qwen-kb",
        version=kb.__version__,
        description=_DESCRIPTION + error_table(),
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        redirect_slashes=False,
    )
    app.state.service = service
    add_error_handlers(app)
    # For the description only: the key is checked by the middleware, before anything is read.
    key = [Security(HTTPBearer(auto_error=False))] if service.options.api_key else []
    for module in (ask, search, documents, versions, jobs, openai):
        app.include_router(module.router, responses=described, dependencies=key)
    app.include_router(health.router)
    app.include_router(web.router)
    # The last one added is the outermost.
    app.add_middleware(BodyLimit, body_bytes=service.options.body_bytes, upload_bytes=service.options.upload_bytes)
    app.add_middleware(ApiKey, key=service.options.api_key)
    app.add_middleware(HostAndOrigin, hosts=service.options.hosts)
    app.add_middleware(RequestContext, metrics=service.metrics)
    return app
