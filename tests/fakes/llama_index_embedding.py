"""A LlamaIndex embedding without a model: the `hash` embedder behind the real base class.

It stands for a foreign embedding with habits of its own: vectors are not of length 1, a key is among its arguments,
and `broken` makes it fail in the ways that foreign code does.
"""

from __future__ import annotations

from typing import Any

from llama_index.core.base.embeddings.base import BaseEmbedding

from indexes.embedders.hash import HashEmbedder


class HashedEmbedding(BaseEmbedding):  # type: ignore[misc]  # llama_index is not followed by mypy
    dimension: int = 128
    scale: float = 3.0
    api_key: str = ""
    broken: str = ""

    def _get_text_embedding(self, text: str) -> list[float]:
        return self._scaled(HashEmbedder(self.dimension).embed_documents([text])[0])

    def _get_query_embedding(self, query: str) -> list[float]:
        return self._scaled(HashEmbedder(self.dimension).embed_query(query))

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return self._get_query_embedding(query)

    def _scaled(self, vector: Any) -> list[float]:
        if self.broken == "raises":
            raise ConnectionError(f"the embedding server\nis away for {self.api_key}")
        if self.broken == "zero":
            return [0.0] * self.dimension
        if self.broken == "nan":
            return [float("nan")] * self.dimension
        if self.broken == "empty":
            return []
        return [float(value) for value in self.scale * vector]
