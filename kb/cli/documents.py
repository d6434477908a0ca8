"""`kb docs`: the documents of a knowledge base."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from kb.cli import output, session
from kb.cli.options import KB, Config, Json

if TYPE_CHECKING:
    from indexes.rows import DocumentRow
    from indexes.store import Store

_PAGE = 1000

app = typer.Typer(help="The documents of a knowledge base.", no_args_is_help=True)


@app.command("list")
def list_documents(
    failed: Annotated[bool, typer.Option("--failed", help="Only documents that could not be read.")] = False,
    kb: KB = "",
    config: Config = None,
    as_json: Json = False,
) -> None:
    """List the documents, with their status and number of passages."""
    from kb.payloads import documents_payload

    with session.application(config) as application:
        rows = _all_rows(application.store(kb), "failed" if failed else None)
    if as_json:
        output.emit_json(documents_payload(rows, None))
        return
    output.table(
        ("document", "status", "passages", "pages", "title", "uri", "error"),
        [
            (row.document_id, row.status, row.chunks, row.pages or "", row.title, row.uri, row.error or "")
            for row in rows
        ],
    )


@app.command("show")
def show(
    document_id: Annotated[
        str, typer.Argument(metavar="ID", help="The document's identity, as `kb docs list` shows it.")
    ],
    kb: KB = "",
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Show one document: its text, pages and passages."""
    with session.application(config) as application:
        stored = application.store(kb).document(document_id)
    if as_json:
        from kb.payloads import document_payload

        output.emit_json(document_payload(stored))
        return
    document = stored.document
    facts = (
        ("document", document.document_id),
        ("title", document.title),
        ("uri", document.uri),
        ("type", document.media_type),
        ("extractor", document.extractor),
        ("pages", len(document.pages) or None),
        ("passages", len(stored.chunks)),
        *(("warning", warning) for warning in document.warnings),
    )
    for name, value in facts:
        if value is not None:
            output.notice(f"{name}: {output.one_line(str(value))}")
    output.line(document.text)


@app.command("remove")
def remove(
    document_ids: Annotated[
        list[str], typer.Argument(metavar="ID...", help="Identities, as `kb docs list` shows them.")
    ],
    kb: KB = "",
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Remove documents and publish a version without them."""
    with session.application(config) as application:
        removed = list(dict.fromkeys(document_ids))
        with application.store(kb).writer() as writer:
            writer.remove(removed)
            version = writer.publish()
    if as_json:
        output.emit_json({"removed": removed, "version": version})
    else:
        output.line(f"Removed {len(removed)} documents; version {version}.")


def _all_rows(store: Store, status: str | None) -> list[DocumentRow]:
    """Return every row, page by page."""
    rows: list[DocumentRow] = []
    while True:
        page = store.documents(status=status, after=rows[-1].document_id if rows else None, limit=_PAGE)
        rows += page
        if len(page) < _PAGE:
            return rows
