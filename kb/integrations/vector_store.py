"""A LlamaIndex vector store kept in step with a knowledge base. Needs the `llama-index` extra.

A ledger says what is in the store: a document is written down there before it is touched, and again when it is done.
Whatever ends an update, the next one deletes what was being touched and adds it again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from llama_index.core.schema import TextNode
from llama_index.core.vector_stores.types import BasePydanticVectorStore

from indexes.errors import NotFoundError, UsageError
from indexes.rows import ShownDocument
from indexes.store import Snapshot, Store
from kb.integrations.mirror.changes import PAGE, Change, changes
from kb.integrations.mirror.ledger import HeldDocument, MirrorLedger, open_ledger
from kb.integrations.mirror.nodes import mark_of, node_of
from kb.integrations.mirror.target import MirrorTarget, VectorStoreError

__all__ = ["MirrorReport", "VectorStoreError", "VectorStoreMirror"]


@dataclass(frozen=True, slots=True)
class MirrorReport:
    """What an update did. The store shows `version` now, `documents` with `passages`; the rest counts documents.

    A document that an earlier update was interrupted at counts as added; one that was done twice counts twice.
    """

    version: int
    documents: int
    passages: int
    added: int
    changed: int
    removed: int


@dataclass(slots=True)
class _Work:
    """What an update has done, and, for a store that is yet to be persisted, what the ledger is to say of it then."""

    added: int = 0
    changed: int = 0
    removed: int = 0
    unsettled: dict[str, HeldDocument | None] = field(default_factory=dict)

    def count(self, change: Change) -> None:
        if change.shown is None:
            self.removed += 1
        elif change.held is None or change.held.mark is None:
            self.added += 1
        else:
            self.changed += 1


class VectorStoreMirror:
    """Keeps a vector store in step with the published version of a knowledge base.

    Nodes carry the vectors that SQLite holds, at half precision, which are those that our search uses; nothing is
    embedded. The store is for this knowledge base alone. While an update runs, the store shows some documents as they
    were, some as they are, and those at work in part.
    """

    def __init__(
        self,
        store: Store,
        vector_store: BasePydanticVectorStore,
        ledger: str | Path,
        *,
        known_as: str = "",
        batch_passages: int = 256,
        persist: Callable[[], None] | None = None,
    ) -> None:
        """`ledger` is a file, made by the first update, that belongs to this store and this knowledge base.

        `known_as` is the name of the knowledge base in the ledger; "" is the path of its folder. At most
        `batch_passages` nodes are in memory and added at a time. `persist` is for a store that lives in memory: it
        writes the store down, and is called at the end of an update, before the ledger says that it is done.
        """
        if batch_passages < 1:
            raise UsageError(f"batch_passages must be 1 or more, not {batch_passages}")
        self._store = store
        self._target = MirrorTarget(vector_store)
        self._ledger = Path(ledger)
        self._known_as = known_as or str(store.path.resolve())
        self._batch = batch_passages
        self._persist = persist

    def update(self) -> MirrorReport:
        """Bring the store in step with the newest version, and say what was done.

        Raise VectorStoreError where the store fails, or is empty against its ledger; UsageError for the ledger of
        another knowledge base or kind of store, EmbeddingMismatchError for that of another embedding, LockedError
        beside another update, and the errors of `open_ledger` and of `Store.snapshot`.
        """
        work = _Work()
        with open_ledger(self._ledger) as ledger:
            snapshot = self._begin(ledger)
            if ledger.holds_passages() and self._target.is_empty(ledger.dimension()):
                raise VectorStoreError(
                    f"the {self._target.kind} is empty, but the ledger {self._ledger} says that it holds passages;"
                    " where it was emptied or made anew, remove the ledger and update again"
                )
            while not self._follow(ledger, snapshot, work):
                snapshot = self._begin(ledger)
            self._settle(ledger, work)
        return MirrorReport(
            snapshot.version, snapshot.document_count, snapshot.chunk_count, work.added, work.changed, work.removed
        )

    def clear(self) -> None:
        """Delete from the store what the ledger tells of, and let the ledger forget it: the way to another embedding.

        Raise as `update`, but not for the embedding.
        """
        with open_ledger(self._ledger) as ledger:
            ledger.claim(self._known_as, self._target.kind, None)
            after = ""
            while held := ledger.held(after, PAGE):
                ledger.begin(document.document_id for document in held)
                for document in held:
                    self._target.delete(document.document_id)
                after = held[-1].document_id
            if self._persist is not None:
                self._persist()
            ledger.forget()

    def _begin(self, ledger: MirrorLedger) -> Snapshot:
        snapshot = self._store.snapshot()
        ledger.claim(self._known_as, self._target.kind, snapshot.embedding if snapshot.document_count else None)
        return snapshot

    def _follow(self, ledger: MirrorLedger, snapshot: Snapshot, work: _Work) -> bool:
        """Bring the store in step with a version; False where that went away meanwhile and there is a newer one."""
        try:
            for group in self._groups(changes(snapshot, ledger, mark_of)):
                self._carry_out(ledger, snapshot, group, work)
        except NotFoundError:
            if self._store.snapshot().version == snapshot.version:
                raise
            return False
        return True

    def _groups(self, found: Iterator[Change]) -> Iterator[list[Change]]:
        """Give the changes in lists, each of about a batch of passages or of fewer than a page of documents."""
        group: list[Change] = []
        passages = 0
        for change in found:
            group.append(change)
            passages += change.shown.chunks if change.shown is not None else 0
            if passages >= self._batch or len(group) >= PAGE:
                yield group
                group, passages = [], 0
        if group:
            yield group

    def _carry_out(self, ledger: MirrorLedger, snapshot: Snapshot, group: Sequence[Change], work: _Work) -> None:
        ledger.begin(change.document_id for change in group)
        for change in group:
            if change.held is not None and change.shown is not None:
                self._delete(ledger, snapshot, change.shown)
        for nodes in self._nodes(snapshot, group):
            self._target.add(nodes)
        for change in group:
            if change.shown is None:
                self._target.delete(change.document_id)
        for change in group:
            shown = change.shown
            done = None if shown is None else HeldDocument(shown.document_id, mark_of(shown), shown.chunks)
            work.unsettled[change.document_id] = done
            work.count(change)
        if self._persist is None:
            self._settle(ledger, work)

    def _delete(self, ledger: MirrorLedger, snapshot: Snapshot, document: ShownDocument) -> None:
        """Delete the nodes of a document that will be added again.

        Some stores make their collection when the first node is added, and fail to delete from none. An update that
        was interrupted before anything was done may have left it so: then a node of the document makes it first.
        """
        try:
            self._target.delete(document.document_id)
        except VectorStoreError:
            if ledger.holds_passages() or not document.chunks:
                raise
            (first,) = snapshot.passages(document, 0, 1)
            self._target.add([node_of(first, document, self._store.name)])
            self._target.delete(document.document_id)

    def _nodes(self, snapshot: Snapshot, group: Sequence[Change]) -> Iterator[list[TextNode]]:
        """Give the nodes of what is shown, a batch at a time."""
        nodes: list[TextNode] = []
        for document in (change.shown for change in group if change.shown is not None):
            begin = 0
            while begin < document.chunks:
                passages = snapshot.passages(document, begin, self._batch - len(nodes))
                nodes += [node_of(passage, document, self._store.name) for passage in passages]
                begin += len(passages)
                if len(nodes) == self._batch:
                    yield nodes
                    nodes = []
        if nodes:
            yield nodes

    def _settle(self, ledger: MirrorLedger, work: _Work) -> None:
        """Let the ledger say what is done."""
        if self._persist is not None and work.unsettled:
            self._persist()
        done = work.unsettled
        ledger.finish(
            [document for document in done.values() if document is not None],
            [document_id for document_id, document in done.items() if document is None],
        )
        work.unsettled = {}
