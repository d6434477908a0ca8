"""Where a string may be cut without tearing what a reader sees as one character."""

from __future__ import annotations

import unicodedata

_LONGEST_CLUSTER = 64
_JOINER = "\u200d"


def safe_cut(text: str, start: int, cut: int, end: int) -> int:
    """Return the place nearest `cut` within `start` < place < `end` that tears no cluster, preferring earlier ones.

    Clusters are bases with their combining marks, surrogate pairs, joined emoji, flags, Hangul jamo and CR LF, up to
    64 code points; longer ones are cut at `cut`, so that no text can escape a limit.
    """
    for place in range(cut, max(start, cut - _LONGEST_CLUSTER), -1):
        if not is_joined(text, place, start):
            return place
    for place in range(cut + 1, min(end, cut + _LONGEST_CLUSTER)):
        if not is_joined(text, place, start):
            return place
    return cut


def is_joined(text: str, place: int, start: int) -> bool:
    """Return whether the characters on both sides of `place` belong together; flags pair up from `start`."""
    before, after = text[place - 1], text[place]
    if after < "\u0300":
        return before == "\r" and after == "\n"
    if before == _JOINER or extends(after):
        return True
    if "\ud800" <= before <= "\udbff":
        return "\udc00" <= after <= "\udfff"
    if _is_flag_letter(after) and _is_flag_letter(before):
        first = place - 1
        while first > start and _is_flag_letter(text[first - 1]):
            first -= 1
        return (place - first) % 2 == 1
    return False


def extends(character: str) -> bool:
    """Return whether `character` continues the one before it: combining marks, joiners, modifiers, jamo, tags."""
    return character >= "\u0300" and (
        unicodedata.category(character)[0] == "M"
        or character == _JOINER
        or "\u1160" <= character <= "\u11ff"
        or "\U0001f3fb" <= character <= "\U0001f3ff"
        or "\U000e0020" <= character <= "\U000e007f"
    )


def _is_flag_letter(character: str) -> bool:
    return "\U0001f1e6" <= character <= "\U0001f1ff"
