"""A knowledge base as a LlamaIndex retriever. Needs the `llama-index` extra."""

from __future__ import annotations

import asyncio

from llama_index.core.retrievers import BaseRetriever
from llama_index.core.schema import NodeRelationship, NodeWithScore, QueryBundle, RelatedNodeInfo, TextNode

from indexes.records import Hit
from kb.integrations.metadata import SHOWN, metadata_of
from kb.records import Filters, Retrieval
from kb.retriever import Retriever


class KnowledgeBaseRetriever(BaseRetriever):  # type: ignore[misc]  # llama_index is not followed by mypy
    """Finds passages of a knowledge base as scored nodes, for query engines, agents and evaluators of LlamaIndex.

    A node's id is the passage's, its source the document, its text exactly `text[start:end]` of the document, and its
    metadata those of `metadata_of`; a language model is shown title, page and heading alone. Scores lie in [0, 1].
    """

    def __init__(
        self,
        retriever: Retriever,
        *,
        top_k: int | None = None,
        filters: Filters | None = None,
        confidence_threshold: float = 0.0,
    ) -> None:
        """`top_k` None: as configured. With a confidence in [0, 1] under `confidence_threshold` nothing is returned."""
        self._retriever = retriever
        self._top_k = top_k
        self._filters = filters
        self._confidence_threshold = confidence_threshold
        super().__init__()

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        found = self._retriever.retrieve(query_bundle.query_str, top_k=self._top_k, filters=self._filters)
        if found.confidence < self._confidence_threshold:
            return []
        return [NodeWithScore(node=_node(hit, found), score=hit.score) for hit in found.hits]

    async def _aretrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return await asyncio.to_thread(self._retrieve, query_bundle)


def _node(hit: Hit, found: Retrieval) -> TextNode:
    metadata = metadata_of(hit, found)
    hidden = [name for name in metadata if name not in SHOWN]
    return TextNode(
        id_=hit.chunk_id,
        text=hit.text,
        metadata=metadata,
        start_char_idx=hit.start,
        end_char_idx=hit.end,
        excluded_llm_metadata_keys=hidden,
        excluded_embed_metadata_keys=hidden,
        relationships={NodeRelationship.SOURCE: RelatedNodeInfo(node_id=hit.document_id)},
    )
