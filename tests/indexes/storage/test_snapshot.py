"""A snapshot shows one version whole, from any thread, and filters it."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from indexes.errors import NotFoundError, UsageError
from indexes.store import Snapshot, Store
from tests.indexes.storage_samples import fill, id_of, make_store, put, shown, text_of, uri_of


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = make_store(tmp_path / "kb")
    with store.writer() as writer:
        put(writer, "甲", text_of("甲", "一"), {"tag": "政策，财务", "date": "2024-05-03", "year": "2024"}, "手册")
        put(writer, "乙", text_of("乙", "一"), {"tag": "财务", "date": "2024-06-30T08:00:00Z"}, "公告")
        put(writer, "丙", text_of("丙", "一"), {"date": "2023"}, "公告")
        writer.publish()
    return store


def _selected(snapshot: Snapshot, filters: dict[str, object]) -> set[str]:
    rows = [
        row
        for segment, mask in zip(snapshot.segments, snapshot.select(filters), strict=True)
        for row in segment.row_ids[mask]
    ]
    return {stored.uri[-5] for stored in snapshot.chunks(rows)}


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({}, "甲乙丙"),
        ({"source": "公告"}, "乙丙"),
        ({"source": ["公告", "手册"], "title": "题甲"}, "甲"),
        ({"uri": uri_of("丙")}, "丙"),
        ({"uri": ["file:///none"]}, ""),
        ({"tag": "财务"}, "甲乙"),
        ({"tag": ["政策", "别的"]}, "甲"),
        ({"year": 2024}, "甲"),
        ({"date": {"from": "2024-05"}}, "甲乙"),
        ({"date": {"to": "2024-05"}}, "甲丙"),
        ({"date": {"from": "2024-05-03", "to": "2024-06-30"}}, "甲乙"),
        ({"date": "2023"}, "丙"),
        ({"date": [2023, "2024-06-30T08:00:00Z"]}, "乙丙"),
        ({"date": "2024-02-29"}, ""),
        ({"tag": []}, ""),
        ({"source": "公告", "tag": "财务"}, "乙"),
    ],
)
def test_filters(store: Store, filters: dict[str, object], expected: str) -> None:
    """A filter admits the passages of documents that match every field by one of its values."""
    assert _selected(store.snapshot(), filters) == set(expected)


@pytest.mark.parametrize(
    "filters",
    [
        {"tag": None}, {"tag": {"a": 1}}, {"tag": [["a"]]}, {"tag": True}, {"tag": 1.5}, {"tag": float("nan")},
        {"tag": 10**5000}, {"tag": "\ud800"}, {"\ud800": "a"}, {"date": {}}, {"date": {"since": "2024"}},
        {"date": {"from": 2024}}, {"date": {"from": "last year"}}, {"": "a"}, {"uri": ["u"] * 2000},
        {"date": {"from": "2024", "to": None}}, {"date": "foo"}, {"date": ["2024", "foo"]}, {"date": "2024-02-30"},
        {"date": {"from": "2024-13"}}, {"date": "2024-05-31T25:00"}, {"date": "２０２４"}, {"date": 20240531},
    ],
)  # fmt: skip
def test_filters_of_a_wrong_shape(store: Store, filters: dict[str, object]) -> None:
    """A filter that is no text, whole number or list of those is refused as wrong use."""
    with pytest.raises(UsageError):
        store.snapshot().select(filters)


def test_filters_leave_out_what_the_version_does_not_show(store: Store) -> None:
    """A removed document matches no filter of the versions after."""
    before = store.snapshot()
    with store.writer() as writer:
        writer.remove([id_of("乙")])
        writer.publish()
    assert _selected(store.snapshot(), {"source": "公告"}) == {"丙"}
    assert _selected(before, {"source": "公告"}) == {"乙", "丙"}


def test_chunks_come_in_the_order_asked_for(store: Store) -> None:
    """Passages are returned in the order of the row ids, repeats included, and unknown ones are refused."""
    snapshot = store.snapshot()
    rows = snapshot.segments[0].row_ids
    asked = [int(rows[4]), int(rows[0]), int(rows[4])]
    assert [stored.row_id for stored in snapshot.chunks(asked)] == asked
    assert snapshot.chunks([]) == []
    with pytest.raises(NotFoundError):
        snapshot.chunks([10**9])


def test_neighbours_stay_within_the_document(store: Store) -> None:
    """The passages around one are those of its own document, itself included, by row id or by chunk id."""
    snapshot = store.snapshot()
    document = snapshot.document(id_of("乙"))
    count = -(-len(document.text) // 20)
    for passage in (f"{id_of('乙')}-0", f"{id_of('乙')}-{count - 1}"):
        around = snapshot.neighbours(passage, 1, 1)
        assert [stored.uri for stored in around] == [uri_of("乙")] * 2
        assert snapshot.neighbours(next(s.row_id for s in around if s.chunk.chunk_id == passage), 1, 1) == around
    ordinals = [stored.chunk.ordinal for stored in snapshot.neighbours(f"{id_of('乙')}-2", 1, 2)]
    assert ordinals == [1, 2, 3, 4][: count - 1]
    with pytest.raises(NotFoundError):
        snapshot.neighbours("no-1", 1, 1)


def test_a_snapshot_does_not_change(store: Store) -> None:
    """A snapshot taken before a publish shows the old set after it, text and passages."""
    before = store.snapshot()
    expected = shown(before)
    with store.writer() as writer:
        put(writer, "甲", text_of("甲", "二"))
        writer.publish()
    assert shown(before) == expected
    assert before.document_text(id_of("甲")) == text_of("甲", "一")
    assert store.snapshot().document_text(id_of("甲")) == text_of("甲", "二")


def test_many_threads_read_while_one_publishes(store: Store) -> None:
    """Threads that read all the time see whole versions that never go back, while another thread publishes."""
    fill(store, 5)
    failures: list[BaseException] = []
    stop = threading.Event()

    def read() -> None:
        last = 0
        try:
            while not stop.is_set():
                snapshot = store.snapshot()
                assert snapshot.version >= last
                last = snapshot.version
                tags = {text[-9:] for uri, text in shown(snapshot).items() if uri[-5].isdigit()}
                assert len(tags) == 1, "a version is torn"
        except BaseException as error:  # handed to the main thread
            failures.append(error)

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for round_number in range(8):
        fill(store, 5, f"轮{round_number}")
    stop.set()
    for thread in threads:
        thread.join()
    assert not failures, failures[0]
    assert store.snapshot().version == 10


def test_masks_are_boolean_and_as_long_as_their_segment(store: Store) -> None:
    """A mask has one truth value a row of its segment."""
    for segment, mask in zip(store.snapshot().segments, store.snapshot().select({"tag": "财务"}), strict=True):
        assert mask.dtype == np.bool_ and mask.shape == segment.row_ids.shape == segment.live.shape
