"""What of a passage can be quoted: whole sentences of text, with the headings that they stand under.

A citation must be able to stand alone. So clauses that a semicolon divides stay together up to a length, and lines that
are no statements (headings, page numbers, stray marks) are told apart: they say what a text is about, not the answer.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from indexes.records import HEADING_SEPARATOR
from ingest.splitting.sentences import sentence_spans
from kb.records import Passage

Kind = Literal["text", "heading", "fragment"]

MAXIMUM_JOINED: Final = 120
MAXIMUM_HEADING: Final = 60
_ENDED = re.compile(r"[。！？!?.…；;：:][”’」』）)》\"'\]]*\Z")
_SEMICOLON = re.compile(r"[；;][”’」』）)]*\Z")
_PARAGRAPH_BREAK = re.compile(r"\n[ \t]*\n")
_NUMBERED = re.compile(
    r"(?:第[\d一二三四五六七八九十百零〇]+[章节節条條款部分编編篇]|[一二三四五六七八九十]+[、．]"
    r"|[（(][一二三四五六七八九十]+[）)]|(?:\d+|[A-Z])(?:\.\d+)*[.、]?[ \t]+(?=\S)|附录|附錄|#{1,6}\s"
    r"|(?:chapter|section|appendix)\s)",
    re.IGNORECASE,
)
_TABLE_RULE = re.compile(r"[ \t]*\n[ \t]*\|?[ \t]*:?-{2,}[-:| \t]*(?:\n|\Z)")
# The question of a list of questions and answers: on a line of its own, or announced as one.
_ASKED = re.compile(r"(?:Q|问|問|Question)\s?\d{0,3}\s?[：:.、]", re.IGNORECASE)
_EMPHASIS: Final = "*_#> \t-•"
_WORDS = re.compile(r"[^\W\d_]")
_MINIMUM_LETTERS: Final = 2


@dataclass(frozen=True, slots=True)
class Sentence:
    """A quotable span of a passage: `passage.hit.text[start:end]`.

    `section` counts the headings before it within the passage; `heading` is the nearest of them, or the last part of
    the passage's heading path, or "", for a row of a Markdown table with the names of the columns. `opens` says that
    no other text stands between that heading and this sentence.
    """

    passage: Passage
    start: int
    end: int
    kind: Kind = "text"
    section: int = 0
    heading: str = ""
    opens: bool = False

    @property
    def text(self) -> str:
        """Return the sentence as it is stored."""
        return self.passage.hit.text[self.start : self.end]


def sentences_of(passages: Sequence[Passage]) -> list[Sentence]:
    """Return what the passages hold, in their order: sentences, headings and fragments."""
    return [sentence for passage in passages for sentence in _sentences(passage)]


def _sentences(passage: Passage) -> list[Sentence]:
    text = passage.hit.text
    spans = _joined(text, sentence_spans(text))
    heading = passage.hit.heading.rpartition(HEADING_SEPARATOR)[2]
    section, opens, columns = 0, False, ""
    found = []
    for start, end in spans:
        if text.startswith("|", start):
            # A row says little without the names of its columns.
            columns = text[start:end] if _TABLE_RULE.match(text, end) else columns
            kind: Kind = (
                "heading" if _TABLE_RULE.match(text, end) else "text" if _WORDS.search(text, start, end) else "fragment"
            )
            found.append(Sentence(passage, start, end, kind, section, f"{heading} {columns}".strip(), opens))
            continue
        columns = ""
        kind = _kind(text, start, end, heading)
        if kind == "heading":
            section, heading, opens = section + 1, text[start:end], True
            found.append(Sentence(passage, start, end, kind, section, heading))
            continue
        found.append(Sentence(passage, start, end, kind, section, heading, opens))
        opens = opens and kind == "fragment"
    return found


def _joined(text: str, spans: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Join what semicolons divide, as long as it stays short and within a paragraph."""
    joined: list[tuple[int, int]] = []
    for start, end in spans:
        if joined:
            first, last = joined[-1]
            if (
                _SEMICOLON.search(text, first, last)
                and end - first <= MAXIMUM_JOINED
                and not _PARAGRAPH_BREAK.search(text, last, start)
            ):
                joined[-1] = (first, end)
                continue
        joined.append((start, end))
    return joined


def _kind(text: str, start: int, end: int, path_end: str) -> Kind:
    line = text[start:end]
    if len(_WORDS.findall(line)) < _MINIMUM_LETTERS:
        return "fragment"
    if _is_asked(text, start, end):
        return "heading"
    if len(line) > MAXIMUM_HEADING or "\n" in line:
        return "text"
    if line.lstrip("# ") == path_end:
        return "heading"
    alone = (start == 0 or _ends_paragraph(text[:start])) and (end == len(text) or text[end:].lstrip(" \t")[:1] == "\n")
    question = line[-1] in "？?"
    if not alone or (_ENDED.search(line) and not question):
        return "text"
    if _NUMBERED.match(line):
        return "heading"
    stands_free = _PARAGRAPH_BREAK.match(text, end) is not None and _PARAGRAPH_BREAK.search(text[:start][-4:] or "\n\n")
    return "heading" if stands_free and not line.startswith(("\\", "$", "-", "•", "|")) else "text"


def _is_asked(text: str, start: int, end: int) -> bool:
    line = text[start:end].strip(_EMPHASIS)
    if len(line) > MAXIMUM_HEADING or "\n" in line or line[-1:] not in ("？", "?"):
        return False
    following = text.find("\n", end)
    before = text[text.rfind("\n", 0, start) + 1 : start]
    after = text[end : following if following >= 0 else len(text)]
    return bool(_ASKED.match(line)) or not (before.strip(_EMPHASIS) or after.strip(_EMPHASIS))


def _ends_paragraph(before: str) -> bool:
    return before.rstrip(" \t").endswith("\n")
