"""Errors of the HTTP service: the table of codes, the short body they all have, and the handlers that write it.

No message ever repeats what was sent: the texts are fixed, or were written by a check that names only its own fields.
The cause of a failure goes to the log, under the request's identity.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from indexes.errors import KBError

logger = logging.getLogger("kb.api")


@dataclass(frozen=True, slots=True)
class ErrorKind:
    """One error code: its HTTP status and what it says when nothing more exact is known."""

    status: int
    message: str


KINDS: Mapping[str, ErrorKind] = {
    "bad_request": ErrorKind(400, "The request is not valid HTTP."),
    "unauthorized": ErrorKind(401, "A valid key is needed: send it as `Authorization: Bearer …`."),
    "forbidden_host": ErrorKind(403, "This service does not answer to that Host name."),
    "forbidden_origin": ErrorKind(403, "Requests from pages of other sites are not accepted."),
    "not_found": ErrorKind(404, "There is no such page, knowledge base, version, document or job."),
    "method_not_allowed": ErrorKind(405, "This address does not take that method."),
    "timeout": ErrorKind(408, "The request did not arrive in time."),
    "read_only": ErrorKind(409, "This service is read-only: it takes no uploads, deletions or jobs."),
    "locked": ErrorKind(409, "Another writer holds the knowledge base; try again when it is done."),
    "embedding_mismatch": ErrorKind(409, "The knowledge base was made by another embedder than the one configured."),
    "too_large": ErrorKind(413, "The request is too large."),
    "unsupported_media_type": ErrorKind(415, "The Content-Type is not one that this address takes."),
    "invalid_request": ErrorKind(422, "The request is not valid; the OpenAPI page describes what is."),
    "document": ErrorKind(422, "The document could not be read."),
    "busy": ErrorKind(503, "Too many requests are waiting; try again shortly."),
    "not_ready": ErrorKind(503, "No version of a knowledge base is loaded yet."),
    "engine_unavailable": ErrorKind(503, "The engine or its model cannot be used; the log of the service says why."),
    "shutting_down": ErrorKind(503, "The service is stopping."),
    "configuration": ErrorKind(500, "A setting of the service is wrong; its log says which."),
    "damaged": ErrorKind(500, "Stored data is damaged; `kb verify` says what."),
    "internal": ErrorKind(500, "Something went wrong; the log of the service holds the cause under the request id."),
}

_BY_STATUS = {
    400: "invalid_request",
    401: "unauthorized",
    404: "not_found",
    405: "method_not_allowed",
    408: "timeout",
    413: "too_large",
    415: "unsupported_media_type",
    422: "invalid_request",
    503: "busy",
}


class ServiceError(Exception):
    """A failure that is answered with `code` (a key of `KINDS`), `message` or the code's own, and `headers`."""

    def __init__(self, code: str, message: str = "", headers: Mapping[str, str] | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.message = message or KINDS[code].message
        self.headers = dict(headers or {})


class ClientGoneError(Exception):
    """The client closed the connection before the response began: there is nobody to answer."""


def error_body(code: str, message: str, request_id: str) -> dict[str, object]:
    """Return the body of every error."""
    return {"error": {"code": code, "message": message or KINDS[code].message, "request_id": request_id}}


def error_response(code: str, request_id: str, message: str = "", headers: Mapping[str, str] | None = None) -> Response:
    """Return the response for an error code."""
    body = json.dumps(error_body(code, message, request_id), ensure_ascii=False).encode()
    return Response(body, KINDS[code].status, dict(headers or {}), "application/json")


def error_of(error: BaseException, request_id: str) -> ServiceError:
    """Return what is answered for a failure, and log its cause where the answer does not hold it."""
    if isinstance(error, ServiceError):
        return error
    if isinstance(error, KBError) and error.code in KINDS:
        level = logging.ERROR if error.http_status >= 500 else logging.INFO
        logger.log(level, "%s: %s: %s", request_id, error.code, error)
        return ServiceError(error.code)
    logger.error("%s: unexpected failure", request_id, exc_info=error)
    return ServiceError("internal")


def validation_message(error: RequestValidationError) -> str:
    """Return one line that names the first wrong field, where it is one of ours, and what is wrong with it."""
    first = error.errors()[0]
    where = first["loc"][1:]  # behind "body", "query" or "path"
    if first["type"] == "extra_forbidden":
        return "The request holds a field that is not known here; the OpenAPI page lists those that are."
    # The first part names a field of ours; deeper ones may be keys that the client chose.
    name = f"`{where[0]}`: " if where and isinstance(where[0], str) else ""
    if first["type"] == "missing":
        return f"{name or 'the body: '}needed, but not there."
    if first["type"] in _PLAIN_MESSAGES:
        return f"{name}{first['msg'][0].lower()}{first['msg'][1:]}."
    return f"{name}not valid."


# Pydantic's messages of these types name limits and types, never the input.
_PLAIN_MESSAGES = frozenset(
    {
        "bool_type", "float_type", "int_type", "string_type", "list_type", "dict_type", "finite_number",
        "greater_than", "greater_than_equal", "less_than", "less_than_equal", "literal_error", "model_type",
        "model_attributes_type", "string_too_long", "string_too_short", "too_long", "too_short", "filters", "content",
        "int_parsing", "int_from_float", "dataclass_type", "tuple_type", "question",
    }
)  # fmt: skip


def add_error_handlers(app: FastAPI) -> None:
    """Answer every failure below the middleware in the one short form."""

    async def on_service_error(request: Request, error: Exception) -> Response:
        known = error_of(error, request_id_of(request.scope))
        return error_response(known.code, request_id_of(request.scope), known.message, known.headers)

    async def on_http_error(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        headers = error.headers if isinstance(error, HTTPException) else None
        return error_response(_BY_STATUS.get(status, "internal"), request_id_of(request.scope), headers=headers)

    async def on_validation_error(request: Request, error: Exception) -> Response:
        message = validation_message(error) if isinstance(error, RequestValidationError) else ""
        return error_response("invalid_request", request_id_of(request.scope), message)

    app.add_exception_handler(ServiceError, on_service_error)
    app.add_exception_handler(KBError, on_service_error)
    app.add_exception_handler(HTTPException, on_http_error)
    app.add_exception_handler(RequestValidationError, on_validation_error)


def request_id_of(scope: Mapping[str, object]) -> str:
    """Return the identity that the outermost middleware gave the request."""
    return str(scope.get("kb.request_id", ""))
