"""The embedder of a knowledge base as a LlamaIndex embedding. Needs the `llama-index` extra."""

from __future__ import annotations

import asyncio

from llama_index.core.base.embeddings.base import BaseEmbedding
from pydantic import PrivateAttr

from indexes.embedding import Embedder


class KnowledgeBaseEmbedding(BaseEmbedding):  # type: ignore[misc]  # llama_index is not followed by mypy
    """Embeds questions and texts as the knowledge base does, each its own way: bge prefixes questions, for one.

    Vectors have length 1. A question that is too long for the model is cut, a text that is too long is UsageError.
    """

    _embedder: Embedder = PrivateAttr()

    def __init__(self, embedder: Embedder, embed_batch_size: int = 32) -> None:
        """`embed_batch_size`: texts embedded at once, 1 to 2048."""
        super().__init__(model_name=embedder.identity.model, embed_batch_size=embed_batch_size)
        self._embedder = embedder

    @classmethod
    def class_name(cls) -> str:
        """Return the name that LlamaIndex records."""
        return "KnowledgeBaseEmbedding"

    def _get_query_embedding(self, query: str) -> list[float]:
        vector: list[float] = self._embedder.embed_query(query).tolist()
        return vector

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return await asyncio.to_thread(self._get_query_embedding, query)

    def _get_text_embedding(self, text: str) -> list[float]:
        return self._get_text_embeddings([text])[0]

    def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        vectors: list[list[float]] = self._embedder.embed_documents(texts).tolist()
        return vectors

    async def _aget_text_embedding(self, text: str) -> list[float]:
        return await asyncio.to_thread(self._get_text_embedding, text)

    async def _aget_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        return await asyncio.to_thread(self._get_text_embeddings, texts)
