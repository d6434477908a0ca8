"""`--filter KEY=VALUE` as the filters of a question."""

from __future__ import annotations

from collections.abc import Sequence

from indexes.errors import UsageError


def parse(entries: Sequence[str] | None) -> dict[str, object]:
    """Return filters by field: one value, or a list where a field is named more than once.

    A `date` may be a range, `2024-01-01..2024-12-31`, either end of which may be left out. Raise UsageError where an
    entry has no `=`, no field or no value.
    """
    found: dict[str, list[str]] = {}
    for entry in entries or ():
        key, equals, value = entry.partition("=")
        if not equals or not key.strip() or not value:
            raise UsageError(f"--filter takes KEY=VALUE, such as source=handbook, not {entry!r}")
        found.setdefault(key.strip(), []).append(value)
    filters: dict[str, object] = {}
    for key, values in found.items():
        if key == "date" and any(".." in value for value in values):
            if len(values) > 1:
                raise UsageError("--filter date takes one range, or days without a range")
            first, _, last = values[0].partition("..")
            filters[key] = {name: day.strip() for name, day in (("from", first), ("to", last)) if day.strip()}
        else:
            filters[key] = values[0] if len(values) == 1 else values
    return filters
