"""Numbers that the evidence has, but of another thing than the claim says. All texts are folded."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

from kb.checking.alignment import CLAUSE, tokens
from kb.checking.function_words import is_function
from kb.checking.numbers import Quantity, convertible, quantities, same_amount
from kb.checking.units import unit_at

SEGMENT: Final = re.compile(r"[；;。！？!?\n]|\.(?=\s|$)")
"""What stands between two sentences, rows or items of a folded text."""
_CLAUSE: Final = re.compile(rf"{CLAUSE.pattern}|\b(?:and|but|while|whereas)\b")
# A name with digits, as of a model: its digits are no number of anything.
_IDENTIFIER: Final = re.compile(r"[a-z][a-z_.-]*\d[a-z0-9_-]*")
_OPENING: Final = 2
_TO: Final = frozenset(("到", "至", "to"))
_FROM: Final = frozenset(("从", "由", "自", "from"))
_TOWARDS: Final = frozenset("向给")
_SPAN: Final = 10


@dataclass(frozen=True, slots=True)
class _Piece:
    """A part of a text: its numbers, the words beside them, and its opening, two tokens."""

    text: str
    values: tuple[Quantity, ...]
    words: frozenset[str]
    opening: tuple[str, ...]

    def holds(self, quantity: Quantity) -> bool:
        return any(same_amount(quantity, value) for value in self.values)


def misplaced(claim: str, evidence: str) -> str:
    """Return a number that the evidence has of something else than the claim, or "".

    The claim shares words with a part that has another number of the same unit, and none with those that have its own;
    or it opens like one of several parallel parts and has the number of another; or what stands right behind the
    number stands behind another number.
    """
    segments = [_piece(text) for text in SEGMENT.split(evidence) if text.strip()]
    for part in CLAUSE.split(claim):
        ours = _piece(part)
        for quantity in ours.values:
            if _of_another(quantity, ours, _clauses(evidence, quantity)) or _of_another(quantity, ours, segments):
                return quantity.value
            if _noun_of_another(quantity, part, evidence):
                return quantity.value
    return ""


def turned_direction(claim: str, evidence: str) -> str:
    """Return "direction" where a claim goes from A to B and its evidence only from B to A, else ""."""
    ours, theirs = set(_directions(tokens(claim))), set(_directions(tokens(evidence)))
    ours |= set(_facing(tokens(claim)))
    theirs |= set(_facing(tokens(evidence)))
    turned = any((end, start) in theirs and (start, end) not in theirs for start, end in ours)
    return "direction" if turned else ""


def _clauses(evidence: str, quantity: Quantity) -> list[_Piece]:
    """Return the clauses of a text that say something.

    Each has the words, too, of the clauses around it in its sentence, up to the next with a number like this one: there
    may stand what it is about.
    """
    found = []
    for segment in SEGMENT.split(evidence):
        pieces = [_piece(text) for text in _CLAUSE.split(segment) if text.strip()]
        rivals = [any(_measures_alike(quantity, value) for value in piece.values) for piece in pieces]
        for index, piece in enumerate(pieces):
            first = next((at + 1 for at in range(index - 1, -1, -1) if rivals[at]), 0)
            last = next((at for at in range(index + 1, len(pieces)) if rivals[at]), len(pieces))
            words = frozenset().union(*(other.words for other in pieces[first:last]))
            text = "，".join(other.text for other in pieces[first:last])
            found.append(replace(piece, words=words, text=text) if piece.words else piece)
    return found


def _piece(text: str) -> _Piece:
    plain = _IDENTIFIER.sub(" ", text)
    values = tuple(quantities(plain))
    identifiers = frozenset(_IDENTIFIER.findall(text))
    rest = _without_values(plain, values)
    words = frozenset(token for token in tokens(rest) if token[0] != "#" and not is_function(token)) | identifiers
    opening = tuple((_IDENTIFIER.findall(text[:24]) if _IDENTIFIER.match(text.strip()) else tokens(text))[:_OPENING])
    return _Piece(plain, values, words, opening)


def _without_values(text: str, values: Sequence[Quantity]) -> str:
    """Return a text with a space in place of each number and its unit."""
    pieces, at = [], 0
    for value in values:
        pieces.append(text[at : value.start])
        at = max(value.end, unit_at(text, value.end)[2])
    return " ".join([*pieces, text[at:]])


def _of_another(quantity: Quantity, ours: _Piece, pieces: Sequence[_Piece]) -> bool:
    holding = [piece for piece in pieces if piece.holds(quantity)]
    others = [piece for piece in pieces if not piece.holds(quantity)]
    return bool(holding) and all(
        any(_belongs_to(quantity, ours, other, piece) for other in others) for piece in holding
    )


def _belongs_to(quantity: Quantity, ours: _Piece, other: _Piece, holding: _Piece) -> bool:
    """Say whether a claim is about the part `other`, but has its number from the part `holding`."""
    if _is_parallel(ours.opening, other.opening, holding.opening):
        return True
    if not holding.words or not any(_measures_alike(quantity, value) for value in other.values):
        return False
    return _is_telling(ours, other, holding) and not ((ours.words & holding.words) - other.words)


def _is_parallel(ours: Sequence[str], other: Sequence[str], holding: Sequence[str]) -> bool:
    """Say whether a claim opens as one of two parts that open alike but for one word, as `plant a` and `plant b`."""
    if len(ours) < _OPENING or tuple(ours) != tuple(other) or len(holding) < _OPENING:
        return False
    return [one == two for one, two in zip(other, holding, strict=True)].count(True) == _OPENING - 1


def _measures_alike(one: Quantity, other: Quantity) -> bool:
    return convertible(one.unit, other.unit)


def _is_telling(ours: _Piece, other: _Piece, holding: _Piece) -> bool:
    """Say whether a claim has a word of one part that another lacks: Latin, or two neighbouring Chinese characters."""
    if any(word.isascii() and len(word) > 1 for word in (ours.words & other.words) - holding.words):
        return True
    pairs = {one + two for one, two in pairwise(ours.text) if one in ours.words and two in ours.words}
    return any(pair in other.text and pair not in holding.text for pair in pairs)


def _noun_of_another(quantity: Quantity, claim: str, evidence: str) -> bool:
    """Say whether what stands right behind a number stands behind others in the evidence, and nowhere near this one."""
    noun = _behind(claim, quantity)
    if not noun:
        return False
    found = False
    for clause in CLAUSE.split(evidence):
        for value in quantities(clause):
            same = same_amount(quantity, value)
            if same and noun in " ".join(tokens(clause)):
                if _behind(clause, value) == noun or not any(
                    _behind(clause, other) == noun for other in quantities(clause) if not same_amount(quantity, other)
                ):
                    return False
            elif not same and _behind(clause, value) == noun and _measures_alike(quantity, value):
                found = True
    return found


def _behind(text: str, quantity: Quantity) -> str:
    """Return the first word behind a number and its unit, or two Chinese characters; "" where there is none."""
    _, _, end = unit_at(text, quantity.end)
    following = tokens(CLAUSE.split(text[end : end + 24])[0])[:2]
    if not following or any(is_function(word) or word[0] == "#" for word in following[:1]):
        return ""
    if following[0].isascii():
        return following[0]
    if len(following) < _OPENING or is_function(following[1]) or following[1][0] == "#":
        return ""
    return " ".join(following)


def _directions(words: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield the first token behind each `from` with the first behind the `to` that belongs to it."""
    for at, word in enumerate(words):
        if word not in _FROM:
            continue
        for to in range(at + 2, min(at + _SPAN, len(words) - 1)):
            if words[to] in _FROM:
                break
            if words[to] in _TO:
                yield _first(words[at + 1 : to]), _first(words[to + 1 :])
                break


def _facing(words: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield who stands right before and right behind each 向 and 给, in three and in two characters."""
    for at, word in enumerate(words):
        for size in (2, 3):
            if word in _TOWARDS and at >= size and len(words) > at + size:
                yield "".join(words[at - size : at]), "".join(words[at + 1 : at + 1 + size])


def _first(words: Sequence[str]) -> str:
    """Return a number, a Latin word or two Chinese characters; units behind a number do not count."""
    number = next((word for word in words[:3] if word[0] == "#"), "")
    return number or (words[0] if words[0].isascii() else "".join(words[:2]))
