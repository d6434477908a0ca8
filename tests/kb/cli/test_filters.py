"""`--filter KEY=VALUE` becomes the filters of the contract."""

from __future__ import annotations

import pytest

from indexes.errors import UsageError
from kb.cli.filters import parse


@pytest.mark.parametrize(
    ("entries", "filters"),
    [
        (None, {}),
        (["source=handbook"], {"source": "handbook"}),
        (["tag=a", "tag=b", "title=c=d"], {"tag": ["a", "b"], "title": "c=d"}),
        (["date=2024-01-01..2024-12-31"], {"date": {"from": "2024-01-01", "to": "2024-12-31"}}),
        (["date=2024-01-01.."], {"date": {"from": "2024-01-01"}}),
        (["date=2024-01-01"], {"date": "2024-01-01"}),
    ],
)
def test_filters_are_parsed(entries: list[str] | None, filters: dict[str, object]) -> None:
    """One value stays a value, several become a list, and dates may be a range open at either end."""
    assert parse(entries) == filters


@pytest.mark.parametrize("entry", ["source", "=x", "source=", " =x"])
def test_what_is_no_filter_is_refused(entry: str) -> None:
    """A filter without a field, a value or an equals sign is wrong usage."""
    with pytest.raises(UsageError, match="KEY=VALUE"):
        parse([entry])
