"""Filters of a search: from the request's object to the states of documents that match."""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping, Sequence

from indexes.errors import UsageError
from indexes.records import document_id_of

MAX_VALUES = 1000
_COLUMNS = {"source": "source", "title": "title"}
_DATE = re.compile(r"([0-9]{4})(?:-([0-9]{2})(?:-([0-9]{2})([T ][0-9:.]+(?:Z|[+-][0-9]{2}:?[0-9]{2})?)?)?)?")
_LARGEST = 1 << 63


def filter_clause(filters: Mapping[str, object]) -> tuple[str, list[str]]:
    """Return an SQL condition over `states s` and its parameters: every field must match, by one of its values.

    `uri` matches NFC and NFD spellings alike; `tag` one of the document's tags; `date` a value, or a range
    {"from", "to"} of ISO 8601 dates of any precision, both ends inside; any other field is document metadata.
    Raise UsageError for anything that is not a text, a number, or a list of those, and for a date that is none.
    """
    conditions: list[str] = []
    parameters: list[str] = []
    for field, wanted in filters.items():
        if not isinstance(field, str) or not field:
            raise UsageError("a filter's field must be a name")
        if field == "date" and isinstance(wanted, Mapping):
            condition, values = _date_range(wanted)
        else:
            values = _values(field, wanted)
            if field == "date" and not all(map(_is_date, values)):
                raise UsageError('the filter "date" takes ISO 8601 dates, such as 2024-05-31, 2024-05 or 2024')
            marks = ",".join("?" * len(values))
            if field == "uri":
                condition, values = f"s.document_id IN ({marks})", [document_id_of(value) for value in values]
            elif field in _COLUMNS:
                condition = f"s.{_COLUMNS[field]} IN ({marks})"
            else:
                condition = (
                    "EXISTS (SELECT 1 FROM fields f WHERE f.state_id = s.state_id AND f.field = ?"
                    f" AND f.value IN ({marks}))"
                )
                values = [_encodable(field), *values]
        conditions.append(condition)
        parameters += values
    return " AND ".join(conditions) or "1", parameters


def _values(field: str, wanted: object) -> list[str]:
    listed = list(wanted) if isinstance(wanted, Sequence) and not isinstance(wanted, str | bytes) else [wanted]
    if len(listed) > MAX_VALUES:
        raise UsageError(f"a filter takes at most {MAX_VALUES} values")
    return [_text(field, value) for value in listed]


def _text(field: str, value: object) -> str:
    if isinstance(value, str):
        return _encodable(value)
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < _LARGEST:
        return str(value)
    raise UsageError(f"the filter '{_encodable(field)}' takes a text, a whole number, or a list of those")


def _encodable(value: str) -> str:
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        raise UsageError("a filter holds characters that are no Unicode") from error
    return value


def _date_range(wanted: Mapping[object, object]) -> tuple[str, list[str]]:
    if not wanted or not set(wanted) <= {"from", "to"}:
        raise UsageError('the filter "date" takes a value, a list, or an object with "from" and "to"')
    bounds: dict[object, str] = {}
    for end, value in wanted.items():
        if not isinstance(value, str) or not _is_date(value):
            raise UsageError('the ends of the filter "date" are ISO 8601 dates, such as 2024-05-31')
        bounds[end] = value
    conditions = ["f.state_id = s.state_id", "f.field = 'date'"]
    parameters = []
    if "from" in bounds:
        # A date of lower precision than the bound (the year alone, say) counts by its beginning.
        conditions.append("f.value >= ?")
        parameters.append(bounds["from"])
    if "to" in bounds:
        # "2024-05" takes in all of May: what the bound is a beginning of lies inside.
        conditions.append("(f.value <= ? OR substr(f.value, 1, ?) = ?)")
        parameters += [bounds["to"], str(len(bounds["to"])), bounds["to"]]
    return f"EXISTS (SELECT 1 FROM fields f WHERE {' AND '.join(conditions)})", parameters


def _is_date(value: str) -> bool:
    """Tell whether `value` is a year, a month or a day of the calendar, or a time of such a day, in ISO 8601."""
    parts = _DATE.fullmatch(value)
    if parts is None:
        return False
    year, month, day, time = parts.groups()
    try:
        datetime.date(int(year), int(month or 1), int(day or 1))
        if time:
            datetime.time.fromisoformat(time[1:])
    except ValueError:
        return False
    return True
