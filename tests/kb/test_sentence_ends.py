from __future__ import annotations

import pytest

from kb.sentence_ends import ends_whole, without_unfinished


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("年假为十五天。[1]产假为一百", "年假为十五天。[1]"),
        ("年假为十五天。[1]产假为一百[2]", "年假为十五天。[1]"),
        ("年假为十五天。[1]产假为一百二十八天。[2]", "年假为十五天。[1]产假为一百二十八天。[2]"),
        ("他说：“年假为十五天。”[1]产", "他说：“年假为十五天。”[1]"),
        ("- 年假十五天[1]\n- 产假一百", "- 年假十五天[1]"),
        ("- 年假十五天[1]\n", "- 年假十五天[1]\n"),
        ("It starts at noon.[1] It keeps 3.", "It starts at noon.[1]"),
        ("It starts at noon.[1] It keeps fourteen.", "It starts at noon.[1] It keeps fourteen."),
        ("产假为一百", "产假为一百……"),
    ],
)
def test_what_is_unfinished_is_left_out(text: str, kept: str) -> None:
    """Of an answer that was cut off whole sentences and lines remain; the only sentence says that it breaks off."""
    assert without_unfinished(text, "zh") == kept


def test_ends() -> None:
    """A decimal point, a colon and a comma end nothing."""
    assert [ends_whole(text) for text in ("甲。", "甲。[1] ", "**甲！**", "A b.", "1.", "如下：", "甲，", "")] == [
        True, True, True, True, False, False, False, False,
    ]  # fmt: skip
