"""What every loader does to text before offsets are taken: nothing invisible stays, lines end in one way."""

from __future__ import annotations

import re

_LINE_ENDS = re.compile("\r\n|[\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
# Control characters; soft hyphen, zero-width space, word joiner, byte order mark; marks that reorder a line;
# non-characters. The zero-width joiners stay: Persian, Indic scripts and emoji are spelled with them.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0e-\x1b\x1f\x7f-\x84\x86-\x9f\u00ad\u200b\u200e\u200f\u2060-\u2064\ufeff"
    "\u202a-\u202e\u2066-\u206f\ufdd0-\ufdef\ufff9-\ufffb\ufffe\uffff]"
)
# Punctuation of Windows-1252 that was taken for control characters, as old pages and fonts have it.
_WINDOWS = {
    code: bytes([code]).decode("cp1252")
    for code in range(0x80, 0xA0)
    if code not in (0x81, 0x85, 0x8D, 0x8F, 0x90, 0x9D)
}
_C1 = re.compile("[\x80-\x9f]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_SPACE_AT_END = re.compile("[ \t\u3000\u00a0]+$", re.MULTILINE)
_BLANK_LINES = re.compile("\n{3,}")


def clean(text: str) -> str:
    """Return `text` as `tidy` does, with no-break spaces as spaces: pages and layouts are full of them."""
    return tidy(text).replace("\u00a0", " ")


def tidy(text: str) -> str:
    """Return `text` with "\\n" as the only line end, no invisible or control characters, and no stacked blank lines.

    Lone surrogates, which cannot be stored, become U+FFFD. All other characters stay, whatever kind of space they are.
    """
    text = _LINE_ENDS.sub("\n", text)
    if _C1.search(text):
        text = text.translate(_WINDOWS)
    text = _INVISIBLE.sub("", text)
    text = _SURROGATE.sub("\ufffd", text)
    text = _SPACE_AT_END.sub("", text)
    return _BLANK_LINES.sub("\n\n", text).strip("\n")


def one_line(text: str, limit: int = 200) -> str:
    """Return `text` as a title: cleaned, on one line, at most `limit` characters."""
    return " ".join(clean(text).split())[:limit].strip()
