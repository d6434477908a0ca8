"""The document road: sources are listed, read, split, embedded and put into the store, and a version is published."""

from __future__ import annotations

import hashlib
import json
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from indexes.embedding import Embedder
from indexes.errors import NotFoundError
from indexes.rows import KnownDocument
from indexes.store import Store
from ingest.plan import Plan, Removals, make_plan, planned
from ingest.prepared import Splitting, fingerprint
from ingest.progress import Progress, ProgressReporter
from ingest.report import FailedDocument, IngestReport, PlannedDocument, Tally
from ingest.run import Run
from ingest.stopping import check
from ingest.targets import Listing, Target, as_targets, listings, reader_root
from ingest.web.site_visits import SiteVisits

if TYPE_CHECKING:
    from ingest.workers import LoaderPool

# Raise it when the loaders read other text from the same bytes: documents are then read again.
READING_VERSION = 6


class Pipeline:
    """Brings documents into one knowledge base.

    `open_store` is called once for each ingest, after the targets are known to exist; the store stays its caller's.
    For a dry run it may raise NotFoundError: the knowledge base is then taken for empty. `open_pool` makes the child
    processes that read. `publish_seconds`: a long run publishes what it has this often.
    """

    def __init__(
        self,
        open_store: Callable[[], Store],
        embedder: Embedder,
        splitter: Splitting,
        open_pool: Callable[[], LoaderPool],
        *,
        keep_originals: bool = True,
        publish_seconds: float = 60.0,
    ) -> None:
        self._open_store = open_store
        self._embedder = embedder
        self._splitter = splitter
        self._open_pool = open_pool
        self._keep_originals = keep_originals
        self._publish_seconds = publish_seconds

    @property
    def settings_hash(self) -> str:
        """What documents are read, cut and embedded with; SHA-256, hexadecimal. Those of another one are stale."""
        parts = [READING_VERSION, asdict(self._splitter.identity), fingerprint(self._embedder.identity)]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    def ingest(
        self,
        targets: Sequence[str | Target],
        *,
        prune: bool = False,
        dry_run: bool = False,
        force: bool = False,
        on_progress: Callable[[Progress], None] | None = None,
        cancel: threading.Event | None = None,
        max_removed_share: float | None = None,
    ) -> IngestReport:
        """Read what is new or changed under the targets, and publish it as one version.

        `prune` removes documents under the targets whose source is gone. `force` reads and embeds everything named
        again. `dry_run` only says what would be done. A document that cannot be read keeps its earlier state and is
        reported as failed.

        Raise UsageError for a target that does not exist, before anything is done; LockedError where another writer
        is at work; RemovalLimitError, before anything is done, where more than `max_removed_share` (in [0, 1]) of the
        documents would go; IngestInterrupted after `cancel` is set: what was done is published then.
        """
        named = as_targets(targets)
        cancel = cancel or threading.Event()
        with SiteVisits(self._open_pool, cancel) as visits:
            return self._ingest(
                named, listings(named, visits), visits, Removals(prune, max_removed_share), dry_run, force,
                on_progress, cancel,
            )  # fmt: skip

    def _ingest(
        self,
        named: Sequence[Target],
        found: Sequence[Listing],
        visits: SiteVisits,
        removals: Removals,
        dry_run: bool,
        force: bool,
        on_progress: Callable[[Progress], None] | None,
        cancel: threading.Event,
    ) -> IngestReport:
        readers = [target for target in named if target.reader]
        tally = Tally()
        progress = ProgressReporter(on_progress, tally)

        def tick(uri: str) -> None:
            check(cancel)
            progress.show("walk", uri)

        if dry_run:
            return self._preview(found, readers, visits, tally, tick, removals, force)
        store = self._open_store()
        with store.writer() as writer:
            if force:
                writer.change_identity(self._embedder.identity, self._splitter.identity)
            with tally.stage("walk"):
                known = writer.known()
                visits.remember(known, lambda one: self._is_current(one, force), writer.original)
                plan = make_plan(found, known, self.settings_hash, prune=removals.prune, force=force, tick=tick)
                removals.check(plan)
            _count(plan, tally)
            progress.total = plan.total
            run = Run(
                store,
                writer,
                known,
                self._embedder,
                self._splitter,
                self.settings_hash,
                cancel,
                tally,
                progress,
                force=force,
                keep_originals=self._keep_originals,
                publish_seconds=self._publish_seconds,
            )
            return run.carry_out(plan, visits.open_pool, readers, removals)

    def _is_current(self, known: KnownDocument, force: bool) -> bool:
        return not force and known.status == "ready" and known.settings_hash == self.settings_hash

    def _preview(
        self,
        found: Sequence[Listing],
        readers: Sequence[Target],
        visits: SiteVisits,
        tally: Tally,
        tick: Callable[[str], None],
        removals: Removals,
        force: bool,
    ) -> IngestReport:
        try:
            store = self._open_store()
        except NotFoundError:
            known, version = {}, 0
        else:
            known, version = store.known(), store.current_version()
            visits.remember(known, lambda one: self._is_current(one, force), store.original)
        with tally.stage("walk"):
            plan = make_plan(found, known, self.settings_hash, prune=removals.prune, force=force, tick=tick)
            removals.check(plan)
            actions = planned(plan, known, self.settings_hash, force)
        _count(plan, tally)
        for problem in plan.problems:
            tally.fail(problem.uri, problem.reason, problem.detail)
        counts = Counter(one.action for one in actions)
        tally.added, tally.changed, tally.removed = counts["add"], counts["change"], counts["remove"]
        tally.unchanged = plan.unchanged + len(plan.read) - sum(counts[action] for action in ("add", "change", "check"))
        unread = [PlannedDocument(reader_root(target), "check") for target in readers]
        return tally.report(version, dry_run=True, planned=(*actions, *unread))


def _count(plan: Plan, tally: Tally) -> None:
    """Count what needs no work, and note the order in which failures are to be reported."""
    tally.unchanged = plan.unchanged
    tally.order = plan.order
    tally.skipped = [FailedDocument(one.uri, one.reason, one.detail) for one in plan.skipped]
