"""How many tokens a prompt has, where the server's tokenizer is out of reach."""

from __future__ import annotations

import re
from collections.abc import Sequence

from kb.records import Message

_WORDS = re.compile(r"[A-Za-z]+")
_SPACES = re.compile(r"[^\S\n]+")
_REPEATS = re.compile(r"(.)\1{3,}", re.DOTALL)
# Role names and control tokens of one message, and those of the whole prompt.
_MESSAGE_TOKENS = 8
_PROMPT_TOKENS = 16


def estimate_tokens(messages: Sequence[Message]) -> int:
    """Return a number of tokens that the prompt will hardly exceed: meant for keeping within a window.

    A run of Latin letters counts one token to three letters, rounded up; every other character one (a Chinese
    character, a digit, a mark), or two beyond the basic plane (emoji). Spaces go with the words. Tokenizers that know
    Chinese, such as Qwen's, need about two thirds of this.
    """
    return _PROMPT_TOKENS + sum(_MESSAGE_TOKENS + estimate_text(message.content) for message in messages)


def estimate_text(text: str) -> int:
    """Return the estimate for one text, as `estimate_tokens` defines it."""
    words = _WORDS.findall(text)
    rest = _SPACES.sub("", _WORDS.sub("", text))
    wide = sum(1 for character in rest if character > "\uffff")
    return sum((len(word) + 2) // 3 for word in words) + len(rest) + wide


def least_tokens(messages: Sequence[Message]) -> int:
    """Return a number of tokens that the whole prompt cannot come under; a server that read fewer has cut it.

    Two fifths of a token for a Chinese character and for three letters, a fifth for a digit, a mark or anything else,
    with long repetitions (rules, blank tables) counted short, since tokenizers merge them.
    """
    return int(sum(_least(_REPEATS.sub(r"\1\1\1", message.content)) for message in messages))


def _least(text: str) -> float:
    words = sum((len(word) + 2) // 3 for word in _WORDS.findall(text))
    chinese = sum(1 for character in text if "\u4e00" <= character <= "\u9fff")
    rest = len(_SPACES.sub("", _WORDS.sub("", text))) - chinese
    return 0.4 * (words + chinese) + 0.2 * rest
