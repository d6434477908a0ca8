"""What tells a vector store from a version: both lists go by in the order of their ids, a page of each in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol, TypeVar

from indexes.rows import ShownDocument
from indexes.store import Snapshot
from kb.integrations.mirror.ledger import HeldDocument, MirrorLedger

PAGE = 1000


class _Listed(Protocol):
    @property
    def document_id(self) -> str: ...


_Row = TypeVar("_Row", bound=_Listed)


@dataclass(frozen=True, slots=True)
class Change:
    """A document to bring in step: what the version shows of it, if anything, and what the store may hold of it."""

    document_id: str
    shown: ShownDocument | None
    held: HeldDocument | None


def changes(snapshot: Snapshot, ledger: MirrorLedger, mark_of: Callable[[ShownDocument], str]) -> Iterator[Change]:
    """Give by id each document whose mark is not that in the ledger. Rows that were given may be rewritten meanwhile.

    Raise NotFoundError where the version is no longer kept.
    """
    for shown, held in _side_by_side(_all(snapshot.documents), _all(ledger.held)):
        if shown is None or held is None or held.mark != mark_of(shown):
            document = shown or held
            assert document is not None
            yield Change(document.document_id, shown, held)


def _all(page: Callable[[str, int], list[_Row]]) -> Iterator[_Row]:
    after = ""
    while rows := page(after, PAGE):
        yield from rows
        after = rows[-1].document_id


def _side_by_side(
    shown: Iterable[ShownDocument], held: Iterable[HeldDocument]
) -> Iterator[tuple[ShownDocument | None, HeldDocument | None]]:
    """Pair two lists, both ascending, by their ids; None stands for what one of them lacks."""
    left, right = iter(shown), iter(held)
    first, second = next(left, None), next(right, None)
    while first is not None or second is not None:
        if second is None or (first is not None and first.document_id < second.document_id):
            yield first, None
            first = next(left, None)
        elif first is None or second.document_id < first.document_id:
            yield None, second
            second = next(right, None)
        else:
            yield first, second
            first, second = next(left, None), next(right, None)
