"""Untrusted text made harmless for a prompt: it cannot close a fence, imitate one, or speak the template's language."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache

from kb.marks import neutralise_marks

# Every character that is, looks like or normalises to "<" before something that could be a tag of ours, a closing tag,
# or a control token of a chat template (`<|im_end|>`, `<s>`, `<think>`); also the `[INST]` family of such tokens.
_TAG = re.compile(
    r"[<＜﹤‹〈⟨❮](?=[\s/／∕⁄\\＼]*(?:[|｜¦∣│]|[/／∕⁄]|passage|document|history|question|system|user|assistant"
    r"|instruct|think|tool|bos|eos|pad|unk|mask|s[>＞]|start_of|end_of|begin_of))",
    re.IGNORECASE,
)
_TOKEN = re.compile(r"\[(?=\s*/?\s*(?:INST|SYS|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS|IMG)\b)", re.IGNORECASE)
_KEPT_CONTROLS = "\t\n"


@lru_cache(maxsize=256)
def neutralise(text: str) -> str:
    """Return untrusted text for a prompt: fences and template tokens disarmed, invisible characters taken out.

    Only the prompt's copy changes; citations quote the stored text.
    """
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    visible = lines.translate({ord(character): None for character in set(lines) if _is_invisible(character)})
    # Letters in full-width or mathematical form would hide a tag's name, so the expressions look at plain ones.
    plain = visible.translate({ord(character): _plain(character) for character in set(visible)})
    replaced = list(visible)
    for match in (*_TAG.finditer(plain), *_TOKEN.finditer(plain)):
        replaced[match.start()] = "‹" if match[0] != "[" else "("
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


def _is_invisible(character: str) -> bool:
    """Say whether a character is a control other than tab and line feed, a format mark, or no character at all."""
    return character not in _KEPT_CONTROLS and unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co", "Cn")


def _plain(character: str) -> str:
    """Return the compatibility form of one character where that is one character too, else itself."""
    folded = unicodedata.normalize("NFKC", character)
    return folded if len(folded) == 1 else character
