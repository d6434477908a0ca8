"""`kb serve`: the HTTP service."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from indexes.errors import KBError
from kb.cli import output, session
from kb.cli.options import KB, Config

if TYPE_CHECKING:
    from kb.wiring import Application


def serve(
    host: Annotated[
        str | None,
        typer.Option("--host", metavar="HOST", help="Address to listen on.", show_default="127.0.0.1"),
    ] = None,
    port: Annotated[
        int | None, typer.Option("--port", metavar="PORT", help="Port to listen on.", show_default="8000")
    ] = None,
    workers: Annotated[
        int | None, typer.Option("--workers", metavar="N", help="Server processes.", show_default="1")
    ] = None,
    read_only: Annotated[
        bool, typer.Option("--read-only", help="Answer questions only: no uploads, deletions or jobs.")
    ] = False,
    kb: KB = "",
    config: Config = None,
) -> None:
    """Serve questions over HTTP until stopped. Addresses other than loopback need a key."""
    flags = {
        "serve.host": host,
        "serve.port": port,
        "serve.workers": workers,
        "serve.read_only": read_only or None,
    }
    with session.application(config, flags) as application:
        application.store(kb)
        settings = application.settings.serve
        from kb.api.server import serve as serve_http

        _tell_missing(application)

        name = application.name(kb)
        serve_http(application, settings.host, settings.port, settings.workers, settings.read_only, kb=name)


def _tell_missing(application: Application) -> None:
    """Say before the first question what every question would fail for; nothing is loaded for it."""

    def engine_folder() -> None:
        settings = application.settings
        if settings.engine.name == "qwen":
            from indexes.models.files import resolve_model

            folder = Path(settings.models.folder) if settings.models.folder else None
            resolve_model(settings.engine.model, "engine", offline=True, models_folder=folder)

    for subject, look in (("embedder", lambda: application.embedder().identity), ("engine", engine_folder)):
        try:
            look()
        except KBError as error:
            output.notice(f"kb: {subject}: {error}; questions fail until that is mended")
