"""What other frameworks are told of a passage, beside its text."""

from __future__ import annotations

from indexes.records import Hit
from kb.records import Retrieval

# What a language model is shown; the rest is for programs.
SHOWN = ("title", "page", "heading")


def metadata_of(hit: Hit, retrieval: Retrieval) -> dict[str, object]:
    """Return flat metadata of a hit: where it is from, its exact span, its scores, and what all hits share.

    `start` and `end` count code points of the document's stored text, of which the passage's text is exactly that
    slice; `page` counts from 1 and is None where the source has none. `score`, `dense_score`, `keyword_score` and
    `confidence` lie in [0, 1], higher is better; `confidence` and `version` are those of the whole retrieval.
    """
    return {
        "document_id": hit.document_id,
        "chunk_id": hit.chunk_id,
        "uri": hit.uri,
        "title": hit.title,
        "page": hit.page,
        "heading": hit.heading,
        "start": hit.start,
        "end": hit.end,
        "score": hit.score,
        "dense_score": hit.dense_score,
        "keyword_score": hit.keyword_score,
        "confidence": retrieval.confidence,
        "version": retrieval.version,
    }
