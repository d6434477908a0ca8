"""The engine protocol: a grounded prompt in, a stream of text out."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from kb.records import Message, Prompt, Usage


@dataclass(frozen=True, slots=True)
class GenerationOptions:
    """Sampling options. `temperature` 0 is greedy; `max_new_tokens` counts the engine's own tokens.

    An answer ends before the first of the strings in `stop`.
    """

    max_new_tokens: int = 512
    temperature: float = 0.7
    top_p: float = 0.8
    top_k: int = 20
    repetition_penalty: float = 1.05
    seed: int | None = None
    stop: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Restart:
    """What an engine yielded so far turned out to be the model's thought: the answer begins after this."""


@dataclass(frozen=True, slots=True)
class Cut:
    """The answer ends here because it may take no more tokens, not because it is complete."""


class Engine(Protocol):
    """One way of answering. `kb/answer.py` does not know which one is behind it."""

    @property
    def name(self) -> str:
        """The engine's name in responses: "extractive", "qwen" or "openai"."""
        ...

    @property
    def quotes(self) -> bool:
        """Whether it writes nothing of its own: each of its sentences stands in a passage, addresses included."""
        ...

    @property
    def window(self) -> int:
        """The largest number of tokens, prompt and answer together; a very large number where unlimited."""
        ...

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """Return the number of prompt tokens of `messages`, chat template included."""
        ...

    def stream(
        self, prompt: Prompt, options: GenerationOptions, cancel: threading.Event
    ) -> Iterator[str | Usage | Restart | Cut]:
        """Yield pieces of text, and at the end, where known, one `Usage`; a `Restart` takes back the text before it.

        A `Cut` behind the last piece says that the answer is not complete.

        Ends early and without an error soon after `cancel` is set. Raises `EngineUnavailableError` where the model
        cannot be loaded or reached.
        """
        ...

    def close(self) -> None:
        """Release the model or connections; safe to call twice."""
        ...
