"""An engine that writes one piece after another, slowly, until it is told to stop.

It stands in for a model at the model boundary where a test needs generation that takes its time: `started` and
`stopped` say that it was begun, and that it noticed the cancel event.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence

from kb.engines.base import GenerationOptions
from kb.records import Message, Prompt, Usage


class SlowEngine:
    """Yields `pieces` of text, `seconds` apart; each cites the first passage. `failure` is raised in the middle.

    A piece is `text`, or the beginning of the first passage. `pieces` may be lowered while it writes; `asked` counts
    the questions that reached it.
    """

    name = "slow"
    quotes = False
    window = 1_000_000

    def __init__(
        self, seconds: float = 0.05, pieces: int = 10_000, failure: Exception | None = None, text: str = ""
    ) -> None:
        self.seconds = seconds
        self.pieces = pieces
        self.failure = failure
        self.text = text
        self.asked = 0
        self.started = threading.Event()
        self.stopped = threading.Event()

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """Count characters."""
        return sum(len(message.content) for message in messages)

    def stream(self, prompt: Prompt, options: GenerationOptions, cancel: threading.Event) -> Iterator[str | Usage]:
        """Yield the first passage's beginning again and again."""
        self.asked += 1
        self.started.set()
        quote = self.text or prompt.passages[0].hit.text[:20].replace("\n", " ")
        try:
            count = 0
            while count < self.pieces:
                if cancel.wait(self.seconds):
                    return
                if self.failure is not None and count == 2:
                    raise self.failure
                yield f"{quote}。[1]"
                count += 1
            yield Usage(self.count_tokens(prompt.messages), count)
        finally:
            # Whoever reads the pieces may also stop reading them when it is cancelled.
            if cancel.is_set():
                self.stopped.set()

    def close(self) -> None:
        """Hold nothing."""
