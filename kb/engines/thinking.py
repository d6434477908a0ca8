"""Hiding `<think>…</think>` from a stream of text, however its tags are cut into pieces."""

from __future__ import annotations

from typing import Final

from kb.engines.stopping import beginning

OPENING: Final = "<think>"
CLOSING: Final = "</think>"
# A tag after this is spoken of, not meant.
_QUOTING: Final = "`"


class ThinkFilter:
    """Passes on the text outside `<think>` blocks.

    `inside` says that the prompt itself opened one. Where a server's template did, and nothing here knows of it, a
    `</think>` that was never opened shows that all before it was a thought: `withdrawn` is True then if some of that
    was passed on. With `likely`, which says that this model was seen to do so, all is held back until that tag comes.
    """

    def __init__(self, inside: bool = False, likely: bool = False) -> None:
        self._inside = inside
        self._likely = likely and not inside
        self._closed = False
        self._held = ""
        self._kept = ""
        self._last = ""
        self._passed = False
        self._strip = False
        self.unopened = False
        self.withdrawn = False
        self.thought = False

    def feed(self, piece: str) -> str:
        """Return what of the text so far can be shown; what may yet turn out to be a tag is held back."""
        text = self._held + piece
        shown = ""
        while True:
            before, tag, after = self._next_tag(text)
            if not tag:
                break
            if tag == OPENING:
                shown += self._visible(before) + self._kept
                self._kept, self._likely, self._inside = "", False, True
            else:
                if not self._inside:
                    self.unopened = self.thought = True
                    self.withdrawn = self._passed
                    shown = self._kept = ""
                self.thought = self.thought or bool(before.strip())
                self._likely = self._inside = False
                self._closed = self._strip = True
            text, self._last = after, ""
        held = max(beginning(text, tag) for tag in self._tags())
        self._held = text[len(text) - held :]
        text = text[: len(text) - held]
        self._last = text[-1:] or self._last
        if self._inside:
            self.thought = self.thought or bool(text.strip())
        else:
            shown += self._visible(text)
        self._passed = self._passed or bool(shown)
        return shown

    def release(self) -> str:
        """Return what was held back as likely a thought, and expect none any longer: thoughts come in another way."""
        kept, self._kept, self._likely = self._kept, "", False
        self._passed = self._passed or bool(kept)
        return kept

    def finish(self, cut: bool = False) -> str:
        """Return what was held back: half a tag is text after all, but an unclosed block stays hidden.

        So does, where the answer was `cut` off, what was likely to be a thought.
        """
        held, self._held = self._held, ""
        if self._inside:
            return ""
        likely, self._likely = self._likely, False
        text = self._kept + self._visible(held)
        self._kept = ""
        if likely and cut:
            self.thought = True
            return ""
        return text

    def _tags(self) -> tuple[str, ...]:
        if self._inside:
            return (CLOSING,)
        return (OPENING,) if self._closed else (OPENING, CLOSING)

    def _next_tag(self, text: str) -> tuple[str, str, str]:
        """Return the text before the first tag that is meant, that tag, and the text after it; no tag: ("", "", "")."""
        found = ("", "", "")
        for tag in self._tags():
            place = text.find(tag)
            while place >= 0 and (text[place - 1] if place else self._last) == _QUOTING:
                place = text.find(tag, place + 1)
            if place >= 0 and (not found[1] or place < len(found[0])):
                found = (text[:place], tag, text[place + len(tag) :])
        return found

    def _visible(self, text: str) -> str:
        """Leave out the line breaks that models put after a block, and keep back what is likely to be a thought."""
        if self._strip:
            text = text.lstrip()
            self._strip = not text
        if self._likely:
            self._kept += text
            return ""
        return text
