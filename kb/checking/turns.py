"""Keeping an answer to the model's own turn: the tokens of a chat template that a server lets through."""

from __future__ import annotations

import re
from typing import Final

_OPENING = "<|"
_LEADING = re.compile(r"<\|im_start\|>[ \t]{0,8}(?:assistant)?")
_CLOSING = r"<\|(?:im_end|endoftext|eot_id|end_of_text)\|>[ \t]{0,8}"
# At the end of a line, before another token or before who speaks next; within a sentence it is spoken of.
_END = re.compile(
    rf"{_CLOSING}(?:\n|\Z|<\||(?:Human|User|Assistant|System|用户|助手)[ \t]{{0,2}}[：:])"
    r"|<\|im_start\|>[ \t]{0,8}(?:system|user|assistant|tool)\b"
)
# Right behind a whole sentence or a mark it ends the turn too, unless code or a quotation closes or it is told of.
_WHOLE = re.compile(r"(?:[。！？!?.…]|[\[【]\d{1,4}[\]】])[”’」』）)】》\"'*_]{0,3}\Z")
_END_BEHIND_WHOLE = re.compile(
    rf"{_CLOSING}(?![ \t`”’」』）)】》\"']|是|为|即|表示|代表|标志|标记|用于|用来"
    r"|(?:is|are|was|marks|ends|means|stands|closes)\b)"
)
# So many characters before a token tell whether it stands behind a whole sentence or a mark.
_BEFORE: Final = 12
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
        self._before = ""

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
            elif self._at_end():
                self.ended, self._held = True, ""
            else:
                shown += self._take(len(_OPENING))
        return shown

    def _at_end(self) -> bool:
        """Say whether what is held begins with an end of the turn."""
        if _END.match(self._held):
            return True
        return _WHOLE.search(self._before) is not None and _END_BEHIND_WHOLE.match(self._held) is not None

    def _take(self, count: int) -> str:
        text, self._held = self._held[:count], self._held[count:]
        self._begun = self._begun or text != ""
        self._before = (self._before + text)[-_BEFORE:]
        return text
