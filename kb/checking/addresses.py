"""What is an address for some reader of Markdown or HTML, where it begins and ends, and what a reader may add to it."""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterable
from typing import Final

_WORD = r"[^\s!\[\]()<>\"'`“”‘’「」『』《》〈〉【】〔〕（），。；、！？：…\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef]"
WORDS = re.compile(f"{_WORD}+")
"""What is looked at as one: no address goes on beyond it, though some readers of one do."""
SCHEME = r"[a-z][a-z0-9+.-]{0,30}:[/\\]{2}"
"""A scheme with its slashes."""
LONGEST_RUN: Final = 300
"""How many characters are read on to compare an address in another script, or with brackets, with the sources."""

_ENDING = ".,;:!?*_~|"
_DECORATION: Final = "*_~|"
# A scheme, a host that begins a path, www, or a name with a path that carries something.
_ADDRESS = re.compile(
    rf"{SCHEME}|\b(?:javascript|vbscript|blob|mailto):\S|\bdata:[\w.+-]*[/;,]"
    r"|(?:^|=)[/\\]{2}[\w-]+(?:[.:/?#][^\s]|$)|\bwww\.\w|(?<![a-z0-9-])(?:[a-z0-9-]{1,63}\.){1,9}[a-z]{2,24}(?::\d+)?/\S*[?=&#%]",
    re.IGNORECASE,
)
_BEGINNING = re.compile(rf"{SCHEME}\w|(?<==)[/\\]{{2}}\w", re.IGNORECASE)
_RUNNING = re.compile(r"^(?:javascript|vbscript|data|blob):", re.IGNORECASE)
_SCHEME_ALONE = re.compile(SCHEME, re.IGNORECASE)
_SCHEMED_RUN = re.compile(rf"{SCHEME}[^\s，。；、！？）】》」』”’]{{0,{LONGEST_RUN}}}", re.IGNORECASE)
_RUN_ENDING: Final = _ENDING + "\"'`)>"
# What a sentence or a bracket may put behind an address and many readers leave out of it: closing marks and one stop.
_CLOSING: Final = r"[*_~)\]>\"'`”’」』》〉】〕）]"
_TIDY = re.compile(rf"{_CLOSING}{{0,3}}(?:[.,;:!?。，；：！？、]|…{{1,2}})?{_CLOSING}?")
_LONGEST_BEHIND: Final = 8
_BEHIND = re.compile(rf"[^\w\s(\[<]{{0,{_LONGEST_BEHIND}}}")
# Readers of links end them at these, and not all at other white space.
_SPACES: Final = frozenset(" \t\n\r\v\f")


def is_address(word: str) -> bool:
    """Say whether a word is an address for some reader."""
    return _ADDRESS.search(read_leniently(word)) is not None


def runs_code(address: str) -> bool:
    """Say whether an address runs or carries code: such a one is never let through."""
    return _RUNNING.match(read_leniently(address)) is not None


def addresses(text: str) -> Iterable[str]:
    """Yield the addresses of a source; a scheme alone, before a name in another script, is none."""
    for word in WORDS.findall(text):
        if is_address(word):
            start, end = extent(word)
            if not word.endswith("//"):
                yield word[start:end]


def extent(word: str) -> tuple[int, int]:
    """Return where in a word its address begins and ends: without emphasis, punctuation and what is glued before."""
    beginning = _BEGINNING.search(word)
    start = beginning.start() if beginning else len(word) - len(word.lstrip(_DECORATION))
    if read_leniently(word) != word or is_address(word[:start]):
        start = 0  # hidden characters may stand anywhere; what is glued before may be read as an address too
    return start, max(start, len(word.rstrip(_ENDING)))


def runs(text: str) -> Iterable[str]:
    """Yield the addresses of a source up to the next space or Chinese mark, whatever else they hold."""
    for match in _SCHEMED_RUN.finditer(text):
        yield match[0].rstrip(_RUN_ENDING)


def run_at(text: str, start: int, *, final: bool) -> str | None:
    """Return the run that begins with a scheme at `start`, "" for none or one too long; None: read more first."""
    match = _SCHEMED_RUN.match(text, start)
    if match is None or len(match[0]) > LONGEST_RUN:
        return ""
    if match.end() == len(text) and not final:
        return None
    return match[0] if is_scheme(match[0]) else match[0].rstrip(_RUN_ENDING)


def is_scheme(run: str) -> bool:
    """Say whether a run is a scheme with its slashes and nothing else."""
    return _SCHEME_ALONE.fullmatch(run) is not None


def goes_on(text: str, end: int, *, final: bool) -> bool | None:
    """Say whether a reader may take what follows an address that ends at `end` for part of it; None: read more first.

    Readers differ in where an address ends; all end it at a space. So nothing but a space, or closing marks and one
    stop before a space, may follow it.
    """
    behind = _BEHIND.match(text, end)
    assert behind is not None  # it may be empty
    if behind.end() == len(text) and len(behind[0]) < _LONGEST_BEHIND and not final:
        return None
    following = text[behind.end() : behind.end() + 1]
    return (following != "" and following not in _SPACES) or not _TIDY.fullmatch(behind[0])


def read_leniently(word: str) -> str:
    """Return a word as a renderer may read it: entities decoded, escapes and invisible characters left out."""
    decoded = html.unescape(word) if "&" in word else word
    if decoded.isascii():
        return re.sub(r"\\(?=[:/.])|[\x00-\x1f]", "", decoded)
    plain = unicodedata.normalize("NFKC", decoded)
    return "".join(character for character in plain if unicodedata.category(character) not in ("Cf", "Cc", "Mn"))
