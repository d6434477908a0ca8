"""Text out of JSON in which a character may be cut in half: `"\\ud83d"` in one piece, `"\\ude00"` in the next."""

from __future__ import annotations


class SurrogateJoiner:
    """Joins halves of characters across pieces; what stays half becomes U+FFFD, since it cannot be sent or stored."""

    def __init__(self) -> None:
        self._held = ""

    def feed(self, piece: str) -> str:
        """Return whole characters; a first half at the end waits for the next piece."""
        text, self._held = self._held + piece, ""
        if "\ud800" <= text[-1:] <= "\udbff":
            text, self._held = text[:-1], text[-1]
        return whole(text)

    def finish(self) -> str:
        """Return what waited in vain."""
        held, self._held = self._held, ""
        return whole(held)


def whole(text: str) -> str:
    """Return `text` with halves of a character joined, and the others replaced."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text
