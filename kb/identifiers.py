"""Identifiers in a question, such as MX-300, T8 or GB2312: what answers must speak of the very same."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from indexes.text.matching import fold
from kb.records import Passage

# Letters and digits in one word. Quarters and half years are often spelt out and are no identifiers.
_IDENTIFIER: Final = re.compile(
    r"(?<![a-z0-9-])(?!q[1-4](?!\d)|h[12](?!\d))([a-z]{1,8})[-_/.]?(\d{1,6}[a-z]{0,3})(?![a-z0-9])"
)


def identifiers(folded: str) -> list[str]:
    """Return the identifiers of a folded text as they stand there, in order, each once."""
    return list(dict.fromkeys(match[0] for match in _IDENTIFIER.finditer(folded)))


def passages_about(question: str, passages: Sequence[Passage]) -> Sequence[Passage]:
    """Return the passages whose title, heading or text has every identifier of the question; all where it has none.

    Case and what joins letters and digits are matters of style (mx300, MX-300, MX 300), and so is a longer spelling
    of the letters (win10, Windows 10).
    """
    wanted = [
        re.compile(rf"(?<![a-z0-9]){letters}[a-z]*[-_/. ]?{digits}(?![0-9])")
        for letters, digits in dict.fromkeys(_IDENTIFIER.findall(fold(question)))
    ]
    if not wanted:
        return passages
    texts = [fold(f"{passage.hit.title}\n{passage.hit.heading}\n{passage.hit.text}") for passage in passages]
    return [
        passage
        for passage, text in zip(passages, texts, strict=True)
        if all(pattern.search(text) for pattern in wanted)
    ]
