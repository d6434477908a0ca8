"""The arguments and options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, cast

import typer

DEFAULT_KB = "default"


def _kb_or_root(context: typer.Context, value: str | None) -> str:
    """Return the name given to this command, else the one given before it, else the default.

    A name that was given and is empty stays: an unset variable in a script must not choose the default.
    """
    source = context.get_parameter_source("kb")
    if source is not None and source.name == "COMMANDLINE":
        return value or ""
    before = cast("str | None", context.find_root().params.get("kb"))
    return DEFAULT_KB if before is None else before


def _config_or_root(context: typer.Context, value: Path | None) -> Path | None:
    """Return the file given to this command, else the one given before it."""
    return value or cast("Path | None", context.find_root().params.get("config"))


KB = Annotated[
    str,
    typer.Option("--kb", metavar="NAME", help="The knowledge base.", show_default=DEFAULT_KB, callback=_kb_or_root),
]
Config = Annotated[
    Path | None,
    typer.Option(
        "--config", metavar="FILE", help="The configuration file.", show_default="./kb.toml", callback=_config_or_root
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")]
TopK = Annotated[
    int | None, typer.Option("--top-k", metavar="N", help="Passages to find, 1 to 100.", show_default="as configured")
]
Filter = Annotated[
    list[str] | None,
    typer.Option(
        "--filter",
        metavar="KEY=VALUE",
        help="Only documents whose source, uri, title, tag, date or other field has this value. May be repeated: "
        "several values of one key mean any of them. A range of dates is date=2024-01-01..2024-12-31.",
    ),
]
EngineName = Annotated[
    str | None,
    typer.Option("--engine", metavar="NAME", help="extractive, qwen or openai.", show_default="as configured"),
]
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress and notices on standard error.")]
