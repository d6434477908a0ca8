"""What commands print: results on standard output, notices on standard error."""

from __future__ import annotations

import json
import re
import sys
import unicodedata
from collections.abc import Iterable, Sequence
from typing import TextIO

# Text of documents and answers must not move the cursor, set colours or reverse the reading order of a terminal.
_UNSAFE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def prepare_streams() -> None:
    """Make both streams write UTF-8, whatever the locale; what UTF-8 cannot hold is escaped, never an error."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(encoding="utf-8", errors="backslashreplace")


def safe(text: str) -> str:
    """Return `text` without control characters other than line feed and tab."""
    return _UNSAFE.sub("", text)


def one_line(text: str, width: int = 0) -> str:
    """Return `text` on one line, white space collapsed; cut to `width` columns where `width` is positive."""
    line = " ".join(safe(text).split())
    if width <= 0:
        return line
    used = 0
    for position, character in enumerate(line):
        used += 2 if unicodedata.east_asian_width(character) in "WF" else 1
        if used > width:
            return line[: position - 1].rstrip() + "…"
    return line


def write(text: str) -> None:
    """Write a piece of a result to standard output at once."""
    sys.stdout.write(safe(text))
    sys.stdout.flush()


def line(text: str = "") -> None:
    """Write one line of a result."""
    sys.stdout.write(safe(text) + "\n")


def notice(text: str) -> None:
    """Write one line about what happens to standard error."""
    sys.stderr.write(safe(text) + "\n")
    sys.stderr.flush()


def emit_json(payload: object) -> None:
    """Write one JSON object, Chinese as it is, on one line where it is piped and indented on a terminal."""
    indent = 2 if is_terminal(sys.stdout) else None
    sys.stdout.write(json.dumps(payload, ensure_ascii=False, allow_nan=False, indent=indent) + "\n")


def is_terminal(stream: TextIO) -> bool:
    """Return whether a person is looking at `stream`."""
    return stream.isatty()


def table(headers: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write rows in columns on a terminal, and separated by tabs, without headers' decoration, elsewhere."""
    cells = [["" if cell is None else one_line(str(cell)) for cell in row] for row in rows]
    if not is_terminal(sys.stdout):
        for row in [list(headers), *cells]:
            line("\t".join(row))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    grid = Table(box=None, pad_edge=False, header_style="bold")
    for header in headers:
        grid.add_column(header, overflow="fold")
    for row in cells:
        grid.add_row(*(Text(cell) for cell in row))
    Console(file=sys.stdout, highlight=False).print(grid)


def pairs(rows: Iterable[tuple[str, object]]) -> None:
    """Write names and values, one pair a line; pairs without a value (None) are left out."""
    shown = [(name, one_line(str(value))) for name, value in rows if value is not None]
    width = max((len(name) for name, _ in shown), default=0) if is_terminal(sys.stdout) else 0
    for name, value in shown:
        line(f"{name.ljust(width)}  {value}" if width else f"{name}\t{value}")


def size(count: int) -> str:
    """Return a number of bytes for reading: 1.5 MiB."""
    value = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TiB"
