"""Counting tokens for an embedding that does not say how: by a tokenizer's file, or by a bound that is never less."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from indexes.embedders.bge_runtime import missing_extra
from indexes.errors import ConfigurationError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

# What models put around a text: a mark before and one behind it.
_MARKS = 2


class TokenCounter(Protocol):
    """Counts tokens, special ones included, and cuts a text to a number of them."""

    def count(self, texts: Sequence[str]) -> list[int]:
        """Return the number of tokens of each text."""
        ...

    def cut(self, text: str, limit: int) -> str:
        """Return the beginning of `text` of at most `limit` tokens."""
        ...


class Utf8Tokens:
    """Counts UTF-8 bytes and two marks: byte-level tokenizers join bytes and never divide one."""

    def count(self, texts: Sequence[str]) -> list[int]:
        """Return an upper bound of the tokens of each text."""
        return [len(text.encode("utf-8", "surrogatepass")) + _MARKS for text in texts]

    def cut(self, text: str, limit: int) -> str:
        """Return the beginning of `text` of at most `limit` bytes, marks counted, no character divided."""
        encoded = text.encode("utf-8", "surrogatepass")
        if len(encoded) + _MARKS <= limit:
            return text
        return encoded[: limit - _MARKS].decode("utf-8", "ignore")


class _FileTokens:
    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer

    def count(self, texts: Sequence[str]) -> list[int]:
        return [len(encoding.ids) for encoding in self._tokenizer.encode_batch(list(texts))]

    def cut(self, text: str, limit: int) -> str:
        encoding = self._tokenizer.encode(text)
        if len(encoding.ids) <= limit:
            return text
        room = limit - sum(encoding.special_tokens_mask)
        ends = [end for (_, end), mark in zip(encoding.offsets, encoding.special_tokens_mask, strict=True) if not mark]
        return text[: ends[room - 1]] if room > 0 else ""


def tokenizer_tokens(path: Path) -> TokenCounter:
    """Return what counts by a tokenizer.json, or by that of a directory.

    Raise ConfigurationError where it cannot be read, EngineUnavailableError without the `local` extra.
    """
    try:
        from tokenizers import Tokenizer
    except ImportError as error:
        raise missing_extra() from error
    file = path / "tokenizer.json" if path.is_dir() else path
    if not file.is_file():
        raise ConfigurationError(f"embedding.tokenizer: there is no file {file}")
    try:
        tokenizer = Tokenizer.from_file(str(file))
    except Exception as error:  # tokenizers raises the bare class
        raise ConfigurationError(f"embedding.tokenizer: {file} is no tokenizer: {error}") from error
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return _FileTokens(tokenizer)
