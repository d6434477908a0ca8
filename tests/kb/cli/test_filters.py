"""`--filter KEY=VALUE` becomes the filters of the contract."""

from __future__ import annotations

from pathlib import Path

import pytest

from indexes.errors import UsageError
from kb.cli.filters import parse
from tests.kb.cli.conftest import Run


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


@pytest.mark.parametrize("date", ["foo", "2024-13", "2024-01-01..foo"])
def test_a_date_that_is_none_is_wrong_usage(run: Run, tmp_path: Path, date: str) -> None:
    """A date filter that no calendar has ends in exit code 2 and one line, not in an empty result."""
    source = tmp_path / "年假.txt"
    source.write_text("员工每年享有十五天带薪年假。", encoding="utf-8")
    assert run("ingest", str(source)).code == 0
    result = run("search", "年假", "--filter", f"date={date}")
    assert result.code == 2
    assert "ISO 8601" in result.err
    assert result.err.count("\n") == 1
    assert run("search", "年假", "--filter", "date=2024-01").code == 0
