"""Prompts as the product makes them, as tokens: its instructions, eight passages in their fences, a question."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import Final
from zlib import crc32

from benchmarks.synthetic_text import passages
from indexes.records import Hit
from kb.prompt import build_prompt
from kb.records import Message

# Where no tokenizer is at hand: two Chinese characters or six letters to a token, about what Qwen's makes of prose.
_PIECES: Final = re.compile(r" ?[A-Za-z]{1,6}|[\u4e00-\u9fff]{1,2}|\d|\s+|.")
_WINDOW: Final = 32768
_QUESTIONS: Final = ("年休假一共有多少天，由谁批准？", "备份系统每天什么时候开始运行？")
Encode = Callable[[Sequence[Message]], list[int]]


def real_encoder(folder: Path) -> Encode:
    """Return the encoder of a model's own tokenizer and chat template."""
    from kb.engines.qwen.chat_template import ChatTemplate
    from kb.engines.qwen.loading import load_tokenizer

    template = ChatTemplate(load_tokenizer(folder), folder.name)
    return lambda messages: template.encode(template.render(messages))


def stand_in_encoder(vocabulary: int) -> Encode:
    """Return an encoder of about as many tokens as Qwen's, whose prompts begin alike where the texts do."""

    def encode(messages: Sequence[Message]) -> list[int]:
        turns = "".join(f"\n{message.role}\n{message.content}\n" for message in messages)
        return [10 + crc32(piece.encode()) % (vocabulary - 20) for piece in _PIECES.findall(turns)]

    return encode


def product_prompts(encode: Encode, found: int) -> dict[str, tuple[list[int], list[int]]]:
    """Return first questions and second ones: on other passages, and on the same; `found` passages each."""
    texts = list(islice(passages(2 * found), 2 * found))
    here, there = texts[:found], texts[found:]
    first = _prompt(encode, _QUESTIONS[0], here)
    return {
        "other passages": (first, _prompt(encode, _QUESTIONS[1], there)),
        "a follow-up on the same passages": (first, _prompt(encode, _QUESTIONS[1], here)),
    }


def _prompt(encode: Encode, question: str, texts: Sequence[str]) -> list[int]:
    hits = [
        Hit(f"d{n}", f"c{n}", f"规程 {n}", f"file:///{n}.txt", None, 0, len(text), text, "总则", 1.0, 1.0, 1.0)
        for n, text in enumerate(texts)
    ]
    prompt = build_prompt(
        question, hits, (), count_tokens=lambda messages: len(encode(messages)), window=_WINDOW, max_new_tokens=1024
    )
    return encode(prompt.messages)
