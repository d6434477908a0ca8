"""Packing pieces into groups that fit a budget, sections kept apart, whole sentences repeated as overlap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ingest.splitting.heading_paths import HeadingPaths
from ingest.splitting.pieces import Piece


@dataclass(frozen=True, slots=True)
class Group:
    """What becomes one chunk: `pieces[:repeated]` end the group before, the others are new."""

    pieces: tuple[Piece, ...]
    repeated: int = 0


def pack(pieces: Sequence[Piece], paths: HeadingPaths, room: int, overlap: int) -> list[Group]:
    """Group `pieces` greedily. `room` is the budget in tokens for heading path and text together.

    A new group begins at each heading of the top level, at other headings once a quarter of the room is used, where
    the next piece does not fit, and before a sentence that had to be cut. `overlap` is in whole sentences; overlap
    never crosses a heading that began a group, nor takes more than a quarter of the room.
    """
    groups: list[Group] = []
    first = fresh = used = 0
    for index, piece in enumerate(pieces):
        if index > fresh:
            section_break = piece.level and (piece.level <= paths.top_level or used >= room // 4)
            if section_break or (piece.first and not piece.whole):
                groups.append(Group(tuple(pieces[first:index]), fresh - first))
                first = fresh = index
                used = 0
            elif used + piece.tokens > room - paths.tokens[pieces[first].section]:
                stop = _without_last_headings(pieces, fresh, index)
                groups.append(Group(tuple(pieces[first:stop]), fresh - first))
                fresh = stop
                first = _overlap_start(pieces, fresh, index, room, overlap, paths)
                used = sum(earlier.tokens for earlier in pieces[first:index])
                if first == fresh < index and used + piece.tokens > room - paths.tokens[pieces[first].section]:
                    groups.append(Group(tuple(pieces[fresh:index])))
                    first = fresh = index
                    used = 0
        used += piece.tokens
    if pieces:
        groups.append(Group(tuple(pieces[first:]), fresh - first))
    return groups


def _without_last_headings(pieces: Sequence[Piece], fresh: int, stop: int) -> int:
    """Leave headings at the end to the next group, unless the group is nothing else."""
    shorter = stop
    while shorter - 1 > fresh and pieces[shorter - 1].level:
        shorter -= 1
    return shorter


def _overlap_start(
    pieces: Sequence[Piece], fresh: int, index: int, room: int, overlap: int, paths: HeadingPaths
) -> int:
    """Return where the group begins whose first new piece is `fresh`, so that everything up to `index` still fits."""
    new = sum(piece.tokens for piece in pieces[fresh : index + 1])
    first = fresh
    repeated = 0
    while first > 0 and fresh - first < overlap:
        before = pieces[first - 1]
        repeated += before.tokens
        fits = repeated <= room // 4 and repeated + new <= room - paths.tokens[before.section]
        if not before.whole or before.level or pieces[first].level or not fits:
            break
        first -= 1
    return first
