"""From a question to what was found for it: hits, calibrated confidence, and the passages for a prompt."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from indexes.errors import UsageError
from indexes.records import Document, Hit
from indexes.search import Searcher
from indexes.store import Snapshot, Store
from kb.confidence.estimate import Confidence, confidence_for
from kb.expansion import expand
from kb.history import retrieval_query
from kb.question import check_question
from kb.records import Filters, Message, Place, Retrieval

MAXIMUM_TOP_K = 100


@dataclass(frozen=True)
class Grounding:
    """A retrieval together with the snapshot that it was made on, so that what follows sees the same version."""

    retrieval: Retrieval
    snapshot: Snapshot

    def passages(self, budget: int) -> tuple[Hit, ...]:
        """Return the hits widened by their neighbours and merged within a document, best first.

        `budget` bounds the characters of all passages together, except that the hits themselves are always whole.
        """
        return expand(self.retrieval.hits, self.snapshot, self._document, budget)

    def place_of(self, document_id: str, offset: int) -> Place:
        """Return where an offset of a document lies."""
        document = self._document(document_id)
        return Place(document.page_at(offset), document.heading_at(offset))

    def _document(self, document_id: str) -> Document:
        document = self._documents.get(document_id)
        if document is None:
            document = self._documents[document_id] = self.snapshot.document(document_id)
        return document

    @cached_property
    def _documents(self) -> dict[str, Document]:
        return {}


class Retriever:
    """Searches one knowledge base. Safe to share between threads."""

    def __init__(
        self,
        store: Store,
        searcher: Searcher,
        *,
        top_k: int = 5,
        score_threshold: float = 0.0,
        confidence: Confidence | Callable[[], Confidence | None] | None = None,
    ) -> None:
        """`top_k` hits at most, none with a score under `score_threshold`.

        `confidence` is one, or what gives the one in force at each question; None means the embedder's own.
        """
        self._store = store
        self._searcher = searcher
        self._top_k = _checked_top_k(top_k)
        self._score_threshold = _checked_threshold(score_threshold)
        self._shipped = confidence_for(searcher.embedder.identity.name)
        self._confidence = confidence

    def retrieve(
        self,
        question: str,
        *,
        top_k: int | None = None,
        score_threshold: float | None = None,
        filters: Filters | None = None,
        history: Sequence[Message] = (),
    ) -> Retrieval:
        """Return the hits for a question, best first, and the confidence that they hold an answer.

        Raises `UsageError` for a question, `top_k`, threshold or filter that makes no sense.
        """
        return self.ground(
            question, top_k=top_k, score_threshold=score_threshold, filters=filters, history=history
        ).retrieval

    def ground(
        self,
        question: str,
        *,
        top_k: int | None = None,
        score_threshold: float | None = None,
        filters: Filters | None = None,
        history: Sequence[Message] = (),
    ) -> Grounding:
        """Return the same as `retrieve`, with the snapshot that was searched."""
        started = time.perf_counter()
        wanted = self._top_k if top_k is None else _checked_top_k(top_k)
        threshold = self._score_threshold if score_threshold is None else _checked_threshold(score_threshold)
        query = retrieval_query(check_question(question), history)
        snapshot = self._store.snapshot()
        chosen: Mapping[str, object] = filters or {}
        result = self._searcher.search(snapshot, query, wanted, chosen)
        hits = tuple(hit for hit in result.hits if hit.score >= threshold)
        retrieval = Retrieval(
            hits=hits,
            confidence=self._judge().of(result.features) if hits else 0.0,
            version=snapshot.version,
            milliseconds=1e3 * (time.perf_counter() - started),
        )
        return Grounding(retrieval, snapshot)

    def _judge(self) -> Confidence:
        given = self._confidence
        return (given if given is None or isinstance(given, Confidence) else given()) or self._shipped


def _checked_top_k(top_k: int) -> int:
    if not 1 <= top_k <= MAXIMUM_TOP_K:
        raise UsageError(f"top_k must lie between 1 and {MAXIMUM_TOP_K}")
    return top_k


def _checked_threshold(threshold: float) -> float:
    if not 0.0 <= threshold <= 1.0:
        raise UsageError("score_threshold must lie between 0 and 1")
    return threshold
