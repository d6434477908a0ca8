"""The text of an answer from its tokens: decoded, without `<think>` blocks, up to a stop string."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kb.engines.qwen.incremental_text import IncrementalText
from kb.engines.stopping import StopFilter
from kb.engines.thinking import ThinkFilter


class AnswerText:
    """Takes tokens as they come and gives the text that may be shown. `inside` says that the prompt opened a block."""

    def __init__(self, tokenizer: Any, inside: bool, stops: Sequence[str]) -> None:
        self._text = IncrementalText(tokenizer)
        self._thinking = ThinkFilter(inside)
        self._stop_strings = stops
        self._stops = StopFilter(stops)

    @property
    def thought(self) -> bool:
        """Whether the model thought, which is not shown."""
        return self._thinking.thought

    @property
    def stopped(self) -> bool:
        """Whether a stop string was met: what follows is not wanted."""
        return self._stops.stopped

    def withdrawn(self) -> bool:
        """Return once whether all that was shown so far has turned out to be a thought."""
        withdrawn, self._thinking.withdrawn = self._thinking.withdrawn, False
        return withdrawn

    def add(self, tokens: Sequence[int]) -> str:
        """Return the text that can be shown now."""
        text = self._thinking.feed(self._text.add(tokens))
        if self._thinking.withdrawn:
            self._stops = StopFilter(self._stop_strings)
        return self._stops.feed(text)

    def finish(self) -> str:
        """Return what was held back."""
        rest = self._thinking.feed(self._text.finish()) + self._thinking.finish()
        return self._stops.feed(rest) + self._stops.finish()
