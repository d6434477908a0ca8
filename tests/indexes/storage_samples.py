"""Documents for the tests of the store: real texts and spans, and vectors made from a hash of each passage.

The vectors stand in for an embedder's: unit length, equal for equal passages, different otherwise.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from indexes.records import Chunk, Document, EmbeddingIdentity, SplitterIdentity, chunk_id_of, document_id_of
from indexes.store import Snapshot, Store, Writer

EMBEDDING = EmbeddingIdentity("sample", "hash-of-passage", "1", 16, "none", "", 512)
OTHER_EMBEDDING = EmbeddingIdentity("sample", "another", "1", 8, "none", "", 512)
SPLITTER = SplitterIdentity("sample", 1, 256, 1)
PASSAGE = 20


def uri_of(name: str) -> str:
    return f"file:///文档/{name}.txt"


def id_of(name: str) -> str:
    return document_id_of(uri_of(name))


def text_of(name: str, tag: str) -> str:
    return f"文件{name}记载了标记{tag}的事项。" * 4


def vector_of(passage: str, embedding: EmbeddingIdentity = EMBEDDING) -> NDArray[np.float32]:
    seed = int.from_bytes(hashlib.sha256(passage.encode()).digest()[:8], "big")
    vector = np.random.default_rng(seed).normal(size=embedding.dimension)
    return (vector / np.linalg.norm(vector)).astype(np.float32)


def chunks_of(document: Document) -> list[Chunk]:
    text = document.text
    return [
        Chunk(
            chunk_id_of(document.document_id, ordinal),
            document.document_id,
            ordinal,
            start,
            min(start + PASSAGE, len(text)),
            text[start : start + PASSAGE],
            document.page_at(start),
        )
        for ordinal, start in enumerate(range(0, len(text), PASSAGE))
    ]


def document_of(name: str, text: str, metadata: Mapping[str, str] | None = None, source: str = "") -> Document:
    content = text.encode()
    return Document(
        document_id=id_of(name),
        uri=uri_of(name),
        title=f"题{name}",
        text=text,
        content_hash=hashlib.sha256(content).hexdigest(),
        source=source,
        metadata=dict(metadata or {}),
    )


def put(
    writer: Writer,
    name: str,
    text: str,
    metadata: Mapping[str, str] | None = None,
    source: str = "",
    embedding: EmbeddingIdentity = EMBEDDING,
) -> None:
    document = document_of(name, text, metadata, source)
    chunks = chunks_of(document)
    vectors = [vector_of(chunk.text, embedding) for chunk in chunks]
    writer.put(
        document,
        chunks,
        [hashlib.sha256(chunk.text.encode()).hexdigest() for chunk in chunks],
        np.array(vectors, np.float32).reshape(len(chunks), embedding.dimension),
        settings_hash="settings",
        size=len(text.encode()),
        mtime_ns=1,
        original=text.encode(),
    )


def make_store(path: Path, keep_versions: int = 5) -> Store:
    return Store.open(path, create=True, embedding=EMBEDDING, splitter=SPLITTER, keep_versions=keep_versions)


def fill(store: Store, count: int, tag: str = "初始") -> int:
    with store.writer() as writer:
        with writer.batch():
            for number in range(count):
                put(writer, str(number), text_of(str(number), tag))
        return writer.publish()


def shown(snapshot: Snapshot) -> dict[str, str]:
    """Return what a reader finds, text by URI, through the segments' rows and not through the list of documents."""
    texts: dict[str, dict[int, str]] = {}
    rows = [row for segment in snapshot.segments for row in segment.row_ids[segment.live]]
    for stored in snapshot.chunks(rows):
        spans = texts.setdefault(stored.uri, {})
        assert stored.chunk.start not in spans, "a passage is shown twice"
        spans[stored.chunk.start] = stored.chunk.text
    assert len(rows) == snapshot.chunk_count
    assert len(texts) == snapshot.document_count
    return {uri: "".join(text for _, text in sorted(spans.items())) for uri, spans in texts.items()}
