"""Text inside `<think>` is hidden; a thought that nothing opened is taken back, or held back where it is expected."""

from __future__ import annotations

import pytest

from kb.engines.thinking import ThinkFilter


def told(text: str, size: int, *, likely: bool = False, cut: bool = False) -> tuple[str, ThinkFilter]:
    """What a reader keeps who throws away what is withdrawn."""
    hidden, kept = ThinkFilter(likely=likely), ""
    for place in range(0, len(text), size):
        shown = hidden.feed(text[place : place + size])
        if hidden.withdrawn:
            kept, hidden.withdrawn = "", False
        kept += shown
    return kept + hidden.finish(cut), hidden


@pytest.mark.parametrize("size", [1, 2, 5, 100])
def test_a_thought_that_nothing_opened(size: int) -> None:
    """What stands before a closing tag that was never opened is a thought, however the text is cut into pieces."""
    for likely in (False, True):
        kept, hidden = told("推理：十五天？\n</think>\n\n十五天。", size, likely=likely)
        assert kept == "十五天。"
        assert hidden.unopened and hidden.thought
        assert told("<think>想</think>\n\n十五天。", size, likely=likely)[0] == "十五天。"


@pytest.mark.parametrize("size", [1, 3, 100])
def test_tags_that_are_spoken_of(size: int) -> None:
    """A tag in code marks is part of an answer about tags, and a second closing tag is text."""
    text = "Qwen3 用 `<think>` 开始，以 `</think>` 结束。"
    kept, hidden = told(text, size)
    assert kept == text
    assert not hidden.thought and not hidden.unopened
    assert told("<think>用 `</think>` 吗</think>好。</think>", size)[0] == "好。</think>"


@pytest.mark.parametrize("size", [1, 100])
def test_what_is_likely_a_thought(size: int) -> None:
    """Where a thought is expected nothing passes until it ends; a whole answer without one is shown at its end."""
    assert told("十五天。<", size, likely=True)[0] == "十五天。<"
    kept, hidden = told("推理：十五天？", size, likely=True, cut=True)
    assert kept == ""
    assert hidden.thought
    held_back = ThinkFilter(likely=True)
    assert "".join(held_back.feed(character) for character in "推理：十五天？") == ""


def test_empty_blocks_are_no_thought() -> None:
    """The empty block that templates write for models that are not to think counts for nothing."""
    assert not told("<think>\n\n</think>\n\n十五天。", 3)[1].thought
    assert told("<think>想", 3)[1].thought
