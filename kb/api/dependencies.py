"""What the routes are given: the service of this process, and the knowledge base that a request names."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from fastapi import Depends, Query, Request

from indexes.errors import KBError
from kb.api.errors import ServiceError
from kb.api.limits import BODY_BYTES, UPLOAD_BYTES, Gate
from kb.api.metrics import KnowledgeBaseSize, Metrics
from kb.api.schemas import KB_NAME
from kb.api.streaming import Works
from kb.api.uploads import Uploads

if TYPE_CHECKING:
    from kb.wiring import Application

logger = logging.getLogger("kb.api")

_STOP_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class ServiceOptions:
    """How a service behaves. `hosts` are the Host names it answers to, None for any; sizes are in bytes.

    `running` questions are worked on at once and `waiting` more wait in order.
    """

    kb: str = "default"
    api_key: str = ""
    hosts: frozenset[str] | None = None
    read_only: bool = False
    body_bytes: int = BODY_BYTES
    upload_bytes: int = UPLOAD_BYTES
    running: int = 8
    waiting: int = 64


class Service:
    """The application with what one serving process adds: work in progress, uploads, figures."""

    def __init__(self, application: Application, options: ServiceOptions) -> None:
        self.application = application
        self.options = options
        self.metrics = Metrics(self.sizes)
        self.works = Works(Gate(options.running, options.waiting))
        self.uploads = Uploads(
            application.job_runner().ledger, application.pipeline, application.folder, self.metrics.upload
        )
        self.jobs_cancel = threading.Event()

    def start(self) -> None:
        """Go on with what an earlier process left."""
        if self.options.read_only:
            return
        try:
            count = self.uploads.take_up()
        except KBError as error:
            # Questions can be answered without the ledger of jobs.
            logger.error("unfinished uploads cannot be taken up: %s", error)
        else:
            logger.info("going on with %d unfinished uploads", count)

    def close(self) -> None:
        """Stop the work in progress and wait for it a little."""
        self.jobs_cancel.set()
        self.works.stop()
        self.uploads.close(_STOP_SECONDS)
        self.works.join(_STOP_SECONDS)

    def check_writable(self) -> None:
        """Raise ServiceError "read_only" where the service changes nothing."""
        if self.options.read_only:
            raise ServiceError("read_only")

    def sizes(self) -> Iterator[KnowledgeBaseSize]:
        """Yield what is served at the moment; a knowledge base that cannot be opened is left out and logged."""
        for kb in self.application.knowledge_bases():
            try:
                snapshot = self.application.store(kb).snapshot()
            except KBError as error:
                logger.info("%s is not served: %s", kb, error)
                continue
            if snapshot.version > 0:
                yield KnowledgeBaseSize(kb, snapshot.version, snapshot.document_count, snapshot.chunk_count)


def get_service(request: Request) -> Service:
    """Return the service of this process."""
    service: Service = request.app.state.service
    return service


ServiceDependency = Annotated[Service, Depends(get_service)]


def _kb_name(
    service: ServiceDependency,
    kb: Annotated[str | None, Query(pattern=KB_NAME, description="knowledge base")] = None,
) -> str:
    return kb or service.options.kb


KbDependency = Annotated[str, Depends(_kb_name)]
