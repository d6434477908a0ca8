"""What each mark of an answer stands for: the part of a sentence before it, or the statements before a mere mark."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from kb.checking.marks import Mark
from kb.checking.quoting import undivided
from kb.checking.substance import Substance, bare_claim, substance

# How many statements before a list of sources its marks may stand for.
_MOST_STATEMENTS: Final = 8


@dataclass(frozen=True, slots=True)
class Claim:
    """What a group of marks stands for: one text, or several of which each passage need bear out one; nearest first.

    `substance` is how much it states; `marks` has each passage once.
    """

    texts: tuple[str, ...]
    marks: tuple[Mark, ...]
    substance: Substance


@dataclass(frozen=True, slots=True)
class Claims:
    """The claims of an answer, and its statements without any mark."""

    cited: tuple[Claim, ...]
    uncited: tuple[str, ...]


def claims_of(text: str, marks: Sequence[Mark], headings: Collection[str]) -> Claims:
    """Return what the marks of a text stand for, marks removed.

    That is the part of its sentence since the group of marks before; the last group of a sentence also has what follows
    it. Marks behind nothing but punctuation, a heading or words such as `来源：` stand for the statements before.
    """
    pieces: list[str] = []
    groups: dict[int, list[Mark]] = {}
    at = length = 0
    for mark in marks:
        pieces.append(text[at : mark.start])
        length += mark.start - at
        at = mark.end
        group = groups.setdefault(length, [])
        if all(mark.passage != other.passage for other in group):
            group.append(mark)
    bare = "".join([*pieces, text[at:]])
    spans = undivided(bare, groups.keys()) or [(0, len(bare))]
    sentences = [bare_claim(bare[start:end]) for start, end in spans]
    kinds = [substance(bare[start:end], headings) for start, end in spans]
    # A mark belongs to the last sentence that begins before it: it follows the text that it is for.
    owners = [max((index for index, (start, _) in enumerate(spans) if start < offset), default=0) for offset in groups]
    offsets = list(groups)
    claims: list[Claim] = []
    for position, (offset, owner) in enumerate(zip(offsets, owners, strict=True)):
        start, end = spans[owner]
        shared = position > 0 and owners[position - 1] == owner
        if shared:
            start = offsets[position - 1]
        if position + 1 < len(offsets) and owners[position + 1] == owner:
            end = offset
        texts: tuple[str, ...] = (bare_claim(bare[start:end]),)
        kind = substance(bare[start:end], headings)
        if kind in ("none", "label"):
            before = _statements_before(owner, kinds, owners)
            if shared and kind == "none":
                texts, kind = claims[-1].texts, claims[-1].substance
            elif before:
                texts, kind = tuple(sentences[index] for index in before), "full"
        claims.append(Claim(texts, tuple(groups[offset]), kind))
    uncited = [sentence for index, sentence in enumerate(sentences) if kinds[index] == "full" and index not in owners]
    return Claims(tuple(claims), tuple(uncited))


def _statements_before(owner: int, kinds: Sequence[Substance], owners: Collection[int]) -> list[int]:
    """Return the statements before a sentence that have no marks of their own, nearest first, else the nearest one."""
    found: list[int] = []
    for index in range(owner - 1, -1, -1):
        if kinds[index] == "full":
            if index in owners:
                return found or [index]
            found.append(index)
        if len(found) == _MOST_STATEMENTS:
            break
    return found
