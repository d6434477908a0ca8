"""`kb verify` and `kb gc`: checking what is stored, and removing what is no longer needed."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from indexes.errors import DamagedError
from kb.cli import output, session
from kb.cli.options import KB, Config, Json


def verify(
    repair: Annotated[
        bool,
        typer.Option("--repair", help="Rebuild damaged segments and versions from the database, then check again."),
    ] = False,
    kb: KB = "",
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Check every stored byte against its checksum.

    The versions are checked against the database as well. Damage is exit code 7.
    """
    from kb.confidence.kept import check_confidence

    with session.application(config) as application:
        store = application.store(kb)
        report = store.repair() if repair else store.verify()
        try:
            check_confidence(store)
        except DamagedError as error:
            report.problems.append(str(error))
        name = application.name(kb)
    if as_json:
        from kb.payloads import verify_payload

        output.emit_json(verify_payload(report))
    else:
        for problem in report.problems:
            output.line(f"problem: {problem}")
        checked = ", ".join(f"{count} {kind}" for kind, count in report.checked.items()) or "nothing: it is empty"
        output.line(f"{name}: {len(report.problems)} problems; checked {checked}.")
    if report.problems:
        raise typer.Exit(DamagedError.exit_code)


def gc(kb: KB = "", config: Config = None, as_json: Json = False) -> None:
    """Remove old versions, and what only they needed."""
    with session.application(config) as application:
        report = asdict(application.store(kb).gc())
    if as_json:
        output.emit_json(report)
        return
    output.line("Removed " + ", ".join(f"{count} {kind}" for kind, count in report.items()) + ".")
