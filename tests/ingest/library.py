"""A folder of documents with a knowledge base beside it, made of the real parts, for the tests of ingesting."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

from indexes.embedding import Embedder
from indexes.records import document_id_of
from indexes.rows import StoredDocument
from indexes.store import Store
from ingest.pipeline import Pipeline
from ingest.progress import Progress
from ingest.report import IngestReport
from ingest.sources import file_uri
from ingest.splitter import ChineseTextSplitter
from ingest.workers import LoaderPool
from tests.fakes.counting import CountingEmbedder


class Library:
    """`docs` is the folder of sources, `home` the knowledge base, which does not exist before the first ingest."""

    def __init__(
        self,
        folder: Path,
        embedder: CountingEmbedder | None = None,
        *,
        chunk_tokens: int = 64,
        publish_seconds: float = 60.0,
        workers: int = 1,
    ) -> None:
        self.docs = folder / "docs"
        self.docs.mkdir(parents=True, exist_ok=True)
        self.home = folder / "kb"
        self.embedder = embedder or CountingEmbedder()
        self.splitter = splitter_for(self.embedder, chunk_tokens)
        self.workers = workers
        self.publish_seconds = publish_seconds

    def write(self, name: str, text: str | bytes, age: float = 100.0) -> Path:
        """Write a file that was last changed `age` seconds ago."""
        path = self.docs / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        changed = time.time_ns() - int(age * 1e9)
        os.utime(path, ns=(changed, changed))
        return path

    def open_store(self, create: bool = False, force: bool = False) -> Store:
        return Store.open(
            self.home,
            create=create,
            embedding=None if force else self.embedder.identity,
            splitter=self.splitter.identity,
        )

    def ingest(
        self,
        *targets: str | Path,
        prune: bool = False,
        dry_run: bool = False,
        force: bool = False,
        on_progress: Callable[[Progress], None] | None = None,
        cancel: threading.Event | None = None,
        max_removed_share: float | None = None,
    ) -> IngestReport:
        """Ingest the targets, or the whole folder, with new processes and a store of its own."""
        stores: list[Store] = []

        def open_store() -> Store:
            stores.append(self.open_store(create=not dry_run, force=force))
            return stores[-1]

        try:
            return self.pipeline(open_store).ingest(
                [str(target) for target in targets or (self.docs,)],
                prune=prune,
                dry_run=dry_run,
                force=force,
                on_progress=on_progress,
                cancel=cancel,
                max_removed_share=max_removed_share,
            )
        finally:
            for store in stores:
                store.close()

    def pipeline(self, open_store: Callable[[], Store]) -> Pipeline:
        return Pipeline(
            open_store,
            self.embedder,
            self.splitter,
            lambda: LoaderPool(self.workers),
            publish_seconds=self.publish_seconds,
        )

    def documents(self) -> dict[str, StoredDocument]:
        """Return everything that the newest version shows, by URI; each chunk is checked against its text."""
        store = self.open_store()
        try:
            found = [store.document(row.document_id) for row in store.documents(limit=10_000)]
        finally:
            store.close()
        for stored in found:
            for chunk in stored.chunks:
                assert stored.document.text[chunk.start : chunk.end] == chunk.text
        return {stored.document.uri: stored for stored in found}

    def document(self, path: Path) -> StoredDocument:
        """Return the stored state of a file."""
        store = self.open_store()
        try:
            return store.document(document_id_of(file_uri(path)))
        finally:
            store.close()

    def texts(self) -> dict[str, str]:
        """Return the stored text of each document by the path of its file below `docs`."""
        start = file_uri(self.docs) + "/"
        return {uri.removeprefix(start): stored.document.text for uri, stored in self.documents().items()}


def splitter_for(embedder: Embedder, chunk_tokens: int = 64) -> ChineseTextSplitter:
    """Return a splitter that makes several chunks of a few sentences."""
    return ChineseTextSplitter(embedder.count_tokens, chunk_tokens=chunk_tokens, overlap_sentences=0)


def sentences(topic: str, count: int) -> str:
    """Return a text whose sentences all differ, about three to a chunk of 64 tokens."""
    return "".join(f"关于{topic}的第{number}条规定写明了办理的期限和负责的部门。" for number in range(count))
