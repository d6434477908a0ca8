"""Whether an answer ends with a whole sentence, and what is left of one that was cut off."""

from __future__ import annotations

import re
from typing import Final

from ingest.splitting.sentences import sentence_spans
from kb.records import Language

_MARKS = re.compile(r"(?:\s*\[\d{1,4}\])+\s*\Z")
# A stop, then what closes around it. Behind a digit a full stop may be a decimal point.
_WHOLE = re.compile(r"(?:[。！？!?…；;]|(?<!\d)\.)[”’」』）)】》〉\"'*_`]*\Z")
_BROKEN_OFF: Final[dict[Language, str]] = {"zh": "……", "en": " ..."}


def ends_whole(text: str) -> bool:
    """Say whether a text ends with a whole sentence or line, marks aside."""
    return text.endswith("\n") or _WHOLE.search(_MARKS.sub("", text).rstrip()) is not None


def without_unfinished(text: str, language: Language) -> str:
    """Return a text that was cut off without its unfinished last sentence.

    Where that is all there is it stays, and says by its end that it is broken off.
    """
    if ends_whole(text):
        return text
    spans = sentence_spans(text)
    if len(spans) < 2:
        return text.rstrip() + _BROKEN_OFF[language]
    return text[: spans[-1][0]].rstrip()
