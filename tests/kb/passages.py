"""Hits and passages of small documents for the tests of answering."""

from __future__ import annotations

from indexes.records import Hit
from kb.records import Passage


def hit_of(
    text: str, *, document_id: str = "d1", start: int = 0, score: float = 0.9, title: str = "文档", heading: str = ""
) -> Hit:
    return Hit(
        document_id=document_id,
        chunk_id=f"{document_id}-{start}",
        title=title,
        uri=f"file:///{document_id}.txt",
        page=None,
        start=start,
        end=start + len(text),
        text=text,
        heading=heading,
        score=score,
        dense_score=score,
        keyword_score=score,
    )


def passages_of(*texts: str) -> list[Passage]:
    return [
        Passage(n, hit_of(text, document_id=f"d{n}", score=round(0.95 - 0.1 * n, 2)))
        for n, text in enumerate(texts, start=1)
    ]
