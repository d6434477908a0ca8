"""`kb export` and `kb import`: a knowledge base as one file, for a backup or another machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kb.cli import output, session
from kb.cli.options import KB, Config, Json

# The name is that of the file in `kb.confidence.kept`, which costs too much to import for the help.
_EXTRAS = ("confidence.json",)


def export(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The file to write; one that is there is replaced.")],
    kb: KB = "",
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Write a knowledge base into one file, as it is at one moment; serving and ingesting go on.

    Everything is checked on the way: damage is exit code 7, and then nothing is written.
    """
    from indexes.transfer import export_store
    from kb.confidence.kept import check_confidence

    with session.application(config) as application:
        store = application.store(kb)
        check_confidence(store)
        done = export_store(store, file.absolute(), _EXTRAS)
        name = application.name(kb)
    if as_json:
        output.emit_json(
            {
                "kb": name,
                "file": str(file),
                "version": done.version,
                "documents": done.documents,
                "originals": done.originals,
                "bytes": done.bytes,
            }
        )
        return
    output.line(f"{name}: {done.documents} documents, version {done.version}, in {file} ({output.size(done.bytes)}).")


def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `kb export` wrote.")],
    kb: KB = "",
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Make a knowledge base of an exported file: whole and checked, or not at all.

    The name must be free. A damaged file is exit code 7. Nothing is embedded again.
    """
    from indexes.transfer import import_store

    with session.application(config) as application:
        name = application.name(kb)
        done = import_store(file, application.folder(kb), _EXTRAS)
    if as_json:
        output.emit_json(
            {"kb": name, "version": done.version, "documents": done.documents, "originals": done.originals}
        )
        return
    output.line(f"{name}: {done.documents} documents, version {done.version}.")
