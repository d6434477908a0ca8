"""A knowledge base as a LangChain retriever; langchain-core comes with the base installation."""

from __future__ import annotations

from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from pydantic import ConfigDict, Field

from kb.integrations.metadata import metadata_of
from kb.retriever import Retriever


class KnowledgeBaseRetriever(BaseRetriever):
    """Finds passages of a knowledge base as LangChain documents, best first: a `Runnable` for chains and agents.

    A document's text is exactly `text[start:end]` of its source, its id that of the passage, and its metadata are
    those of `metadata_of`.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    retriever: Retriever
    top_k: int | None = Field(default=None, description="None: as configured")
    filters: dict[str, object] | None = None
    confidence_threshold: float = Field(default=0.0, ge=0, le=1, description="with less confidence nothing is returned")

    def _get_relevant_documents(self, query: str, *, run_manager: CallbackManagerForRetrieverRun) -> list[Document]:
        found = self.retriever.retrieve(query, top_k=self.top_k, filters=self.filters)
        if found.confidence < self.confidence_threshold:
            return []
        return [
            Document(id=hit.chunk_id, page_content=hit.text, metadata=metadata_of(hit, found)) for hit in found.hits
        ]
