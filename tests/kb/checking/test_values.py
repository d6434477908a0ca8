from __future__ import annotations

import pytest

from indexes.text.matching import fold
from kb.checking.numbers import missing_number, numbers_in


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("下午3点", "15:00"),
        ("3 p.m.", "下午三点"),
        ("上午九時三十分", "9:30 a.m."),
        ("早上8点一刻", "8:15"),
        ("周三", "星期三"),
        ("每周日", "on Sundays"),
        ("4月3日", "3 April"),
        ("April 3rd, 2025", "2025年4月3日"),
        ("第三季度", "the third quarter"),
        ("三年", "36个月"),
        ("24小时", "一天"),
        ("两周", "14 days"),
    ],
)
def test_values_agree_in_either_spelling(one: str, other: str) -> None:
    """Times, days of the week, months by name, ordinals and spans of time are compared by what they stand for."""
    assert numbers_in(fold(one))
    assert not missing_number(fold(one), fold(other))
    assert not missing_number(fold(other), fold(one))


@pytest.mark.parametrize(
    ("claim", "evidence"),
    [
        ("周三", "周四"),
        ("Mondays", "every Tuesday"),
        ("上午9点", "下午9点"),
        ("9 a.m.", "9 p.m."),
        ("9:30", "10:30"),
        ("in May", "in March"),
        ("3月4日", "3 April"),
        ("the second quarter", "the third quarter"),
        ("三年", "30个月"),
        ("320 MWh", "320 kWh"),
    ],
)
def test_other_values_do_not_agree(claim: str, evidence: str) -> None:
    """Another day of the week, time, half of the day, month, ordinal or scale is another value."""
    assert missing_number(fold(claim), fold(evidence))


@pytest.mark.parametrize("text", ["每周三次", "每周五天", "三点要求", "it may be", "they march on", "127.0.0.1:8080"])
def test_what_only_looks_like_a_date_or_time_is_none(text: str) -> None:
    """Times a week, points of a list, verbs and the port of an address are neither days nor months nor hours."""
    assert not any(
        "weekday" in value or ":" in value or unit == "month of year" for value, unit in numbers_in(fold(text))
    )
