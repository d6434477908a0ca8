"""What an ingest has to do: which documents are new, changed, unchanged or gone. Nothing is parsed or written here."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Collection, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from indexes.errors import DocumentError, KBError, UsageError
from indexes.records import document_id_of
from indexes.rows import KnownDocument
from ingest.reading import read_file
from ingest.records import Problem, SourceItem
from ingest.report import PlannedDocument
from ingest.sources import KNOWLEDGE_BASE, is_under
from ingest.targets import Listing

if TYPE_CHECKING:
    from ingest.web.site_visits import SiteVisit

# A file that changed this shortly before it was listed may change again within the same tick of its file system's
# clock, and keep its size: its time is then no proof that it is the same. Time stamps of whole seconds tell of a
# coarse clock (FAT: two seconds); others tick every 10 ms or faster. In nanoseconds.
_FINE_TICK = 50_000_000
_COARSE_TICK = 2_500_000_000
_SECOND = 1_000_000_000
# Recorded for a file whose time proves nothing; no file has it.
UNPROVEN = -1


class RemovalLimitError(KBError):
    """The run would remove more documents than it may, and removed none. `removed` of `total` are gone."""

    http_status: ClassVar[int] = 409
    code: ClassVar[str] = "removal_limit"

    def __init__(self, removed: int, total: int, limit: float) -> None:
        super().__init__(
            f"stopped: {removed} of {total} documents are gone from their sources, more than {limit:.0%}; "
            "nothing was removed. If the folder is complete, run `kb ingest` on it with --prune"
        )
        self.removed = removed
        self.total = total


@dataclass(slots=True)
class Plan:
    """What to do. `read` is in the order of listing; `gone` is filled only where the caller asked for pruning.

    `lapsed` is what failed before and is gone now: where there never was a text, the failure is forgotten. `order`
    tells where in the listing stood what is read and what cannot be, by URI.
    """

    read: list[SourceItem] = field(default_factory=list)
    unchanged: int = 0
    gone: list[KnownDocument] = field(default_factory=list)
    lapsed: list[KnownDocument] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    skipped: list[Problem] = field(default_factory=list)
    known_under_roots: int = 0
    order: dict[str, int] = field(default_factory=dict)

    def find_gone(
        self,
        known: Mapping[str, KnownDocument],
        seen: Container[str],
        roots: Collection[str],
        prune: bool,
        visits: Sequence[SiteVisit] = (),
    ) -> None:
        """Find the known documents whose id is not in `seen`, and that no problem hides.

        They are under the roots, or what `visits`, as far as they saw everything, did not meet again.
        """
        # What was uploaded lies in the folder of its knowledge base, which a listing passes over.
        unlisted = [one.uri for one in self.problems]
        unlisted += [one.uri for one in self.skipped if one.reason == KNOWLEDGE_BASE]
        for document in known.values():
            visited = any(visit.complete and visit.covers(document) for visit in visits)
            if not visited and not any(is_under(document.uri, root) for root in roots):
                continue
            self.known_under_roots += 1
            if document.document_id in seen or any(is_under(document.uri, uri) for uri in unlisted):
                continue
            if prune:
                self.gone.append(document)
            elif document.status == "failed":
                self.lapsed.append(document)

    @property
    def total(self) -> int:
        """The number of documents that were found, readable or not."""
        return self.unchanged + len(self.read) + len(self.problems)


def make_plan(
    listings: Iterable[Listing],
    known: Mapping[str, KnownDocument],
    settings_hash: str,
    *,
    prune: bool = False,
    force: bool = False,
    tick: Callable[[str], None] = lambda uri: None,
) -> Plan:
    """Compare what is listed with what is known (by URI) and return what is left to do.

    A file is unchanged where its size, its time and the settings that it was read with are those recorded; with
    `force` nothing is. `tick` is called for each thing listed, and may raise to stop. Things listed twice count once.
    Raise UsageError where a folder named as a target cannot be listed: what it holds is unknown, not gone.
    """
    plan = Plan()
    seen: set[str] = set()
    roots: set[str] = set()
    visits: list[SiteVisit] = []
    for listing in listings:
        if listing.visit is None:
            roots.add(listing.root)
        else:
            visits.append(listing.visit)
        for found in listing.found:
            tick(found.uri)
            if isinstance(found, Problem):
                _note(found, plan)
                plan.order.setdefault(found.uri, len(plan.order))
                continue
            document_id = document_id_of(found.uri)
            if document_id in seen:
                continue
            seen.add(document_id)
            before = known.get(found.uri)
            if not force and before is not None and is_same(found, before, settings_hash):
                plan.unchanged += 1
            else:
                plan.read.append(found)
                plan.order.setdefault(found.uri, len(plan.order))
    plan.find_gone(known, seen, roots, prune, visits)
    return plan


def is_same(item: SourceItem, known: KnownDocument, settings_hash: str) -> bool:
    """Return whether a file is, by its size and time, the one that was read before with the same settings."""
    return (
        item.kind == "file"
        and known.status == "ready"
        and item.size == known.size
        and item.mtime_ns == known.mtime_ns
        and known.settings_hash == settings_hash
    )


def proven_time(item: SourceItem, begun_ns: int) -> int:
    """Return the time of a file as it may be recorded: UNPROVEN where it changed only just before the run began.

    `begun_ns` is nanoseconds since the epoch, and not later than the reading of the file.
    """
    tick = _COARSE_TICK if item.mtime_ns % _SECOND == 0 else _FINE_TICK
    return item.mtime_ns if begun_ns - item.mtime_ns > tick else UNPROVEN


@dataclass(frozen=True, slots=True)
class Removals:
    """Whether documents whose source is gone are removed, and up to what share in [0, 1] (None: any)."""

    prune: bool = False
    limit: float | None = None

    def check(self, plan: Plan) -> None:
        """Raise RemovalLimitError where more than the share of the known documents under the roots would be lost.

        A document that is still there under another name is not lost; files are read for this only when it matters.
        """
        if self.limit is None or len(plan.gone) <= self.limit * plan.known_under_roots:
            return
        lost = len(plan.gone) - _moved(plan.gone, plan.read)
        if lost > self.limit * plan.known_under_roots:
            raise RemovalLimitError(lost, plan.known_under_roots, self.limit)


def _note(problem: Problem, plan: Plan) -> None:
    if problem.kind == "skipped":
        plan.skipped.append(problem)
        return
    if problem.uri == problem.root and problem.reason in ("unreadable", "vanished"):
        raise UsageError(f"cannot list {problem.root}: {problem.detail}")
    plan.problems.append(problem)


def _moved(gone: Sequence[KnownDocument], items: Sequence[SourceItem]) -> int:
    """Return how many documents that are gone are still there, under another name: found by reading the files."""
    lost = Counter(document.content_hash for document in gone)
    found = 0
    for item in items:
        content = _hash_of(item)
        if content and lost[content] > 0:
            lost[content] -= 1
            found += 1
    return found


def planned(plan: Plan, known: Mapping[str, KnownDocument], settings_hash: str, force: bool) -> list[PlannedDocument]:
    """Return what would be done with each document that is not unchanged; files whose time changed are read."""
    found = [PlannedDocument(problem.uri, "fail") for problem in plan.problems]
    for item in plan.read:
        before = known.get(item.uri)
        if before is None:
            action = "add"
        elif item.kind != "file" and not force:
            action = "check"
        elif force or before.settings_hash != settings_hash or before.content_hash != _hash_of(item):
            action = "change"
        else:
            continue
        found.append(PlannedDocument(item.uri, action))
    return found + [PlannedDocument(document.uri, "remove") for document in plan.gone]


def _hash_of(item: SourceItem) -> str:
    """Return the SHA-256 of a file, or "" where there is none to read."""
    if item.path is None:
        return ""
    try:
        return hashlib.sha256(read_file(item.path).data).hexdigest()
    except DocumentError:
        return ""
