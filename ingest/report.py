"""What one ingest did: the report of the contract, and the tally that it is made from."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Literal, TypeVar

Item = TypeVar("Item")
Stage = Literal["walk", "load", "split", "embed", "store", "publish"]
STAGES: tuple[Stage, ...] = ("walk", "load", "split", "embed", "store", "publish")


@dataclass(frozen=True, slots=True)
class FailedDocument:
    """A source that could not be read. `error` is the short stable reason of a `DocumentError`."""

    uri: str
    error: str
    detail: str


@dataclass(frozen=True, slots=True)
class PlannedDocument:
    """What a dry run says about one source; `action` is "add", "change", "check", "remove" or "fail".

    "check" is a page of the web that is already in, or a reader: what changed is known only after fetching.
    """

    uri: str
    action: str


@dataclass(frozen=True, slots=True)
class IngestReport:
    """What one ingest did.

    `version` is the published version afterwards (0: nothing published yet). `chunks` counts the chunks written,
    `embedded` those whose vector was computed, `reused` those whose vector was known; `chunks == embedded + reused`.
    `seconds` is wall time, and `stages` splits it: walk, load (waiting for the parsers), split, embed, store, publish.
    `failed` is in the order of listing, whichever was read first, and then in that of the readers.
    `skipped` names what was passed over because it is no document: a notice, no failure.
    `planned` is filled by a dry run alone, and lists everything that is not unchanged.
    """

    version: int
    added: int
    changed: int
    unchanged: int
    removed: int
    failed: tuple[FailedDocument, ...]
    chunks: int
    embedded: int
    reused: int
    seconds: float
    stages: Mapping[str, float]
    skipped: tuple[FailedDocument, ...] = ()
    dry_run: bool = False
    planned: tuple[PlannedDocument, ...] = ()

    def fields(self) -> dict[str, object]:
        """Return the report as the contract spells it; a dry run has `dry_run` and `planned` beside it."""
        fields = asdict(self)
        if not self.dry_run:
            del fields["dry_run"], fields["planned"]
        return fields


@dataclass(slots=True)
class Tally:
    """The running counts of one ingest. `order` is where in the listing each source stood, by URI, as far as known."""

    added: int = 0
    changed: int = 0
    unchanged: int = 0
    removed: int = 0
    chunks: int = 0
    embedded: int = 0
    failed: list[FailedDocument] = field(default_factory=list)
    skipped: list[FailedDocument] = field(default_factory=list)
    order: Mapping[str, int] = field(default_factory=dict)
    stages: dict[str, float] = field(default_factory=lambda: dict.fromkeys(STAGES, 0.0))
    started: float = field(default_factory=time.monotonic)

    @contextmanager
    def stage(self, name: Stage) -> Iterator[None]:
        """Add the wall time of the block to a stage, also where the block fails."""
        begun = time.monotonic()
        try:
            yield
        finally:
            self.stages[name] += time.monotonic() - begun

    def timed(self, name: Stage, items: Iterable[Item]) -> Iterator[Item]:
        """Yield the items, adding the time spent waiting for them to a stage."""
        iterator = iter(items)
        while True:
            with self.stage(name):
                try:
                    item = next(iterator)
                except StopIteration:
                    return
            yield item

    def fail(self, uri: str, error: str, detail: str) -> None:
        """Note a source that could not be read."""
        self.failed.append(FailedDocument(uri, error, detail))

    @property
    def finished(self) -> int:
        """The number of documents that are dealt with."""
        return self.added + self.changed + self.unchanged + len(self.failed)

    def report(self, version: int, *, dry_run: bool = False, planned: tuple[PlannedDocument, ...] = ()) -> IngestReport:
        """Return the report of the counts so far."""
        return IngestReport(
            version=version,
            added=self.added,
            changed=self.changed,
            unchanged=self.unchanged,
            removed=self.removed,
            failed=tuple(sorted(self.failed, key=lambda one: self.order.get(one.uri, len(self.order)))),
            chunks=self.chunks,
            embedded=self.embedded,
            reused=self.chunks - self.embedded,
            seconds=round(time.monotonic() - self.started, 4),
            stages={name: round(seconds, 4) for name, seconds in self.stages.items()},
            skipped=tuple(self.skipped),
            dry_run=dry_run,
            planned=planned,
        )
