"""CSV and TSV: each row becomes a line that reads by itself, with the names of its columns."""

from __future__ import annotations

import csv
import io

from indexes.errors import DocumentError
from ingest.loaders.cleaning import clean, one_line
from ingest.loaders.decoding import decode
from ingest.records import Loaded

_DELIMITERS = ",\t;|"
_LONGEST_FIELD = 1 << 20


def load_table(data: bytes, name: str, charset: str | None = None) -> Loaded:
    """Return the rows of a delimited file, one a line: `column: value; column: value`.

    Raise DocumentError: `undecodable`, or `damaged` where a field does not end.
    """
    decoded = decode(data, charset)
    raw = decoded.text.replace("\x00", "").removeprefix("\ufeff")
    csv.field_size_limit(_LONGEST_FIELD)
    try:
        rows = [row for row in csv.reader(io.StringIO(raw, newline=""), delimiter=_delimiter(raw)) if any(row)]
    except csv.Error as error:
        raise DocumentError("damaged", f"not a table of rows: {error}") from error
    lines = lines_of_rows(rows)
    extractor = f"table ({decoded.encoding})"
    return Loaded(clean("\n".join(lines)), name, (), (), "text/csv", extractor, decoded.warnings, {})


def lines_of_rows(rows: list[list[str]]) -> list[str]:
    """Return rows as lines that read by themselves; the first is taken for names of columns where it looks so."""
    header = [one_line(cell) for cell in rows[0]] if rows and _is_header(rows) else []
    lines = [_line(row, header) for row in (rows[1:] if header else rows)]
    return ["; ".join(header), *lines] if header else lines


def lines_of_table(rows: list[list[str]], *, named: bool) -> list[str]:
    """Return the rows of a table in a document as lines; with `named`, its first row holds the names of the columns.

    Others are as often forms, in which names stand beside their values, so nothing is guessed.
    """
    filled = [row for row in rows if any(row)]
    if named and len(filled) > 1:
        return ["; ".join(filled[0]), *(_line(row, filled[0]) for row in filled[1:])]
    return [" | ".join(cell for cell in row if cell) for row in filled]


def _delimiter(text: str) -> str:
    """Return the delimiter that stands equally often in the first lines."""
    lines = [line for line in text[:20_000].splitlines()[:20] if line.strip()]
    counts = {mark: [line.count(mark) for line in lines] for mark in _DELIMITERS}
    steady = {mark: min(found) for mark, found in counts.items() if found and min(found) > 0}
    if not steady:
        return ","
    return max(steady, key=lambda mark: (counts[mark].count(counts[mark][0]), steady[mark]))


def _is_header(rows: list[list[str]]) -> bool:
    """Tell whether the first row names the columns: all cells filled, different, and none a number."""
    cells = [cell.strip() for cell in rows[0]]
    named = all(cells) and len(set(cells)) == len(cells) and not any(_is_number(cell) for cell in cells)
    return len(rows) > 1 and len(cells) > 1 and named


def _is_number(cell: str) -> bool:
    try:
        float(cell.replace(",", "").rstrip("%"))
    except ValueError:
        return False
    return True


def _line(row: list[str], header: list[str]) -> str:
    cells = [" ".join(cell.split()) for cell in row]
    if not header:
        return "; ".join(cell for cell in cells if cell)
    names = header + [""] * (len(cells) - len(header))
    return "; ".join(f"{name}: {cell}" if name else cell for name, cell in zip(names, cells, strict=False) if cell)
