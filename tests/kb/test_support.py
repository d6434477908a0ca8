from __future__ import annotations

import json
from pathlib import Path

import pytest

from kb.numbers import numbers_in
from kb.support import judge

CASES = [
    json.loads(line)
    for line in (Path(__file__).parent.parent / "data" / "support.jsonl").read_text(encoding="utf-8").splitlines()
]


def test_verdicts_agree_with_the_gold_set() -> None:
    """On claims with swapped numbers, names, negations and units at least nine verdicts in ten are right."""
    right = [case for case in CASES if judge(case["claim"], case["evidence"]).verdict == case["verdict"]]
    assert len(CASES) >= 50
    assert len(right) / len(CASES) >= 0.9


@pytest.mark.parametrize(
    "case", [case for case in CASES if case["verdict"] == "supported"], ids=lambda case: case["claim"]
)
def test_a_changed_number_is_caught(case: dict[str, str]) -> None:
    """A supported claim in which any number is changed is no longer supported."""
    for digits in {character for character in case["claim"] if character.isascii() and character.isdigit()}:
        changed = case["claim"].replace(digits, str((int(digits) + 7) % 10), 1)
        if changed != case["claim"]:
            assert judge(changed, case["evidence"]).verdict == "unsupported", changed


def test_word_for_word_is_supported() -> None:
    """A quotation is borne out whatever it says, and however its white space and punctuation are set."""
    assert judge("不能 没有, 100%", "……不能没有，100％……").reason == "verbatim"


def test_numbers_have_values_and_units() -> None:
    """Digits, Chinese numerals and English words give the same value where they mean the same."""
    assert numbers_in("二十一米") == numbers_in("21米") == numbers_in("21 meters") == [("21", "meter")]
    assert numbers_in("3亿元") == [("300000000", "元")]
    assert numbers_in("2.5 million dollars") == numbers_in("2500000 dollars")
    assert numbers_in("three hours") == numbers_in("3小时")
    assert numbers_in("版本 1.2.10") == [("1.2.10", "")]
