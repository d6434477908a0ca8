"""What every piece of an answer passes through while it streams: one turn, marks renumbered, links made harmless."""

from __future__ import annotations

from kb.checking.links import LinkGuard
from kb.checking.marks import Mark, MarkRewriter
from kb.checking.quoting import SpanNumbers
from kb.checking.turns import TurnFilter
from kb.records import Prompt


class AnswerStream:
    """Takes the pieces of one answer and gives out what can be shown; their concatenation is the finished text.

    Of an engine that only `quotes`, tokens and addresses are let through: they stand in the sources.
    """

    def __init__(self, prompt: Prompt, *, quotes: bool) -> None:
        sources = (prompt.question, *(passage.hit.text for passage in prompt.passages))
        self._turns = None if quotes else TurnFilter()
        self._rewriter = MarkRewriter(len(prompt.passages), SpanNumbers(prompt.passages).number_of)
        self._guard = LinkGuard(sources, prompt.language, quoting=quotes)

    @property
    def ended(self) -> bool:
        """Whether the model's turn has ended: what follows is not its answer."""
        return self._turns is not None and self._turns.ended

    @property
    def marks(self) -> list[Mark]:
        """The marks at their places in the finished text."""
        return self._guard.moved(self._rewriter.marks)

    def feed(self, piece: str) -> str:
        """Take the next piece and return what is ready to be shown."""
        return self._guard.feed(self._rewriter.feed(self._turns.feed(piece) if self._turns else piece))

    def close(self) -> str:
        """Return what was held back; nothing may be fed afterwards."""
        rest = self._turns.close() if self._turns else ""
        return self._guard.feed(self._rewriter.feed(rest) + self._rewriter.close()) + self._guard.close()
