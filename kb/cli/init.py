"""`kb init`: a configuration file from a profile, and an empty knowledge base."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from indexes.errors import UsageError
from kb.cli import output, session
from kb.cli.options import KB, Config, Json

CONFIG_NAME = "kb.toml"


def init(
    profile: Annotated[
        str | None,
        typer.Option("--profile", metavar="NAME", help="embedded, cpu, gpu or cluster: written to ./kb.toml."),
    ] = None,
    kb: KB = "",
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Create an empty knowledge base, and a kb.toml with --profile."""
    written = _write_profile(profile, config) if profile is not None else None
    with session.application(config) as application:
        created = application.create(kb)
        path = application.folder(kb)
        payload = {
            "kb": application.name(kb),
            "created": created,
            "path": str(path),
            "config": str(written or application.settings.config or "") or None,
        }
    if as_json:
        output.emit_json(payload)
        return
    if written:
        output.line(f"Wrote {written} ({profile} profile).")
    output.line(f"{'Created' if created else 'There already is'} the knowledge base {payload['kb']!r} in {path}.")
    option = "" if payload["kb"] == "default" else f" --kb {payload['kb']}"
    output.line(f'Next: kb ingest{option} ./your-documents   and then   kb ask{option} "your question"')


def _write_profile(profile: str, config: Path | None) -> Path:
    """Write the profile to `config` or ./kb.toml, which must not be there yet, and return its path."""
    from kb.paths import profile_text

    text = profile_text(profile)
    target = config or Path(CONFIG_NAME)
    try:
        with target.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise UsageError(
            f"{target} is already there and was left as it is; remove it to start from a profile"
        ) from error
    except OSError as error:
        raise UsageError(f"cannot write {target}: {error.strerror}") from error
    return target
