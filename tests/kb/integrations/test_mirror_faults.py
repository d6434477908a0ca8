"""An update may end at any moment, by a failing store or a killed process: the next one makes the store right."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.kb.integrations.mirrored import TEXTS, open_store, publish, shown_in

pytest.importorskip("llama_index.core", reason="needs the llama-index extra")

from llama_index.core.vector_stores.simple import SimpleVectorStore, SimpleVectorStoreData

from kb.integrations.mirror.ledger import MirrorLedger
from kb.integrations.vector_store import VectorStoreError, VectorStoreMirror
from tests.kb.integrations.strict_store import StrictVectorStore
from tests.kb.integrations.test_vector_store import held_in

CHANGED = {"lighthouse": "东犬灯塔关闭了。\f不再开放。", "new": "新的制度。从明年起实行。"}


class KilledError(BaseException):
    """What ends a process at once: nothing that is meant for errors sees it."""


def _at(number: int, ending: Callable[[], BaseException]) -> Callable[[], None]:
    """Return a step that raises when it is taken for the `number`-th time, from 1."""
    taken = 0

    def step() -> None:
        nonlocal taken
        taken += 1
        if taken == number:
            raise ending()

    return step


@pytest.mark.parametrize(
    ("batch", "ending"), [(1, KilledError), (3, lambda: OSError("connection refused")), (100, KilledError)]
)
def test_the_store_fails_at_any_call(tmp_path: Path, batch: int, ending: Callable[[], BaseException]) -> None:
    """Whichever node or deletion an update ends before or after, the next ones lose nothing and add nothing twice."""
    store = open_store(tmp_path / "kb")
    publish(store, TEXTS)
    other = open_store(tmp_path / "other" / "kb")
    publish(other, TEXTS)
    publish(other, CHANGED, removed=["theatre"])
    number, failed = 0, True
    while failed:
        number += 1
        ledger = tmp_path / f"ledger-{number}"
        vectors = StrictVectorStore()
        failed = False
        for base in (store, other):
            # One name, so that the second is to the ledger what the first became.
            mirror = VectorStoreMirror(base, vectors, ledger, known_as="kb", batch_passages=batch)
            vectors._step = _at(number, ending)
            try:
                mirror.update()
            except (VectorStoreError, KilledError) as error:
                assert "connection refused" in str(error) or isinstance(error, KilledError)
                failed = True
            vectors._step = _at(number + 1, ending)  # once more, a step further on
            try:
                mirror.update()
            except (VectorStoreError, KilledError):
                failed = True
            vectors._step = lambda: None
            mirror.update()
            assert held_in(vectors) == shown_in(base)
    assert number > 10


class CollectionStore(StrictVectorStore):
    """A store that makes its collection with its first node and fails to delete from none, as Qdrant's does."""

    def delete(self, ref_doc_id: str, **delete_kwargs: object) -> None:
        """Delete the nodes of a document."""
        if not self._added:
            raise ValueError("there is no collection")
        super().delete(ref_doc_id, **delete_kwargs)


def test_an_update_that_ended_before_the_first_node(tmp_path: Path) -> None:
    """A store that has no collection yet is filled by the update after the one that ended before it was made."""
    store = open_store(tmp_path / "kb")
    publish(store, TEXTS)
    vectors = CollectionStore()
    mirror = VectorStoreMirror(store, vectors, tmp_path / "ledger")
    vectors._step = _at(1, KilledError)
    with pytest.raises(KilledError):
        mirror.update()
    vectors._step = lambda: None
    publish(store, {}, removed=["theatre"])
    mirror.update()
    assert held_in(vectors) == shown_in(store)


class DiskStore(SimpleVectorStore):  # type: ignore[misc]  # llama_index is not followed by mypy
    """LlamaIndex's own store, written down after each call, as a server would have it; `step` goes round each call."""

    def __init__(self, path: Path, step: Callable[[], None]) -> None:
        data = json.loads(path.read_text("utf-8")) if path.exists() else {}
        super().__init__(SimpleVectorStoreData.from_dict(data))
        self._path = path
        self._step = step

    def add(self, nodes: list[object], **add_kwargs: object) -> list[str]:
        """Add nodes."""
        self._step()
        added: list[str] = super().add(nodes, **add_kwargs)
        self._write()
        return added

    def delete(self, ref_doc_id: str, **delete_kwargs: object) -> None:
        """Delete the nodes of a document."""
        self._step()
        super().delete(ref_doc_id, **delete_kwargs)
        self._write()

    def _write(self) -> None:
        part = self._path.with_suffix(".part")
        part.write_text(json.dumps(self.data.to_dict()), encoding="utf-8")
        part.replace(self._path)
        self._step()


def _update_in_a_child(folder: Path, number: int) -> int:
    """Update in a process of its own that dies before or after its `number`-th step; return its exit status."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    taken = 0

    def step() -> None:
        nonlocal taken
        taken += 1
        if taken == number:
            os._exit(9)  # without closing, flushing or rolling back anything

    def between(method: Callable[..., None]) -> Callable[..., None]:
        def stepping(ledger: MirrorLedger, *arguments: object) -> None:
            step()
            method(ledger, *arguments)
            step()

        return stepping

    try:
        MirrorLedger.begin = between(MirrorLedger.begin)  # type: ignore[method-assign]  # in the child alone
        MirrorLedger.finish = between(MirrorLedger.finish)  # type: ignore[method-assign]  # in the child alone
        vectors = DiskStore(folder / "vectors.json", step)
        VectorStoreMirror(open_store(folder / "kb"), vectors, folder / "ledger", batch_passages=2).update()
        os._exit(0)
    except BaseException:
        os._exit(1)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs a process that can be copied")
def test_a_process_dies_between_any_two_steps(tmp_path: Path) -> None:
    """A process that dies at any step of an update, of the store or of the ledger, leaves what the next one mends."""
    store = open_store(tmp_path / "kb")
    publish(store, TEXTS)
    assert _update_in_a_child(tmp_path, 0) == 0
    for number in range(1, 100):
        publish(store, {"lighthouse": f"东犬灯塔第{number}次关闭了。", "new": "新的制度。"}, removed=["theatre"])
        ended = _update_in_a_child(tmp_path, number)
        # Another version lies between the two, so that what was being touched is not what is touched next.
        publish(store, {"lighthouse": TEXTS["lighthouse"], "theatre": TEXTS["theatre"]}, removed=["new"])
        assert _update_in_a_child(tmp_path, 0) == 0
        rows = DiskStore(tmp_path / "vectors.json", lambda: None).data
        found = {row["chunk_id"]: rows.embedding_dict[node_id] for node_id, row in rows.metadata_dict.items()}
        assert found == {chunk_id: vector for chunk_id, (_, _, _, vector) in shown_in(store).items()}
        if ended == 0:
            break
        assert ended == 9
    assert ended == 0 and number > 12


def test_a_store_in_memory_is_written_down_before_the_ledger_says_so(tmp_path: Path) -> None:
    """With `persist`, an update that ended before or in it is done again from what was written down."""
    store = open_store(tmp_path / "kb")
    publish(store, TEXTS)
    path = str(tmp_path / "vectors.json")
    vectors = SimpleVectorStore()
    VectorStoreMirror(store, vectors, tmp_path / "ledger", persist=lambda: vectors.persist(path)).update()
    publish(store, CHANGED, removed=["theatre"])

    def die() -> None:
        raise KilledError

    lost = SimpleVectorStore.from_persist_path(path)
    with pytest.raises(KilledError):
        VectorStoreMirror(store, lost, tmp_path / "ledger", persist=die).update()
    kept = SimpleVectorStore.from_persist_path(path)
    assert kept.data.embedding_dict == vectors.data.embedding_dict
    report = VectorStoreMirror(store, kept, tmp_path / "ledger", persist=lambda: kept.persist(path)).update()
    assert report.version == 2
    written = SimpleVectorStore.from_persist_path(path).data
    chunks = {row["chunk_id"]: written.embedding_dict[node_id] for node_id, row in written.metadata_dict.items()}
    assert chunks == {chunk_id: vector for chunk_id, (_, _, _, vector) in shown_in(store).items()}
    with pytest.raises(KilledError):  # clear() too: what is written down goes before the ledger
        VectorStoreMirror(store, kept, tmp_path / "ledger", persist=die).clear()
    again = SimpleVectorStore.from_persist_path(path)
    VectorStoreMirror(store, again, tmp_path / "ledger", persist=lambda: again.persist(path)).update()
    assert again.data.embedding_dict == written.embedding_dict
