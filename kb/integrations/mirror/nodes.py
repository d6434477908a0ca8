"""A passage as a LlamaIndex node that a vector store can keep. Needs the `llama-index` extra."""

from __future__ import annotations

import uuid

from llama_index.core.schema import NodeRelationship, RelatedNodeInfo, TextNode

from indexes.rows import ShownDocument, StoredPassage
from kb.integrations.metadata import SHOWN

NODE_FORMAT = 1
"""Raised whenever nodes are made otherwise: what is in a store is then made anew."""


def mark_of(document: ShownDocument) -> str:
    """Return what the nodes of a document depend on beside the embedding; other nodes, another mark."""
    return f"{NODE_FORMAT}:{document.version_added}:{document.digest}"


def node_id_of(knowledge_base: str, chunk_id: str) -> str:
    """Return the id of a passage's node: a UUID (some stores take nothing else), the same whenever it is made."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"qwen-kb:{knowledge_base}/{chunk_id}"))


def node_of(passage: StoredPassage, document: ShownDocument, knowledge_base: str) -> TextNode:
    """Return the node of a passage, with its vector; its source is the document, by which a store deletes it.

    `metadata` is flat and without None, which not every store takes: a passage without a page has no `page`.
    """
    stored, chunk = passage.stored, passage.stored.chunk
    metadata: dict[str, str | int] = {
        "document_id": chunk.document_id,
        "chunk_id": chunk.chunk_id,
        "uri": stored.uri,
        "title": stored.title,
        "heading": chunk.heading,
        "start": chunk.start,
        "end": chunk.end,
        "knowledge_base": knowledge_base,
        "version_added": document.version_added,
    }
    if chunk.page is not None:
        metadata["page"] = chunk.page
    hidden = [name for name in metadata if name not in SHOWN]
    return TextNode(
        id_=node_id_of(knowledge_base, chunk.chunk_id),
        text=chunk.text,
        embedding=passage.vector.tolist(),
        metadata=metadata,
        start_char_idx=chunk.start,
        end_char_idx=chunk.end,
        excluded_llm_metadata_keys=hidden,
        excluded_embed_metadata_keys=hidden,
        relationships={NodeRelationship.SOURCE: RelatedNodeInfo(node_id=chunk.document_id)},
    )
