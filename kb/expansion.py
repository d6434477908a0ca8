"""Hits widened by their neighbours and merged within a document: what a prompt shows of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from indexes.records import Document, Hit
from indexes.store import Snapshot

_NEIGHBOURS = 1


def expand(
    hits: Sequence[Hit], snapshot: Snapshot, document_of: Callable[[str], Document], budget: int
) -> tuple[Hit, ...]:
    """Return passages, best first: each hit with one chunk before and after it, overlapping or touching spans merged.

    The best hits are widened first, as long as all passages together stay within `budget` characters; what is found is
    never dropped. A merged passage has the score and the chunk of its best hit, and page and heading of its start.
    Every passage is exactly `text[start:end]` of its document, which `document_of` gives by its identity.
    """
    spans: list[tuple[Hit, int, int]] = []
    free = budget - sum(len(hit.text) for hit in hits)
    for hit in hits:
        start, end = hit.start, hit.end
        for neighbour in snapshot.neighbours(hit.chunk_id, _NEIGHBOURS, _NEIGHBOURS) if free > 0 else ():
            wider = min(start, neighbour.chunk.start), max(end, neighbour.chunk.end)
            cost = wider[1] - wider[0] - (end - start)
            if cost <= free:
                (start, end), free = wider, free - cost
        spans.append((hit, start, end))
    return tuple(_cut_out(hit, start, end, document_of) for hit, start, end in _merged(spans))


def _merged(spans: Sequence[tuple[Hit, int, int]]) -> list[tuple[Hit, int, int]]:
    """Join spans of one document that overlap or touch, until none do; the better hit lends its name."""
    merged: list[tuple[Hit, int, int]] = []
    for hit, start, end in spans:
        joined = (hit, start, end)
        position = len(merged)
        for index in range(len(merged) - 1, -1, -1):
            other, first, last = merged[index]
            if other.document_id == hit.document_id and first <= joined[2] and joined[1] <= last:
                joined = (other, min(first, joined[1]), max(last, joined[2]))
                del merged[index]
                position = index
        merged.insert(position, joined)
    return merged


def _cut_out(hit: Hit, start: int, end: int, document_of: Callable[[str], Document]) -> Hit:
    if (start, end) == (hit.start, hit.end):
        return hit
    document = document_of(hit.document_id)
    page, heading = document.page_at(start), document.heading_at(start)
    return replace(hit, start=start, end=end, text=document.text[start:end], page=page, heading=heading)
