"""Units that questions ask for, and sentences that have them."""

from __future__ import annotations

import pytest

from indexes.text.matching import fold
from kb.engines.extractive.asked_units import asked_units, holds_unit


@pytest.mark.parametrize(
    ("question", "units"),
    [
        ("年休假有几天？", {"day"}),
        ("婚假有多少天", {"day"}),
        ("門票多少錢？", {"yuan", "dollar", "euro", "yen", "pound sterling", "hong kong dollar"}),
        ("保修期多久？", {"second", "day", "week", "month", "year"}),
        ("这座塔多高？", {"m", "mile", "foot", "inch"}),
        ("How many days of leave are there?", {"day"}),
        ("How heavy is it?", {"g", "pound"}),
        ("有几个人？", set()),
        ("谁负责审批？", set()),
        ("几乎没有人知道什么？", set()),
    ],
)
def test_units_asked_for(question: str, units: set[str]) -> None:
    """A question word before a unit asks for it, a dimension for all of its units, and counting words for none."""
    assert asked_units(question) == units


@pytest.mark.parametrize(
    ("text", "held"),
    [
        ("年休假为 7 天。", True),
        ("享有十三天婚假。", True),
        ("顺延至次年 3 月 31 日。", False),
        ("三月八日放假。", False),
        ("满一年后享有。", False),
    ],
)
def test_days_that_a_sentence_has(text: str, held: bool) -> None:
    """A number of days is one; the day of a date is none."""
    assert holds_unit(fold(text), frozenset({"day"})) is held


def test_a_calendar_year_is_no_duration() -> None:
    """A year by its number answers no question for how many years."""
    assert not holds_unit("自 2026 年 1 月起施行", frozenset({"year"}))
    assert holds_unit("保存 10 年", frozenset({"year"}))
