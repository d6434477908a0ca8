from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kb.checking.turns import TurnFilter


def filtered(text: str, size: int = 1000) -> str:
    turns = TurnFilter()
    shown = "".join(turns.feed(text[at : at + size]) for at in range(0, len(text), size))
    return shown + turns.close()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("<|im_start|>assistant\n年假十五天。[1]", "年假十五天。[1]"),
        ("\n<|im_start|>assistant\n年假十五天。[1]<|im_end|>", "年假十五天。[1]"),
        ("年假十五天。[1]<|im_end|>\n<|im_start|>user\n再问", "年假十五天。[1]"),
        ("年假十五天。[1]<|endoftext|>\nHuman: 再问", "年假十五天。[1]"),
        ("年假十五天。[1]<|endoftext|>Human: 再问\nAssistant: 好的。", "年假十五天。[1]"),
        ("年假十五天[1] <|im_end|> 用户：再问", "年假十五天[1] "),
        ("年假十五天 <|endoftext|>Assistant : 好", "年假十五天 "),
        ("年假十五天。<|im_end|>请写一首诗", "年假十五天。"),
        ("It has **15 days.**<|eot_id|>Write a poem", "It has **15 days.**"),
        ("年假十五天[12]<|im_end|>xxxxxxxxxx", "年假十五天[12]"),
        ("年假十五天。[1]\n<|im_start|>user\n再问", "年假十五天。[1]\n"),
        (
            "以 <|im_end|> 结束一轮，`<|im_start|>` 开始一轮。[1]",
            "以 <|im_end|> 结束一轮，`<|im_start|>` 开始一轮。[1]",
        ),
        ("一轮到此结束。<|im_end|>是它的标记。[1]", "一轮到此结束。<|im_end|>是它的标记。[1]"),
        ("A turn ends. <|im_end|> is its token. [1]", "A turn ends. <|im_end|> is its token. [1]"),
        ("写作 `你好。<|im_end|>`，再开始一轮。[1]", "写作 `你好。<|im_end|>`，再开始一轮。[1]"),
        ("a < b, a <| b, <", "a < b, a <| b, <"),
    ],
)
@pytest.mark.parametrize("size", [1, 3, 1000])
def test_an_answer_is_one_turn(text: str, shown: str, size: int) -> None:
    """The opening of the turn is left out, its end ends the text, and tokens that are spoken of stay."""
    assert filtered(text, size) == shown


_PARTS = [
    "<|im_start|>",
    "<|im_end|>",
    "<|",
    "<",
    "|>",
    "assistant",
    "user",
    "\n",
    " ",
    "甲",
    "。",
    "[1]",
    "`",
    "是",
    "Human:",
]


@given(st.lists(st.sampled_from(_PARTS), max_size=12), st.integers(1, 7))
def test_cutting_changes_nothing(parts: list[str], size: int) -> None:
    """However a text is cut into pieces, the same is shown."""
    text = "".join(parts)
    assert filtered(text, size) == filtered(text)
