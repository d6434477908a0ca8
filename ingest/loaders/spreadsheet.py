"""Workbooks (.xlsx): each sheet a page, each row a line with the names of its columns. Needs the `office` extra."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from datetime import date, datetime, time, timedelta
from typing import Any

from ingest.loaders.cleaning import clean, one_line
from ingest.loaders.office import facts_of, library, reading, title_of
from ingest.loaders.outline import Block
from ingest.loaders.paged import build_pages
from ingest.loaders.table import lines_of_rows
from ingest.records import Loaded

_MEDIA_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_MOST_COLUMNS = 1000  # of a row, from the left; further ones are marks that programs leave


def load_spreadsheet(data: bytes, name: str) -> Loaded:
    """Return the rows of a workbook. Raise DocumentError: `damaged`, `too_large`, or `unsupported`.

    Formulas give the values that the program stored; sheets that are hidden are not read, and named in a warning.
    """
    hidden: list[str] = []
    pages: list[tuple[int, list[Block]]] = []
    with reading(data, "workbook") as described:
        workbook = library("openpyxl").load_workbook(io.BytesIO(data), read_only=True, data_only=True, keep_links=False)
        for number, sheet in enumerate(workbook.worksheets, start=1):
            title = one_line(str(sheet.title))
            if sheet.sheet_state != "visible":
                hidden.append(title)
                continue
            blocks = list(_tables(_rows(sheet)))
            if blocks:
                pages.append((number, [Block(title, 1), *blocks]))
        facts = facts_of(workbook.properties) if described else {}
        title = title_of(workbook.properties) if described else ""
    text, headings, places = build_pages(pages)
    warnings = (f"hidden sheets were not read: {', '.join(hidden)}"[:1000],) if hidden else ()
    return Loaded(text, title or name, places, headings, _MEDIA_TYPE, "openpyxl", warnings, facts)


def _rows(sheet: Any) -> Iterator[list[str]]:
    """Yield the cells of each row as text, without the empty ones at its end."""
    sheet.reset_dimensions()  # what the file says of its size may be wrong, and is not needed
    for row in sheet.iter_rows():
        cells = [_cell_text(cell) for cell in row[:_MOST_COLUMNS]]
        while cells and not cells[-1]:
            cells.pop()
        yield cells


def _tables(rows: Iterable[list[str]]) -> Iterator[Block]:
    """Yield the lines of the tables on a sheet, which empty rows part."""
    table: list[list[str]] = []
    for row in rows:
        if row:
            table.append(row)
        else:
            yield from _lines(table)
            table = []
    yield from _lines(table)


def _lines(table: list[list[str]]) -> Iterator[Block]:
    """Yield the lines of one table; rows of a single cell above it are titles, not names of columns."""
    first = True
    while table and sum(map(bool, table[0])) == 1 and any(sum(map(bool, row)) > 1 for row in table[1:]):
        yield Block("".join(table.pop(0)), 0, tight=not first)
        first = False
    for line in lines_of_rows(table):
        yield Block(line, 0, tight=not first)
        first = False


def _cell_text(cell: Any) -> str:
    """Return the value of a cell as the sheet shows it: dates in ISO 8601, shares in percent."""
    value = cell.value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, int | float):
        if "%" in (cell.number_format or ""):
            return f"{round(value * 100, 10):.15g}%"
        return str(value) if isinstance(value, int) else f"{value:.15g}"
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == time() else value.isoformat(" ", "seconds")
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return str(value)
    return " ".join(clean(str(value)).split())
