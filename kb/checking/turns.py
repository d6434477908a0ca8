"""Keeping an answer to the model's own turn: the tokens of a chat template that a server lets through."""

from __future__ import annotations

import re
from typing import Final

_OPENING = "<|"
_LEADING = re.compile(r"<\|im_start\|>[ \t]{0,8}(?:assistant)?")
# At the end of a line, or before another token; within a sentence it is spoken of.
_END = re.compile(
    r"<\|(?:im_end|endoftext|eot_id|end_of_text)\|>[ \t]{0,8}(?:\n|\Z|<\|)"
    r"|<\|im_start\|>[ \t]{0,8}(?:system|user|assistant|tool)\b"
)
# More characters than decide whether a token is such an end.
_DECIDING: Final = 48


class TurnFilter:
    """Passes on one turn: the token that opens it is left out, and what follows its end or opens another is not text.

    White space before the text is left out too.
    What comes out does not depend on how the text was cut.
    """

    def __init__(self) -> None:
        self.ended = False
        self._held = ""
        self._begun = False

    def feed(self, piece: str) -> str:
        """Return what can be shown; nothing once the turn has ended."""
        self._held += piece
        return self._drain(final=False)

    def close(self) -> str:
        """Return what was held back."""
        return self._drain(final=True)

    def _drain(self, *, final: bool) -> str:
        shown = ""
        while not self.ended:
            if not self._begun:
                self._held = self._held.lstrip()
            at = self._held.find(_OPENING)
            if at < 0:
                ready = len(self._held) - (not final and self._held.endswith("<"))
                return shown + self._take(ready)
            shown += self._take(at)
            if len(self._held) < _DECIDING and not final:
                return shown
            leading = None if self._begun else _LEADING.match(self._held)
            if leading:
                self._held = self._held[leading.end() :]
            elif _END.match(self._held):
                self.ended, self._held = True, ""
            else:
                shown += self._take(len(_OPENING))
        return shown

    def _take(self, count: int) -> str:
        text, self._held = self._held[:count], self._held[count:]
        self._begun = self._begun or text != ""
        return text
