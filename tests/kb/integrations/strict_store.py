"""A vector store that keeps text, as stricter ones do: no id twice, plain values only, and failures when asked for.

It is LlamaIndex's own in-memory store with the nodes kept beside the vectors, in the form in which Qdrant, Chroma and
others write them down.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from llama_index.core.schema import BaseNode, MetadataMode
from llama_index.core.vector_stores.simple import SimpleVectorStore
from llama_index.core.vector_stores.types import VectorStoreQuery, VectorStoreQueryResult
from llama_index.core.vector_stores.utils import metadata_dict_to_node, node_to_metadata_dict
from pydantic import PrivateAttr


def nothing() -> None:
    """Do nothing at a step."""


class StrictVectorStore(SimpleVectorStore):  # type: ignore[misc]  # llama_index is not followed by mypy
    """Calls `step` before and after each node and each deletion; what that raises, the caller meets midway."""

    stores_text: bool = True
    _rows: dict[str, tuple[str, dict[str, object]]] = PrivateAttr(default_factory=dict)
    _step: Callable[[], None] = PrivateAttr(default_factory=lambda: nothing)
    _added: int = PrivateAttr(default=0)
    _largest: int = PrivateAttr(default=0)

    def add(self, nodes: Sequence[BaseNode], **add_kwargs: object) -> list[str]:
        """Add nodes one by one."""
        self._largest = max(self._largest, len(nodes))
        for node in nodes:
            self._step()
            if node.node_id in self._rows:
                raise ValueError(f"{node.node_id} is there already")
            row = node_to_metadata_dict(node, remove_text=True, flat_metadata=True)
            if any(value is None for value in row.values()):
                raise ValueError("a value is None")
            super().add([node], **add_kwargs)
            self._rows[node.node_id] = (node.get_content(metadata_mode=MetadataMode.NONE), row)
            self._added += 1
            self._step()
        return [node.node_id for node in nodes]

    def delete(self, ref_doc_id: str, **delete_kwargs: object) -> None:
        """Delete the nodes of a document."""
        self._step()
        super().delete(ref_doc_id, **delete_kwargs)
        self._rows = {node_id: row for node_id, row in self._rows.items() if node_id in self.data.embedding_dict}
        self._step()

    def query(self, query: VectorStoreQuery, **kwargs: object) -> VectorStoreQueryResult:
        """Return the nodes nearest to a vector, made anew from what was written down."""
        # An index made of a store asks for no nodes in particular by an empty list.
        found = super().query(replace(query, node_ids=query.node_ids or None), **kwargs)
        found.nodes = [self.node(node_id) for node_id in found.ids]
        return found

    def node(self, node_id: str) -> BaseNode:
        """Return a node as it was written down."""
        text, row = self._rows[node_id]
        return metadata_dict_to_node(dict(row), text)
