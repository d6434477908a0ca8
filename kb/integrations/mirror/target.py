"""The vector store of someone else: three calls, whose failures become one error of ours."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from llama_index.core.schema import TextNode
from llama_index.core.vector_stores.types import BasePydanticVectorStore, VectorStoreQuery

from indexes.errors import KBError

_LONGEST_MESSAGE = 300


class VectorStoreError(KBError):
    """The vector store failed, or does not hold what its ledger says. The next update mends what this one began."""

    http_status = 503
    code = "vector_store"


class MirrorTarget:
    """A vector store to write to."""

    def __init__(self, vector_store: BasePydanticVectorStore) -> None:
        self._vector_store = vector_store
        self.kind = type(vector_store).__name__

    def add(self, nodes: Sequence[TextNode]) -> None:
        """Add nodes, which carry their vectors."""
        with self._errors("add nodes"):
            self._vector_store.add(nodes)

    def delete(self, document_id: str) -> None:
        """Delete the nodes of a document; there may be none."""
        with self._errors("delete nodes"):
            self._vector_store.delete(document_id)

    def is_empty(self, dimension: int) -> bool:
        """Return whether not even one node is found, whatever is looked for."""
        query = VectorStoreQuery(query_embedding=[1.0] + [0.0] * (dimension - 1), similarity_top_k=1)
        with self._errors("be searched"):
            found = self._vector_store.query(query)
        return not (found.ids or found.nodes)

    @contextmanager
    def _errors(self, what: str) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # whatever a foreign store or its server meets
            said = " ".join(f"{type(error).__name__}: {error}".split())[:_LONGEST_MESSAGE]
            raise VectorStoreError(f"the {self.kind} could not {what} ({said})") from error
