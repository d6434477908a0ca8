"""Whether an answer ends with a whole sentence, and what is left of one that was cut off."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final

from ingest.splitting.sentences import sentence_spans
from kb.checking.substance import substance
from kb.records import Language

_MARK = r"\s*\[\d{1,4}\]"
_MARKS = re.compile(rf"(?:{_MARK})+\s*\Z")
_ANY_MARK = re.compile(_MARK)
# A stop, then what closes around it. Behind a digit a full stop may be a decimal point.
_WHOLE = re.compile(r"(?:[。！？!?…；;]|(?<!\d)\.)[”’」』）)】》〉\"'*_`]*\Z")
_BROKEN_OFF: Final[dict[Language, str]] = {"zh": "……", "en": " ..."}


def ends_whole(text: str) -> bool:
    """Say whether a text ends with a whole sentence or line, marks aside."""
    return text.endswith("\n") or _WHOLE.search(_MARKS.sub("", text).rstrip()) is not None


def without_unfinished(text: str, language: Language, headings: Collection[str] = ()) -> str:
    """Return a text that was cut off without its unfinished last sentence.

    Where nothing before it states anything (it is all there is, or stands below an opening line, a heading or a fence)
    the text stays whole, and says by its end that it is broken off. `headings` are those of the passages.
    """
    if ends_whole(text):
        return text
    spans = sentence_spans(text)
    if not any(_states(text[start:end], headings) for start, end in spans[:-1]):
        return text.rstrip() + _BROKEN_OFF[language]
    return text[: spans[-1][0]].rstrip()


def _states(sentence: str, headings: Collection[str]) -> bool:
    """Say whether a sentence states something by itself; one with a colon at its end announces what follows."""
    bare = _ANY_MARK.sub("", sentence).rstrip(" \t*_")
    return not bare.endswith((":", "：")) and substance(bare, headings) == "full"
