"""Turning ranked passages into hits: copies dropped, overlapping passages of a document joined."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple

from indexes.ranking.copies import copy_form
from indexes.records import Hit
from indexes.rows import StoredChunk

# A joined hit holds at most this many characters: about three chunks of the default size.
_LONGEST = 1200


class Scored(NamedTuple):
    """A passage with its scores, all in [0, 1], higher is better."""

    stored: StoredChunk
    score: float
    dense_score: float
    keyword_score: float


def ranked_hits(scored: Iterable[Scored], top_k: int) -> tuple[Hit, ...]:
    """Return at most `top_k` hits, best first; equal scores in the order of chunk ids.

    A passage that says the same as a better one (`copies.copy_form`) is dropped. One that overlaps a better one of its
    document is joined to it while both hold at most 1,200 characters: the hit keeps the scores and the chunk id of the
    better, and its text is still exactly `text[start:end]` of the document.
    """
    hits: list[Hit] = []
    seen: set[str] = set()
    for item in sorted(scored, key=lambda item: (-item.score, item.stored.chunk.chunk_id)):
        if len(hits) == top_k:
            break
        form = copy_form(item.stored.chunk.text)
        if form in seen:
            continue
        seen.add(form)
        hit = _hit(item)
        for place, better in enumerate(hits):
            joined = _joined(better, hit)
            if joined is not None:
                hits[place] = joined
                break
        else:
            hits.append(hit)
    return tuple(hits)


def _joined(better: Hit, other: Hit) -> Hit | None:
    """Return `better` widened by `other`, or None where they do not overlap or the result would be too long."""
    if better.document_id != other.document_id or better.start >= other.end or other.start >= better.end:
        return None
    first, second = (better, other) if better.start <= other.start else (other, better)
    # Nothing is added where the first holds the second: the slice begins behind its end.
    text = first.text + second.text[first.end - second.start :]
    if len(text) > max(_LONGEST, len(better.text)):
        return None
    return replace(
        better, start=first.start, end=first.start + len(text), text=text, page=first.page, heading=first.heading
    )


def _hit(item: Scored) -> Hit:
    stored = item.stored
    chunk = stored.chunk
    return Hit(
        document_id=chunk.document_id,
        chunk_id=chunk.chunk_id,
        title=stored.title,
        uri=stored.uri,
        page=chunk.page,
        start=chunk.start,
        end=chunk.end,
        text=chunk.text,
        heading=chunk.heading,
        score=item.score,
        dense_score=item.dense_score,
        keyword_score=item.keyword_score,
    )
