"""Hits and passages of small documents for the tests of answering."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from indexes.records import Hit
from kb.records import Passage, Place, Retrieval


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


class FixedRetriever:
    """Stands where a retriever does: whatever is asked, these texts are found, in this order and with full confidence.

    Each text is a document of its own without pages. `asked` holds the questions.
    """

    def __init__(self, texts: Sequence[str], *, confidence: float = 1.0, version: int = 1) -> None:
        self.hits = tuple(passage.hit for passage in passages_of(*texts))
        self.asked: list[str] = []
        self.confidence = confidence
        self.version = version

    def ground(self, question: str, **limits: object) -> FixedGrounding:
        self.asked.append(question)
        return FixedGrounding(Retrieval(self.hits, self.confidence, self.version, 0.0))


@dataclass(frozen=True)
class FixedGrounding:
    """What `FixedRetriever` finds: its hits are the passages."""

    retrieval: Retrieval

    def passages(self, budget: int) -> tuple[Hit, ...]:
        return self.retrieval.hits

    def place_of(self, document_id: str, offset: int) -> Place:
        return Place(None, "")
