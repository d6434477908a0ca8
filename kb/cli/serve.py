"""`kb serve`: the HTTP service."""

from __future__ import annotations

from typing import Annotated

import typer

from kb.cli import session
from kb.cli.options import KB, Config


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

        name = application.name(kb)
        serve_http(application, settings.host, settings.port, settings.workers, settings.read_only, kb=name)
