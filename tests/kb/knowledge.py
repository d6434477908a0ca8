"""A small real knowledge base for the tests of retrieval and answering."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from indexes.embedders.hash import HashEmbedder
from indexes.records import Document, Page, document_id_of
from indexes.search import Searcher
from indexes.store import Store
from ingest.prepared import prepare
from ingest.splitter import ChineseTextSplitter
from kb.retriever import Retriever

LIGHTHOUSE = (
    "东犬灯塔是台湾第一座用花岗石建造的洋式灯塔。它建于1872年，塔高19.5米。"
    "灯塔由英国工程师设计，至今仍在使用。每年约有三万名游客到此参观。"
)
THEATRE = (
    "The Summer Theatre stood in the Saxon Garden in Warsaw. It was in operation from 1870 to 1939. "
    "Momus, the first literary cabaret of the city, was active from 1908 to 1911."
)
PACKAGE = (
    "用 apt-get update 命令更新软件包列表。要安装软件包，请运行 apt-get install 加软件包的名称。"
    "普通用户不能直接安装软件包。"
)
DOCUMENTS: Mapping[str, str] = {"lighthouse": LIGHTHOUSE, "theatre": THEATRE, "package": PACKAGE}


@contextmanager
def knowledge_base(
    folder: Path, documents: Mapping[str, str], *, chunk_tokens: int = 256, top_k: int = 5
) -> Iterator[Retriever]:
    """Index documents by title, each form feed beginning a page, and give a retriever over them."""
    embedder = HashEmbedder()
    splitter = ChineseTextSplitter(embedder.count_tokens, chunk_tokens=chunk_tokens)
    store = Store.open(folder / "kb", create=True, embedding=embedder.identity, splitter=splitter.identity)
    with store.writer() as writer:
        for title, text in documents.items():
            uri = f"file:///docs/{title}.txt"
            document = Document(
                document_id_of(uri),
                uri,
                title,
                text,
                hashlib.sha256(text.encode()).hexdigest(),
                source=title,
                pages=tuple(_pages(text)),
            )
            prepared = prepare(document, splitter, embedder.identity)
            vectors = embedder.embed_documents(prepared.texts)
            writer.put(document, prepared.chunks, prepared.keys, vectors, settings_hash="test")
        writer.publish()
    try:
        yield Retriever(store, Searcher(embedder), top_k=top_k)
    finally:
        store.close()


def _pages(text: str) -> Iterator[Page]:
    start = 0
    for number, page in enumerate(text.split("\f"), start=1):
        yield Page(number, start, start + len(page) + 1)
        start += len(page) + 1
