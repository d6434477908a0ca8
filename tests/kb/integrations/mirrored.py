"""A knowledge base that changes, and what a vector store has to hold of it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from indexes.embedders.hash import HashEmbedder
from indexes.embedding import Embedder
from indexes.records import Document, Page, document_id_of
from indexes.store import Store
from ingest.prepared import prepare
from ingest.splitter import ChineseTextSplitter

EMBEDDER = HashEmbedder(64)
TEXTS: Mapping[str, str] = {
    "lighthouse": "东犬灯塔建于1872年，塔高19.5米。灯塔由英国工程师设计。\f每年约有三万名游客到此参观。至今仍在使用。",
    "theatre": "The Summer Theatre stood in Warsaw. It was in operation from 1870 to 1939. Momus was a cabaret.",
    "package": "用 apt-get update 命令更新软件包列表。要安装软件包，请运行 apt-get install。普通用户不能安装软件包。",
}


def id_of(title: str) -> str:
    """Return the id of the document with a title."""
    return document_id_of(f"file:///docs/{title}.txt")


def open_store(folder: Path, embedder: Embedder = EMBEDDER, keep_versions: int = 5) -> Store:
    """Open the knowledge base in a folder, made where it is missing."""
    splitter = ChineseTextSplitter(embedder.count_tokens, chunk_tokens=32, overlap_sentences=0)
    return Store.open(
        folder, create=True, embedding=embedder.identity, splitter=splitter.identity, keep_versions=keep_versions
    )


def publish(
    store: Store, documents: Mapping[str, str], removed: Sequence[str] = (), embedder: Embedder = EMBEDDER
) -> int:
    """Put documents by title, each form feed beginning a page, remove others, and publish."""
    splitter = ChineseTextSplitter(embedder.count_tokens, chunk_tokens=32, overlap_sentences=0)
    with store.writer() as writer:
        for title, text in documents.items():
            first, _, _ = text.partition("\f")
            pages = (Page(1, 0, len(first) + 1), Page(2, len(first) + 1, len(text))) if "\f" in text else ()
            content_hash = hashlib.sha256(text.encode()).hexdigest()
            uri = f"file:///docs/{title}.txt"
            document = Document(id_of(title), uri, title, text, content_hash, source=title, pages=pages)
            prepared = prepare(document, splitter, embedder.identity)
            vectors = embedder.embed_documents(prepared.texts)
            writer.put(document, prepared.chunks, prepared.keys, vectors, settings_hash="test")
        writer.remove([id_of(title) for title in removed])
        return writer.publish()


Contents = dict[str, tuple[str, str, int, list[float]]]


def shown_in(store: Store) -> Contents:
    """Return by chunk id the text, document, version that added it and vector, through the segments that are searched.

    The versions come from the store's list of documents.
    """
    snapshot = store.snapshot()
    added = {row.document_id: row.version_added for row in store.documents()}
    found: Contents = {}
    for segment in snapshot.segments:
        live = np.flatnonzero(segment.live)
        vectors = segment.vectors.vectors(live)
        for stored, vector in zip(snapshot.chunks(segment.row_ids[live]), vectors, strict=True):
            chunk = stored.chunk
            found[chunk.chunk_id] = (chunk.text, chunk.document_id, added[chunk.document_id], vector.tolist())
    assert len(found) == snapshot.chunk_count
    return found
