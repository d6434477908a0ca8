"""The one check of what a user may ask, for the command line and HTTP alike."""

from __future__ import annotations

import unicodedata

from indexes.errors import UsageError

MAXIMUM_CHARACTERS = 4_000
_ALLOWED_CONTROLS = frozenset("\t\n\r")
_INVISIBLE = ("Z", "C")


def check_question(text: str) -> str:
    """Return the question without surrounding white space.

    Raises `UsageError` where it is blank (nothing visible in it), longer than 4,000 characters, or holds NUL, another
    control character than tab and line ends, or a lone surrogate. The message never repeats the question.
    """
    if len(text) > MAXIMUM_CHARACTERS:
        raise UsageError(f"the question is longer than {MAXIMUM_CHARACTERS:,} characters; ask something shorter")
    for character in text:
        category = unicodedata.category(character)
        if category == "Cs":
            raise UsageError("the question holds a lone surrogate: it is not valid Unicode text")
        if category == "Cc" and character not in _ALLOWED_CONTROLS:
            raise UsageError(f"the question holds the control character U+{ord(character):04X}; leave it out")
    if all(unicodedata.category(character).startswith(_INVISIBLE) for character in text):
        raise UsageError("the question is empty; write what you want to know")
    return text.strip()
