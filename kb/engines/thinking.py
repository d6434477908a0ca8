"""Hiding `<think>…</think>` from a stream of text, however its tags are cut into pieces."""

from __future__ import annotations

from typing import Final

OPENING: Final = "<think>"
CLOSING: Final = "</think>"


class ThinkFilter:
    """Passes on the text outside `<think>` blocks. `inside` says that the prompt itself opened one."""

    def __init__(self, inside: bool = False) -> None:
        self._inside = inside
        self._held = ""
        self._strip = False

    def feed(self, piece: str) -> str:
        """Return what of the text so far can be shown; what may yet turn out to be a tag is held back."""
        text = self._held + piece
        shown = ""
        while True:
            tag = CLOSING if self._inside else OPENING
            before, found, after = text.partition(tag)
            if not found:
                break
            if not self._inside:
                shown += self._visible(before)
            self._inside = not self._inside
            self._strip = not self._inside
            text = after
        held = _tag_beginning(text, tag)
        self._held = text[len(text) - held :]
        return shown if self._inside else shown + self._visible(text[: len(text) - held])

    def finish(self) -> str:
        """Return what was held back: half a tag is text after all, but an unclosed block stays hidden."""
        held, self._held = self._held, ""
        return "" if self._inside else self._visible(held)

    def _visible(self, text: str) -> str:
        """Leave out the line breaks that models put after a block."""
        if self._strip:
            text = text.lstrip()
            self._strip = not text
        return text


def _tag_beginning(text: str, tag: str) -> int:
    """Return how many characters at the end of `text` begin `tag`."""
    return next((size for size in range(min(len(tag) - 1, len(text)), 0, -1) if tag.startswith(text[-size:])), 0)
