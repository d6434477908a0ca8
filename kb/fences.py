"""Untrusted text made harmless for a prompt: it cannot close a fence, imitate one, or speak the template's language."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from kb.checking.marks import neutralise_marks

# What is, looks like, normalises to or is decoded as "<", and as "/".
_LESS: Final = r"(?:[<＜﹤‹〈⟨❮«≪˂ᐸ≮]|&(?:amp;?)*(?:lt|#0*60|#x0*3c)(?:;|(?![0-9a-z]))|%3c|\\u003c|\\x3c)"
_SLASH: Final = r"(?:[/／∕⁄⧸\\＼]|&(?:amp;?)*(?:sol|#0*47|#x0*2f);?|%2f|\\u002f|\\x2f)"
# The same before something that could be a tag of ours, a closing tag, or a control token of a chat template
# (`<|im_end|>`, `<s>`, `<think>`).
_TAG = re.compile(
    rf"{_LESS}(?=(?:{_SLASH}|{_LESS}){{0,8}}(?:[|｜¦∣│ǀ]|{_SLASH}|passage|document|history|question|sys|user|assistant|instruct"
    r"|think|tool|bos|eos|pad|unk|mask|s(?:[>＞]|&gt|%3e)|start_?of|end_?of|begin_?of))"
)
_TOKEN = re.compile(r"\[(?=/?(?:inst|sys|availabletools|available_tools|toolcalls|tool_calls|tool_?results|img)\b)")
_OPENING = re.compile(rf"{_LESS}|\[", re.IGNORECASE)
_KEPT_CONTROLS: Final = "\t\n"
# Shown as nothing, though letters, marks or symbols to Unicode: fillers and variation selectors.
_BLANK: Final = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0") | frozenset(
    chr(point) for span in (range(0xFE00, 0xFE10), range(0xE0100, 0xE01F0)) for point in span
)
# Letters of other scripts that look like Latin ones of a tag's name, case folded: the Latin letter, then those.
_ALIKE_TEXT = (
    "aаαɑᴀ bьЬʙ cсϲᴄ dԁɗ eеεєҽᴇ gɡգɢ hһհнʜ iіιıɩɪ kкκᴋ mмᴍ nոпηɴ oоοօσᴏ pрρᴘ qԛգ rгɾʀ sѕꜱʂ tтτᴛ uυսцᴜ wԝѡω yуүγʏ"
)
_LOOKALIKES: Final = {other: group[0] for group in _ALIKE_TEXT.split() for other in group[1:]}


@lru_cache(maxsize=256)
def neutralise(text: str) -> str:
    """Return untrusted text for a prompt: fences and template tokens disarmed, invisible characters taken out.

    Only the prompt's copy changes; citations quote the stored text.
    """
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    visible = lines.translate({ord(character): None for character in set(lines) if _is_invisible(character)})
    if not _OPENING.search(visible):
        return neutralise_marks(visible)
    skeleton, places = _skeleton(visible)
    replaced = list(visible)
    for match in (*_TAG.finditer(skeleton), *_TOKEN.finditer(skeleton)):
        first, last = places[match.start()], places[match.end() - 1]
        replaced[first : last + 1] = ["(", *([""] * (last - first))]
    return neutralise_marks("".join(replaced))


def neutralise_line(text: str) -> str:
    """Return untrusted text for use inside a tag's attribute: one line, no quotes and no angle brackets."""
    line = " ".join(neutralise(text).split())
    return re.sub("[<>\"'＜＞`]", "", line)[:200]


def fence_key(parts: Iterable[str]) -> str:
    """Return eight hexadecimal digits that stand in every fence of one prompt.

    They depend on all that is fenced, so no document can hold the digits of the fence that it will stand in.
    """
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.encode("utf-8", "surrogatepass"))
        digest.update(b"\0")
    return digest.hexdigest()[:8]


def _skeleton(text: str) -> tuple[str, list[int]]:
    """Return the text as a lenient reader sees it, and the place of each of its characters.

    White space and combining marks are left out, full-width and other forms of letters are plain, case is folded, and
    letters of other scripts that look Latin are Latin.
    """
    plain = {character: _plain(character) for character in set(text)}
    kept = [(plain[character], at) for at, character in enumerate(text) if plain[character]]
    return "".join(character for character, _ in kept), [at for _, at in kept]


def _plain(character: str) -> str:
    """Return one plain character for one, or "" for white space and combining marks."""
    if character.isspace() or unicodedata.category(character) in ("Mn", "Me"):
        return ""
    folded = unicodedata.normalize("NFKC", character).casefold()
    folded = folded if len(folded) == 1 else character
    return _LOOKALIKES.get(folded, folded)


def _is_invisible(character: str) -> bool:
    """Say whether a character is a control other than tab and line feed, shows nothing, or is no character at all."""
    if character in _KEPT_CONTROLS:
        return False
    return character in _BLANK or unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co", "Cn")
