"""`kb versions` and `kb rollback`: the published versions, and showing an earlier one again."""

from __future__ import annotations

from typing import Annotated

import typer

from kb.cli import output, session
from kb.cli.options import KB, Config, Json


def versions(kb: KB = "", config: Config = None, as_json: Json = False) -> None:
    """List the published versions, newest first."""
    from kb.payloads import moment, versions_payload

    with session.application(config) as application:
        rows = sorted(application.store(kb).versions(), key=lambda row: -row.version)
    if as_json:
        output.emit_json(versions_payload(rows))
        return
    output.table(
        ("version", "published", "documents", "passages", "added", "removed", ""),
        [
            (
                row.version,
                moment(row.published_at),
                row.documents,
                row.chunks,
                f"+{row.added}",
                f"-{row.removed}",
                " ".join(
                    [*(["current"] if row.current else []), *([f"as {row.restored_from}"] if row.restored_from else [])]
                ),
            )
            for row in rows
        ],
    )


def rollback(
    version: Annotated[int, typer.Argument(metavar="VERSION", help="A version that `kb versions` lists.", min=1)],
    kb: KB = "",
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Show an earlier version again, as a new version. The next ingest goes on from there."""
    with session.application(config) as application:
        published = application.store(kb).rollback(version)
    if as_json:
        output.emit_json({"version": published, "restored_from": version})
    else:
        output.line(f"Version {published} shows what version {version} did.")
