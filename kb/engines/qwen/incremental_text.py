"""Tokens to text while they come: a character whose bytes are spread over tokens is shown when it is whole."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

_INCOMPLETE: Final = "\ufffd"


class IncrementalText:
    """Decodes the answer of one request with a tokenizer of transformers, control tokens left out."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._tokens: list[int] = []
        # Tokenizers that mark word beginnings need the tokens before: these are decoded again and not shown again.
        self._before = 0
        self._shown = 0

    def add(self, tokens: Sequence[int]) -> str:
        """Return the text that `tokens` complete; "" where the last character is still open."""
        self._tokens += tokens
        text = self._decode(self._tokens[self._before :])
        return "" if text.endswith(_INCOMPLETE) else self._show(text)

    def finish(self) -> str:
        """Return what was held back, broken characters included."""
        return self._show(self._decode(self._tokens[self._before :]))

    def _show(self, text: str) -> str:
        known = self._decode(self._tokens[self._before : self._shown])
        self._before, self._shown = self._shown, len(self._tokens)
        return text[len(known) :]

    def _decode(self, tokens: Sequence[int]) -> str:
        return str(self._tokenizer.decode(tokens, skip_special_tokens=True)) if tokens else ""
