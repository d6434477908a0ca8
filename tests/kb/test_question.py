"""The one check of what may be asked."""

from __future__ import annotations

import pytest

from indexes.errors import UsageError
from kb.question import check_question


@pytest.mark.parametrize(
    "text", ["", " ", "\n\t\u3000", "\u200b\ufeff", "x" * 4001, "a\0b", "a\x1bb", "a\x85b", "甲\ud800"]
)
def test_bad_questions_are_refused_without_an_echo(text: str) -> None:
    """Blank, too long and unprintable questions are usage errors whose message does not repeat them."""
    with pytest.raises(UsageError) as raised:
        check_question(text)
    assert len(text) < 3 or text not in str(raised.value)


@pytest.mark.parametrize("text", ["什么？", "?", "👍", "x" * 3998, "a\nb\tc", "'; DROP TABLE chunks; --", "e\u0301"])
def test_other_questions_pass(text: str) -> None:
    """Anything visible passes unchanged."""
    assert check_question(f" {text}\n") == text
