"""The knowledge base that a question set is asked of: one thrown away, a named one, or a copy with documents left out.

Which questions can be answered follows from what is in it: those whose document is there and that have an answer.
"""

from __future__ import annotations

import hashlib
import random
import shutil
import tempfile
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from indexes.embedding import Embedder
from indexes.errors import UsageError
from indexes.records import Document, document_id_of
from indexes.search import Searcher
from indexes.storage.database import DATABASE_NAME
from indexes.store import DocumentRow, Store
from indexes.upkeep.backup import copy_database
from ingest.batches import BatchEmbedder
from ingest.prepared import Prepared, Splitting, is_full, prepare
from kb.confidence.kept import CONFIDENCE_NAME
from kb.evaluation.data import Asked, Dataset, Source
from kb.wiring import Application

THROW_AWAY = "evaluation"
# The draw of what is left out: the same for a question set whatever else changes.
_SEED = 7
# A paragraph is looked for by its beginning, in so many characters, among so many hits.
_BEGINNING, _CANDIDATES = 600, 10


@dataclass(frozen=True, slots=True)
class Posed:
    """A question as it stands to a knowledge base. Without `documents` any hit that holds an answer is a right one."""

    asked: Asked
    documents: frozenset[str]
    answerable: bool


@dataclass(frozen=True, slots=True)
class Base:
    """A knowledge base to ask. `missing` counts the sources of the question set that are not in it."""

    application: Application
    name: str
    posed: tuple[Posed, ...]
    missing: int


@contextmanager
def evaluation_base(application: Application, dataset: Dataset, kb: str | None, holdout: float) -> Iterator[Base]:
    """Yield what to ask: the knowledge base `kb`, or one of the sources of the question set that is removed at the end.

    The share `holdout` of the sources is left out: of a named knowledge base a copy is asked then, and nothing is
    embedded again. Raise UsageError where a named one holds none of the sources.
    """
    if kb is not None and not holdout:
        store = application.store(kb)
        yield _posed(application, application.name(kb), dataset, _find(application, store, kb, dataset), ())
        return
    with tempfile.TemporaryDirectory(prefix="kb-eval-", ignore_cleanup_errors=True) as folder:
        inner = Application(replace(application.settings, home=Path(folder)))
        try:
            left_out = _draw(len(dataset.sources), holdout)
            if kb is None:
                name, found = THROW_AWAY, _build(inner, dataset, left_out)
            else:
                name, found = application.name(kb), _copy(application, inner, kb, dataset, left_out)
            yield _posed(inner, name, dataset, found, left_out)
        finally:
            inner.close()


def fill(store: Store, documents: Iterable[Document], embedder: Embedder, splitter: Splitting) -> None:
    """Bring documents into a store and publish them."""
    embedding = BatchEmbedder(embedder, threading.Event())
    batch: list[Prepared] = []
    with store.writer() as writer:

        def flush() -> None:
            vectors = embedding.vectors(batch, None)
            with writer.batch():
                for one, found in zip(batch, vectors, strict=True):
                    writer.put(one.document, one.chunks, one.keys, found, settings_hash="evaluation")
            batch.clear()

        for document in documents:
            batch.append(prepare(document, splitter, embedder.identity))
            if is_full(batch):
                flush()
        if batch:
            flush()
        writer.publish()


def paragraph_document(number: int, text: str) -> Document:
    """Return the document that a paragraph of a question set is."""
    uri = f"file:///docs/p{number}.txt"
    return Document(document_id_of(uri), uri, f"p{number}", text, hashlib.sha256(text.encode()).hexdigest())


def _draw(count: int, holdout: float) -> frozenset[int]:
    draw = random.Random(_SEED)  # noqa: S311 - a draw that can be repeated, not a secret
    return frozenset(number for number in range(count) if draw.random() < holdout)


def _build(inner: Application, dataset: Dataset, left_out: frozenset[int]) -> list[frozenset[str]]:
    """Fill a knowledge base with the sources that are not left out, and return the documents of all sources."""
    _refuse_unknown(dataset)
    with_text, files = [], []
    for number, source in enumerate(dataset.sources):
        if number in left_out:
            continue
        if source.text is not None:
            with_text.append(paragraph_document(number, source.text))
        elif source.path is not None:
            files.append(str(source.path))
    if files:
        report = inner.pipeline(THROW_AWAY).ingest(files)
        if report.failed:
            raise UsageError(f"{report.failed[0].uri} cannot be read ({report.failed[0].detail})")
    embedder, splitter = inner.embedder(), inner.splitter()
    store = Store.open(inner.folder(THROW_AWAY), create=True, embedding=embedder.identity, splitter=splitter.identity)
    try:
        fill(store, with_text, embedder, splitter)
    finally:
        store.close()
    return [frozenset({_document_id(number, source)}) for number, source in enumerate(dataset.sources)]


def _document_id(number: int, source: Source) -> str:
    from ingest.uris import file_uri

    if source.path is not None:
        return document_id_of(file_uri(source.path.absolute()))
    return document_id_of(f"file:///docs/p{number}.txt")


def _refuse_unknown(dataset: Dataset) -> None:
    for asked in dataset.questions:
        source = None if asked.source is None else dataset.sources[asked.source]
        if source is None and asked.answers:
            raise UsageError(
                f"{dataset.name}, {asked.place}: a question without `document` or `context` can only be asked of a "
                "knowledge base: name it with --kb"
            )
        if source is not None and source.text is None and source.path is None:
            raise UsageError(
                f"{dataset.name}, {asked.place}: {source.name!r} is no file beside the question set; give its text as "
                "`context`, or name the knowledge base that holds it with --kb"
            )


def _copy(
    application: Application, inner: Application, kb: str, dataset: Dataset, left_out: frozenset[int]
) -> list[frozenset[str]]:
    """Copy a knowledge base, take the sources that are left out from it, and return the documents of all sources."""
    original = application.store(kb)
    folder = inner.folder(kb)
    folder.mkdir(parents=True)
    copy_database(original.path / DATABASE_NAME, folder / DATABASE_NAME)
    if (original.path / CONFIDENCE_NAME).is_file():
        shutil.copyfile(original.path / CONFIDENCE_NAME, folder / CONFIDENCE_NAME)
    store = inner.store(kb)
    # The copy has no segments: they are built from the database.
    store.repair()
    found = _find(inner, store, kb, dataset)
    removed = {document for number in left_out for document in found[number]}
    kept = {document for number in set(range(len(found))) - left_out for document in found[number]}
    with store.writer() as writer:
        writer.remove(sorted(removed - kept))
        writer.publish()
    return found


def _posed(
    application: Application,
    name: str,
    dataset: Dataset,
    found: Sequence[frozenset[str]],
    left_out: Iterable[int],
) -> Base:
    gone = set(left_out)
    posed = []
    for asked in dataset.questions:
        documents = frozenset() if asked.source is None else found[asked.source]
        there = asked.source is None or (bool(documents) and asked.source not in gone)
        posed.append(Posed(asked, documents, bool(asked.answers) and there))
    return Base(application, name, tuple(posed), sum(not documents for documents in found))


def _find(application: Application, store: Store, kb: str, dataset: Dataset) -> list[frozenset[str]]:
    """Return for each source the documents of a knowledge base that it is: by name, else by its text."""
    names: dict[str, set[str]] = {}
    for row in _rows(store):
        parts = row.uri.split("/")
        for name in {row.document_id, row.uri, row.title, *("/".join(parts[at:]) for at in range(3, len(parts)))}:
            names.setdefault(name, set()).add(row.document_id)
    finder = _TextFinder(application, store, kb)
    found = []
    for source in dataset.sources:
        named = names.get(source.name, set()) if source.name else set()
        found.append(frozenset(named or (finder.find(source.text) if source.text else set())))
    if dataset.sources and not any(found):
        raise UsageError(f"the knowledge base '{kb}' holds none of the documents that {dataset.name} asks about")
    return found


def _rows(store: Store) -> Iterator[DocumentRow]:
    after = None
    while rows := store.documents("ready", after, 1000):
        yield from rows
        after = rows[-1].document_id


class _TextFinder:
    """Finds the documents that hold a paragraph, white space aside."""

    def __init__(self, application: Application, store: Store, kb: str) -> None:
        application.retriever_with(kb, None)  # refuses another embedder than the configured one
        self._searcher = Searcher(application.embedder())
        self._snapshot = store.snapshot()

    def find(self, paragraph: str) -> set[str]:
        wanted = "".join(paragraph.split())
        result = self._searcher.search(self._snapshot, paragraph[:_BEGINNING], _CANDIDATES)
        documents = dict.fromkeys(hit.document_id for hit in result.hits)
        return {one for one in documents if wanted in "".join(self._snapshot.document_text(one).split())}
