"""Carrying out the plan of one ingest: read, split, embed, store, remove, publish."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from indexes.embedding import Embedder, Vectors
from indexes.errors import DamagedError, DocumentError
from indexes.records import document_id_of
from indexes.rows import KnownDocument
from indexes.storage.page_marks import PageMarks
from indexes.storage.writer import Writer
from indexes.store import Store
from ingest.batches import BatchEmbedder
from ingest.before import Before
from ingest.feed import Feed
from ingest.plan import Plan, Removals, proven_time
from ingest.prepared import Prepared, Splitting, document_of, is_full, prepare
from ingest.progress import ProgressReporter
from ingest.publishing import Publishing
from ingest.readers import read_with
from ingest.records import LoadOutcome, SourceItem
from ingest.report import IngestReport, Tally
from ingest.stopping import IngestInterrupted, check
from ingest.targets import Target, reader_root

if TYPE_CHECKING:
    from ingest.workers import LoaderPool

# A batch that is not full is stored after this many seconds: what is done is not kept waiting for a slow document.
_BATCH_SECONDS = 2.0
# New times of unchanged files that are recorded together.
_MANY = 512
# Documents that were embedded anew from their stored text carry this in place of the settings they were read with,
# so that they are read when their source is named again.
_FROM_STORED_TEXT = "stored text"


class Run:
    """One ingest: what it works with, and how far it is."""

    def __init__(
        self,
        store: Store,
        writer: Writer,
        known: Mapping[str, KnownDocument],
        embedder: Embedder,
        splitter: Splitting,
        settings_hash: str,
        cancel: threading.Event,
        tally: Tally,
        progress: ProgressReporter,
        *,
        force: bool,
        keep_originals: bool,
        publish_seconds: float,
    ) -> None:
        self._store = store
        self._writer = writer
        self._before = Before(known, writer, settings_hash, force)
        self._batches = BatchEmbedder(embedder, cancel)
        self._identity = embedder.identity
        self._splitter = splitter
        self._settings_hash = settings_hash
        self._cancel = cancel
        self._tally = tally
        self._progress = progress
        self._force = force
        self._keep_originals = keep_originals
        self._publishing = Publishing(store, writer, tally, publish_seconds)
        self._touched: list[tuple[SourceItem, PageMarks | None]] = []
        self._begun_ns = time.time_ns()

    def carry_out(
        self, plan: Plan, open_pool: Callable[[], LoaderPool], readers: Sequence[Target], removals: Removals
    ) -> IngestReport:
        """Do what the plan says and publish it; what was done before an interruption is published too."""
        try:
            for problem in plan.problems:
                self._fail(problem.uri, DocumentError(problem.reason, problem.detail))
            if plan.read:
                items = [self._before.with_marks(item) for item in plan.read]
                with Feed(open_pool(), items, self._before.unchanged_hashes(plan.read), self._cancel) as feed:
                    self._take(feed, plan.gone if removals.prune else None)
            for target in readers:
                self._take_from_reader(target, plan, removals)
            removals.check(plan)
            self._remove(plan)
            self._renew_stale()
        except KeyboardInterrupt as interrupt:
            report = self._tally.report(self._publishing.what_is_done())
            raise IngestInterrupted("interrupted; the next run goes on from there", report) from interrupt
        self._progress.show("publish")
        version = self._publishing.publish()
        if self._store.snapshot().version != version:
            # Where nothing changed nothing was written anew, and damage would go unseen until somebody asks.
            raise DamagedError(f"version {version} is damaged: `kb verify --repair` rebuilds it from the database")
        report = self._tally.report(version)
        self._progress.show("done")
        return report

    def _take(self, outcomes: Iterable[LoadOutcome], gone: list[KnownDocument] | None = None) -> None:
        """Bring in what was read, in batches across documents.

        Where `gone` is given, known pages that their server has no more are added to it, and do not fail.
        """
        batch: list[Prepared] = []
        begun = time.monotonic()
        for outcome in self._tally.timed("load", outcomes):
            check(self._cancel)
            if (vanished := self._vanished(outcome)) is not None and gone is not None:
                gone.append(vanished)
                continue
            prepared = self._prepare(outcome)
            if prepared is not None:
                batch.append(prepared)
            if is_full(batch) or len(self._touched) >= _MANY or time.monotonic() - begun > _BATCH_SECONDS:
                self._put(batch)
                batch, begun = [], time.monotonic()
            self._progress.show("read", outcome.item.uri)
        self._put(batch)

    def _take_from_reader(self, target: Target, plan: Plan, removals: Removals) -> None:
        """Bring in what a reader yields. Where it fails, what it yielded earlier stays."""
        seen: set[str] = set()

        def noted() -> Iterator[LoadOutcome]:
            for outcome in read_with(target, cancel=self._cancel):
                seen.add(document_id_of(outcome.item.uri))
                yield outcome

        try:
            self._take(noted())
        except DocumentError as error:
            self._fail(reader_root(target), error)
            return
        plan.find_gone(self._before.known, seen, [reader_root(target)], removals.prune)

    def _prepare(self, outcome: LoadOutcome) -> Prepared | None:
        """Split what was read; None where that failed, or where it turned out to be the same as before."""
        item, before = outcome.item, self._before.current(outcome.item.uri)
        mtime_ns = proven_time(item, self._begun_ns)
        if before is not None and before.content_hash == outcome.content_hash:
            self._touched.append((replace(item, mtime_ns=mtime_ns), self._before.new_marks(item, before)))
            self._tally.unchanged += 1
            return None
        try:
            if outcome.loaded is None:
                raise outcome.error or DocumentError("crashed", "the reading process gave neither text nor a reason")
            begun = time.monotonic()
            with self._tally.stage("split"):
                prepared = prepare(
                    document_of(item, outcome.loaded, outcome.content_hash), self._splitter, self._identity
                )
        except DocumentError as error:
            if self._vanished(outcome) is not None:
                error = DocumentError(error.reason, f"{error.detail}; its text of last time stays, --prune removes it")
            self._fail(item.uri, error, outcome)
            return None
        return replace(
            prepared,
            settings_hash=self._settings_hash,
            original=outcome.original if self._keep_originals else None,
            size=item.size,
            mtime_ns=mtime_ns,
            timings={"load": outcome.seconds, "split": time.monotonic() - begun},
        )

    def _vanished(self, outcome: LoadOutcome) -> KnownDocument | None:
        """Return the document of a page that is in, and that its server says there is none of any more."""
        item, error = outcome.item, outcome.error
        fetched_now = item.kind == "web" and item.page is None
        if not fetched_now or error is None or error.reason != "vanished" or not self._before.has_text(item.uri):
            return None
        return self._before.known[item.uri]

    def _put(self, batch: Sequence[Prepared]) -> None:
        """Embed what has no vector yet, and put each document in a transaction of its own."""
        if not batch and not self._touched:
            return
        with self._tally.stage("embed"):
            vectors = self._batches.vectors(batch, None if self._force else self._writer.vectors_for)
            self._tally.embedded = self._batches.embedded
        originals = [one.original for one in batch if one.original is not None]
        with self._tally.stage("store"), self._writer.batch(originals):
            for item, marks in self._touched:
                self._writer.touch(item.uri, item.size, item.mtime_ns, marks)
            for one, of_one in zip(batch, vectors, strict=True):
                check(self._cancel)
                try:
                    self._put_one(one, of_one)
                except DocumentError as error:
                    self._fail(one.document.uri, error)
        self._touched.clear()
        self._publishing.if_due()

    def _put_one(self, one: Prepared, vectors: Vectors) -> None:
        is_new = not self._before.has_text(one.document.uri)
        self._writer.put(
            one.document,
            one.chunks,
            one.keys,
            vectors,
            settings_hash=one.settings_hash,
            size=one.size,
            mtime_ns=one.mtime_ns,
            original=one.original,
            timings=one.timings,
        )
        self._tally.chunks += len(one.chunks)
        self._tally.added += is_new
        self._tally.changed += not is_new

    def _remove(self, plan: Plan) -> None:
        """Remove what is gone; what only ever failed is no document, and is forgotten without being counted."""
        check(self._cancel)
        documents = [one for one in plan.gone if self._before.has_text(one.uri)]
        failures = [one for one in (*plan.gone, *plan.lapsed) if not self._before.has_text(one.uri)]
        if documents or failures:
            with self._tally.stage("store"):
                self._writer.remove([one.document_id for one in (*documents, *failures)])
        self._tally.removed = len(documents)

    def _renew_stale(self) -> None:
        """Embed the stored text of documents that still have the vectors of the embedder before.

        No version mixes embedders, so these are needed for any: documents that this call did not name, and those
        whose source cannot be read any more.
        """
        stale = self._writer.stale()
        self._progress.total += len(stale)
        while stale:
            check(self._cancel)
            batch: list[Prepared] = []
            while stale and not is_full(batch):
                batch.append(self._renewed(stale.pop()))
            self._put(batch)
            self._progress.show("read", batch[-1].document.uri)

    def _renewed(self, document_id: str) -> Prepared:
        document = self._writer.stored(document_id).document
        with self._tally.stage("split"):
            prepared = prepare(document, self._splitter, self._identity)
        return replace(prepared, settings_hash=_FROM_STORED_TEXT, original=self._writer.original(document_id))

    def _fail(self, uri: str, error: DocumentError, outcome: LoadOutcome | None = None) -> None:
        """Record that a source could not be read; an earlier state of the document stays."""
        with self._tally.stage("store"):
            if outcome is None:
                self._writer.fail(uri, error.reason, error.detail)
            else:
                self._writer.fail(
                    uri,
                    error.reason,
                    error.detail,
                    content_hash=outcome.content_hash,
                    settings_hash=self._settings_hash,
                    size=outcome.item.size,
                    mtime_ns=outcome.item.mtime_ns,
                )
        self._tally.fail(uri, error.reason, error.detail)
