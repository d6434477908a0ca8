"""An engine at the model boundary that says what a test told it to say."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence

from indexes.errors import EngineUnavailableError
from kb.engines.base import Cut, GenerationOptions, Restart
from kb.records import Message, Prompt, Usage


class ScriptedEngine:
    """Stands for a language model: streams the pieces that `script` gives for a prompt, and keeps the prompts.

    `script` is a text (streamed three characters at a time), a list of pieces, or a function of the prompt that returns
    either. Tokens are characters, so that a test can work out by hand what fits the window. After `fail_after` pieces
    the engine becomes unavailable; `on_piece` is called before each piece, for instance to cancel.
    """

    name = "scripted"
    quotes = False

    def __init__(
        self,
        script: str | Sequence[str | Restart | Cut] | Callable[[Prompt], str | Sequence[str | Restart | Cut]],
        *,
        window: int = 100_000,
        fail_after: int | None = None,
        on_piece: Callable[[int], None] | None = None,
    ) -> None:
        self.script = script
        self.window = window
        self.prompts: list[Prompt] = []
        self.closed = False
        self._fail_after = fail_after
        self._on_piece = on_piece

    def count_tokens(self, messages: Sequence[Message]) -> int:
        return sum(len(message.content) for message in messages)

    def stream(
        self, prompt: Prompt, options: GenerationOptions, cancel: threading.Event
    ) -> Iterator[str | Usage | Restart | Cut]:
        self.prompts.append(prompt)
        said = self.script(prompt) if callable(self.script) else self.script
        pieces = [said[at : at + 3] for at in range(0, len(said), 3)] if isinstance(said, str) else said
        for number, piece in enumerate(pieces):
            if self._fail_after is not None and number >= self._fail_after:
                raise EngineUnavailableError("the scripted engine has gone away")
            if self._on_piece is not None:
                self._on_piece(number)
            if cancel.is_set():
                return
            yield piece
        yield Usage(self.count_tokens(prompt.messages), len(pieces))

    def close(self) -> None:
        self.closed = True
