"""Prompts that never go over the window, and keep the best passages."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexes.errors import UsageError
from indexes.records import Hit
from kb.fences import neutralise
from kb.prompt import build_prompt
from kb.records import Message, Prompt
from tests.kb.passages import hit_of
from tests.tiny_tokenizers import Kind, chat_tokens, tiny_tokenizer

KINDS: list[Kind] = ["byte-level", "word pieces"]
# How far the counts of two prompts may differ for no other reason than their fence keys and numbers, in tokens.
KEYS = 24
_PIECES = st.sampled_from(
    [
        "灯塔高21米。",
        "The lighthouse is 21 metres tall. ",
        "龘靐齉爩。",
        "😀🏔",
        "</passage>",
        "<|im_end|>",
        "[1]",
        "\n\n",
        "a" * 40,
        "，",
    ]
)
_TEXT = st.builds(
    lambda pieces, times: "".join(pieces) * times, st.lists(_PIECES, min_size=1, max_size=5), st.integers(1, 12)
)


def packed(kind: Kind, question: str, texts: Sequence[str], history: Sequence[Message], window: int) -> Prompt:
    hits = [hit_of(text, document_id=f"d{n}", score=1 - n / 100) for n, text in enumerate(texts, start=1)]
    return build_prompt(
        question,
        hits,
        history,
        count_tokens=lambda messages: chat_tokens(tiny_tokenizer(kind), messages),
        window=window,
        max_new_tokens=50,
    )


def size_of(kind: Kind, prompt: Prompt) -> int:
    return chat_tokens(tiny_tokenizer(kind), prompt.messages)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=60, deadline=None)
@given(
    question=_TEXT.filter(lambda text: bool(text.strip())),
    texts=st.lists(_TEXT, max_size=6),
    turns=st.lists(st.tuples(st.sampled_from(["user", "assistant", "system", "tool"]), _TEXT), max_size=6),
    room=st.integers(-200, 4000),
)
def test_no_prompt_is_over_its_window(
    kind: Kind, question: str, texts: list[str], turns: list[tuple[str, str]], room: int
) -> None:
    """Whatever is packed fits to the token, the best passages survive, history keeps its share, the question is whole.

    Where the question alone does not fit, or no sentence of the best passage, that is a typed error and no cut.
    """
    history = [Message(role, content) for role, content in turns]
    bare = size_of(kind, packed(kind, question, [], [], 1_000_000))
    window = max(60, bare + 50 + room)
    budget = window - 50
    try:
        prompt = packed(kind, question, texts, history, window)
    except UsageError as error:
        assert "window" in str(error)
        assert bare > budget or texts
        return
    assert bare <= budget
    assert size_of(kind, prompt) <= budget
    kept = [passage.hit.document_id for passage in prompt.passages]
    assert kept == [f"d{n}" for n in range(1, len(kept) + 1)]
    content = prompt.messages[-1].content
    assert content.endswith(neutralise(question))
    if 0 < len(kept) < len(texts) and prompt.passages[0].hit.text == texts[0]:
        more = packed(kind, question, texts[: len(kept) + 1], _spoken(prompt, history), 1_000_000)
        assert size_of(kind, more) > budget - KEYS
    if "<history" in content:
        alone = packed(kind, question, [], _spoken(prompt, history), 1_000_000)
        assert size_of(kind, alone) - bare <= 0.25 * (budget - bare) + KEYS


def _spoken(prompt: Prompt, history: Sequence[Message]) -> list[Message]:
    """Return the turns of the history that a prompt kept: the newest that it holds."""
    block = prompt.messages[-1].content.partition("<history")[2].partition("</history")[0]
    spoken = [turn for turn in history if turn.role in ("user", "assistant") and turn.content.strip()]
    kept: list[Message] = []
    for turn in reversed(spoken):
        if neutralise(turn.content) not in block or len(kept) >= block.count("\n用户: ") + block.count("\n助手: ") + (
            block.count("\nUser: ") + block.count("\nAssistant: ")
        ):
            break
        kept.insert(0, turn)
    return kept


@pytest.mark.parametrize("kind", KINDS)
def test_the_last_token_of_the_window_is_used(kind: Kind) -> None:
    """At the exact size of a prompt everything is packed; with one token less the worst passage goes."""
    texts = ["灯塔高21米。" * 5, "塔由花岗石砌成。" * 5, "The lighthouse is 21 metres tall. " * 5]
    whole = packed(kind, "灯塔多高？", texts, [], 1_000_000)
    exact = size_of(kind, whole) + 50
    assert len(packed(kind, "灯塔多高？", texts, [], exact).passages) == 3
    assert len(packed(kind, "灯塔多高？", texts, [], exact - 1).passages) == 2


@pytest.mark.parametrize("kind", KINDS)
def test_a_question_that_does_not_fit_is_a_typed_error(kind: Kind) -> None:
    """A question is never cut: alone over the window it is refused, with both sizes in the message."""
    question = "灯塔多高？" * 300
    bare = size_of(kind, packed(kind, question, [], [], 1_000_000))
    with pytest.raises(UsageError, match=str(bare)):
        packed(kind, question, ["灯塔高21米。"], [], bare + 49)
    assert neutralise(question) in packed(kind, question, [], [], bare + 50).messages[-1].content


def test_worse_hits_never_displace_better_ones() -> None:
    """A long best passage is kept, cut at a sentence where need be, though many short worse ones would fit."""
    best: Hit = hit_of("灯塔高21米，由花岗石砌成。" * 60, score=0.9)
    short = [hit_of("无关。", document_id=f"s{n}", score=0.5 - n / 100) for n in range(5)]
    tokenizer = tiny_tokenizer("byte-level")
    bare = chat_tokens(tokenizer, packed("byte-level", "灯塔多高？", [], [], 1_000_000).messages)
    prompt = build_prompt(
        "灯塔多高？",
        [best, *short],
        [],
        count_tokens=lambda messages: chat_tokens(tokenizer, messages),
        window=bare + 50 + 150,
        max_new_tokens=50,
    )
    (passage,) = prompt.passages
    assert best.text.startswith(passage.hit.text)
    assert passage.hit.text.endswith("。")
