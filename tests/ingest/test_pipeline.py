"""The document road, from files to a published version, with all real parts."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import pytest

from indexes.errors import DamagedError, LockedError, UsageError
from ingest.pipeline import Pipeline
from ingest.plan import RemovalLimitError
from ingest.progress import Progress
from ingest.records import LoadOutcome, SourceItem
from ingest.sources import file_uri
from ingest.stopping import IngestInterrupted
from ingest.workers import LoaderPool
from tests.fakes.counting import CountingEmbedder
from tests.ingest.library import Library, sentences, splitter_for
from tests.processes import children_of


@pytest.fixture
def library(tmp_path: Path) -> Library:
    return Library(tmp_path)


def state_of(folder: Path) -> dict[Path, int]:
    """Return when each file was last written; SQLite's shared memory, which readers write too, is left out."""
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.suffix != ".sqlite-shm"}


def test_first_and_second_run(library: Library) -> None:
    """The first run brings everything in; the second reads and embeds nothing, and the version stays."""
    library.write("休假.txt", sentences("休假", 12))
    library.write("travel/rules.md", "# Travel\n\nEvery trip is approved first. Receipts are kept for a year.\n")
    first = library.ingest()
    assert (first.version, first.added, first.changed, first.unchanged, first.failed) == (1, 2, 0, 0, ())
    assert first.chunks == first.embedded == len(library.embedder.texts) > 4
    assert set(library.texts()) == {"休假.txt", "travel/rules.md"}
    assert library.document(library.docs / "休假.txt").document.text == sentences("休假", 12)
    embedded = len(library.embedder.texts)
    second = library.ingest()
    assert (second.version, second.added, second.changed, second.unchanged) == (1, 0, 0, 2)
    assert (second.chunks, second.embedded, second.reused) == (0, 0, 0)
    assert len(library.embedder.texts) == embedded


def test_changed_file(library: Library) -> None:
    """A changed file replaces its chunks, and only what is new in it is embedded."""
    path = library.write("a.txt", sentences("采购", 30))
    library.write("b.txt", sentences("档案", 6))
    library.ingest()
    del library.embedder.texts[:]
    library.write("a.txt", sentences("采购", 30) + "新增的最后一条规定自明年起施行。", age=50)
    report = library.ingest()
    assert (report.version, report.added, report.changed, report.unchanged) == (2, 0, 1, 1)
    assert report.embedded == len(library.embedder.texts) == 1
    assert report.reused == report.chunks - 1 > 5
    stored = library.document(path)
    assert stored.document.text.endswith("施行。")
    assert [chunk.ordinal for chunk in stored.chunks] == list(range(len(stored.chunks)))
    assert "".join(chunk.text for chunk in stored.chunks) == stored.document.text


def test_same_content_with_another_time(library: Library) -> None:
    """A file with a new time but the same bytes is unchanged, and its new time is known to the run after."""
    path = library.write("a.txt", sentences("采购", 5))
    library.ingest()
    os.utime(path, (1_700_000_000, 1_700_000_000))
    report = library.ingest()
    assert (report.version, report.unchanged, report.changed, report.chunks) == (1, 1, 0, 0)
    with library.open_store().writer() as writer:
        assert writer.known()[file_uri(path)].mtime_ns == 1_700_000_000 * 10**9


def test_time_that_proves_nothing(library: Library) -> None:
    """A change within one tick of the file system's clock, of the same size, is not overlooked."""
    path = library.write("a.txt", "编号是甲。", age=-5)
    stamp = path.stat().st_mtime_ns
    library.ingest()
    path.write_text("编号是乙。")
    os.utime(path, ns=(stamp, stamp))
    report = library.ingest()
    assert report.changed == 1
    assert library.texts() == {"a.txt": "编号是乙。"}


def test_force(library: Library) -> None:
    """`force` embeds everything named again, and nothing else."""
    library.write("a.txt", sentences("采购", 9))
    library.write("b.txt", sentences("档案", 9))
    first = library.ingest()
    before = library.documents()
    del library.embedder.texts[:]
    report = library.ingest(library.docs / "a.txt", force=True)
    assert (report.changed, report.unchanged, report.reused) == (1, 0, 0)
    assert report.embedded == len(library.embedder.texts) == first.chunks // 2
    after = library.documents()
    assert {uri: stored.chunks for uri, stored in after.items()} == {
        uri: stored.chunks for uri, stored in before.items()
    }


def test_broken_files(library: Library) -> None:
    """Files that cannot be read are reported with their reason, and the rest is in."""
    library.write("good.txt", "这份文件可以读。")
    library.write("cut.pdf", b"%PDF-1.7\n1 0 obj\n<< /Type /Catalog")
    library.write("empty.txt", b"")
    library.write("program.txt", b"\x7fELF\x02\x01\x01" + bytes(range(256)) * 8)
    report = library.ingest()
    assert report.added == 1
    reasons = {failed.uri.rpartition("/")[2]: failed.error for failed in report.failed}
    assert reasons == {"cut.pdf": "damaged", "empty.txt": "empty", "program.txt": "unsupported"}
    store = library.open_store()
    assert {failure.uri for failure in store.failures()} == {failed.uri for failed in report.failed}
    store.close()
    again = library.ingest()
    assert (again.version, again.unchanged, len(again.failed)) == (1, 1, 3)


class BackwardsPool(LoaderPool):
    """Hands over what was read in the reverse order, as several processes might."""

    def load_all(
        self, items: Iterable[SourceItem], known_hashes: Mapping[str, str] | None = None
    ) -> Iterator[LoadOutcome]:
        yield from reversed(list(super().load_all(items, known_hashes)))


def test_failures_come_in_the_order_of_the_sources(library: Library) -> None:
    """Whatever is read first, and whether it failed when it was listed or when it was read."""
    for name in ("1.pdf", "2.pdf", "b/3.pdf", "丁.pdf"):
        library.write(name, b"%PDF-1.7 rubbish")
    library.write("\u00e9.txt", sentences("甲", 1))
    library.write("e\u0301.txt", sentences("乙", 1))
    store = library.open_store(create=True)
    try:
        road = Pipeline(lambda: store, library.embedder, library.splitter, lambda: BackwardsPool(1))
        report = road.ingest([str(library.docs)])
    finally:
        store.close()
    names = [one.uri.removeprefix(file_uri(library.docs)) for one in report.failed]
    assert names == ["/1.pdf", "/2.pdf", "/b/3.pdf", "/\u00e9.txt", "/丁.pdf"]


def test_document_that_becomes_unreadable(library: Library) -> None:
    """A document that can no longer be read keeps its earlier state, and comes back without embedding."""
    path = library.write("a.txt", "原来的内容。")
    library.ingest()
    library.write("a.txt", b"\x7fELF\x02\x01\x01" + bytes(range(256)) * 8, age=50)
    report = library.ingest(prune=True)
    assert [failed.error for failed in report.failed] == ["unsupported"]
    assert (report.changed, report.removed) == (0, 0)
    stored = library.document(path)
    assert (stored.status, stored.document.text) == ("failed", "原来的内容。")
    library.write("a.txt", "原来的内容。", age=20)
    back = library.ingest()
    assert (back.changed, back.added, back.embedded, back.failed) == (1, 0, 0, ())
    assert library.document(path).status == "ready"


def test_failure_that_is_mended(library: Library) -> None:
    """A document that fails first and can be read later is added, not changed."""
    library.write("a.txt", b"")
    assert len(library.ingest().failed) == 1
    library.write("a.txt", "现在有内容了。")
    report = library.ingest()
    assert (report.added, report.changed, report.failed) == (1, 0, ())


def test_failure_whose_file_is_gone(library: Library) -> None:
    """A file that could never be read and is gone is forgotten, also without `prune`; it was no document."""
    library.write("good.txt", "这份文件可以读。")
    path = library.write("a.txt", b"")
    library.ingest()
    path.unlink()
    report = library.ingest()
    assert (report.version, report.removed, report.failed) == (1, 0, ())
    assert set(library.texts()) == {"good.txt"}


def test_prune(library: Library) -> None:
    """Only `prune` removes, and only under the roots of the call: a folder with a longer name is not under one."""
    library.write("a/1.txt", "甲一。")
    library.write("a/2.txt", "甲二。")
    library.write("ab/3.txt", "甲乙三。")
    library.write("c.txt", b"")
    library.ingest()
    for name in ("a/1.txt", "ab/3.txt", "c.txt"):
        (library.docs / name).unlink()
    kept = library.ingest()
    assert (kept.version, kept.removed, set(library.texts())) == (1, 0, {"a/1.txt", "a/2.txt", "ab/3.txt"})
    report = library.ingest(library.docs / "a", prune=True)
    assert (report.removed, set(library.texts())) == (1, {"a/2.txt", "ab/3.txt"})
    rest = library.ingest(prune=True)
    assert (rest.removed, set(library.texts())) == (1, {"a/2.txt"})


def test_prune_of_an_empty_folder(library: Library) -> None:
    """A folder that was emptied loses its documents when a person says so with `prune`."""
    path = library.write("a/1.txt", "甲一。")
    library.write("b.txt", "乙。")
    library.ingest()
    path.unlink()
    assert library.ingest(library.docs / "a", prune=True).removed == 1
    assert set(library.texts()) == {"b.txt"}


def test_missing_target(library: Library) -> None:
    """A target that does not exist is a usage error, before anything is done or made for the others."""
    library.write("a.txt", "甲。")
    with pytest.raises(UsageError, match="gone"):
        library.ingest(library.docs, library.docs.parent / "gone", prune=True)
    assert not library.home.exists()
    library.ingest()
    shutil.rmtree(library.docs)
    with pytest.raises(UsageError, match="docs"):
        library.ingest(prune=True)
    assert len(library.documents()) == 1


def test_overlapping_targets(library: Library) -> None:
    """Targets that overlap count each document once."""
    path = library.write("a/1.txt", "甲一。")
    report = library.ingest(path, library.docs, library.docs / "a", f"{library.docs}/../docs")
    assert (report.added, report.unchanged) == (1, 0)
    again = library.ingest(library.docs, path)
    assert (again.added, again.unchanged) == (0, 1)


def test_rename(library: Library) -> None:
    """A renamed file moves without anything being embedded."""
    path = library.write("draft.txt", sentences("采购", 12))
    library.ingest()
    del library.embedder.texts[:]
    path.rename(library.docs / "终稿.txt")
    report = library.ingest(prune=True)
    assert (report.added, report.removed, report.embedded) == (1, 1, 0)
    assert report.reused == report.chunks > 2
    assert library.embedder.texts == []
    assert set(library.texts()) == {"终稿.txt"}


def test_two_files_alike(library: Library) -> None:
    """The same content in two folders stays two documents, and is embedded once."""
    for name in ("a/x.txt", "b/x.txt"):
        library.write(name, sentences("采购", 12))
    report = library.ingest()
    assert report.added == 2
    assert report.embedded == report.reused == report.chunks // 2 == len(library.embedder.texts)
    assert set(library.texts()) == {"a/x.txt", "b/x.txt"}


def test_dry_run(library: Library) -> None:
    """A dry run says what the real one then does, and leaves no trace."""
    library.write("a.txt", "甲。")
    plan = library.ingest(dry_run=True)
    assert (plan.version, plan.added, [one.action for one in plan.planned]) == (0, 1, ["add"])
    assert not library.home.exists()
    gone = library.write("gone.txt", "将要删除。")
    touched = library.write("touched.txt", "时间变了。")
    library.ingest()
    gone.unlink()
    os.utime(touched, (1_700_000_000, 1_700_000_000))
    library.write("a.txt", "甲变了。", age=50)
    library.write("new.txt", "新的。")
    before = state_of(library.home)
    plan = library.ingest(dry_run=True, prune=True)
    actions = {one.uri.rpartition("/")[2]: one.action for one in plan.planned}
    assert actions == {"a.txt": "change", "new.txt": "add", "gone.txt": "remove"}
    assert state_of(library.home) == before
    real = library.ingest(prune=True)
    assert (plan.added, plan.changed, plan.unchanged, plan.removed) == (1, 1, 1, 1)
    assert (real.added, real.changed, real.unchanged, real.removed) == (1, 1, 1, 1)


def test_removal_limit(library: Library) -> None:
    """A run that would remove more than its share stops before it has done anything."""
    for number in range(10):
        library.write(f"{number}.txt", f"第{number}份。")
    library.ingest()
    for number in range(4):
        (library.docs / f"{number}.txt").unlink()
    library.write("new.txt", "新的。")
    with pytest.raises(RemovalLimitError, match="4 of 10"):
        library.ingest(prune=True, max_removed_share=0.3)
    assert len(library.documents()) == 10
    library.write("0.txt", "第0份。")
    report = library.ingest(prune=True, max_removed_share=0.3)
    assert (report.removed, report.added) == (3, 1)


def test_renames_are_no_removals(library: Library) -> None:
    """A renamed folder does not count against the share that may be removed."""
    for number in range(6):
        library.write(f"old/{number}.txt", f"第{number}份。")
    library.ingest()
    (library.docs / "old").rename(library.docs / "new")
    report = library.ingest(prune=True, max_removed_share=0.3)
    assert (report.added, report.removed, report.embedded) == (6, 6, 0)


def test_cancel(tmp_path: Path) -> None:
    """Cancelling stops within two seconds, leaves no process, publishes what is done, and the next run goes on."""
    embedder = CountingEmbedder(seconds=0.2)
    library = Library(tmp_path, embedder, workers=2)
    for number in range(40):
        library.write(f"{number:02}.txt", sentences(f"第{number}类采购", 60))
    before = children_of()
    cancel = threading.Event()
    cancelled_at = 0.0

    def stop() -> None:
        nonlocal cancelled_at
        while len(embedder.texts) < 600:
            time.sleep(0.01)
        cancelled_at = time.monotonic()
        cancel.set()

    thread = threading.Thread(target=stop)
    thread.start()
    with pytest.raises(IngestInterrupted) as caught:
        library.ingest(cancel=cancel)
    assert time.monotonic() - cancelled_at < 2.0
    thread.join()
    assert children_of() <= before
    report = caught.value.report
    assert report is not None
    done = len(library.documents())
    assert 0 < report.added == done < 40
    embedded = set(embedder.texts)
    del embedder.texts[:]
    embedder.seconds = 0.0
    rest = library.ingest()
    assert (rest.added, rest.unchanged) == (40 - done, done)
    assert len(library.documents()) == 40
    assert len(embedder.texts) == len(set(embedder.texts))
    stored = {chunk.text for one in library.documents().values() for chunk in one.chunks}
    assert stored <= embedded | set(embedder.texts)


def test_cancel_before_the_start(library: Library) -> None:
    """A run that is cancelled before it begins does nothing."""
    library.write("a.txt", "甲。")
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(IngestInterrupted):
        library.ingest(cancel=cancel)


def test_progress(library: Library) -> None:
    """Progress never goes back, ends with everything done, and names the file at work."""
    for number in range(5):
        library.write(f"{number}.txt", sentences(f"第{number}类", 6))
    library.write("bad.txt", b"")
    shown: list[Progress] = []
    library.ingest(on_progress=shown.append)
    assert [one.done for one in shown] == sorted(one.done for one in shown)
    assert list(dict.fromkeys(one.stage for one in shown)) == ["walk", "read", "publish", "done"]
    last = shown[-1]
    assert (last.done, last.total, last.failed) == (6, 6, 1)
    assert last.chunks > 5
    assert next(one for one in shown if one.stage == "read").current.endswith(".txt")


def test_another_splitter(library: Library) -> None:
    """Other settings of the splitter make documents stale: they are split again, and equal texts keep their vectors."""
    library.write("long.txt", sentences("采购", 30))
    library.write("short.txt", "一句话。")
    library.ingest()
    del library.embedder.texts[:]
    library.splitter = splitter_for(library.embedder, 128)
    report = library.ingest()
    assert (report.changed, report.unchanged) == (2, 0)
    assert report.reused >= 1
    assert "一句话。" not in library.embedder.texts
    assert library.ingest().unchanged == 2


def test_another_embedder(library: Library) -> None:
    """With another embedder, `force` on one file embeds all documents anew: no version mixes the two."""
    library.write("a.txt", sentences("采购", 9))
    gone = library.write("b.txt", sentences("档案", 9))
    before = library.ingest()
    originals = library.documents()
    gone.unlink()
    library.embedder = CountingEmbedder(dimension=32)
    library.splitter = splitter_for(library.embedder)
    report = library.ingest(library.docs / "a.txt", force=True)
    assert report.version == before.version + 1
    assert report.embedded == len(library.embedder.texts) == before.chunks
    store = library.open_store()
    snapshot = store.snapshot()
    assert (snapshot.embedding.dimension, snapshot.document_count) == (32, 2)
    store.close()
    after = library.documents()
    assert {uri: one.chunks for uri, one in after.items()} == {uri: one.chunks for uri, one in originals.items()}


def test_two_writers(library: Library) -> None:
    """A second ingest at the same time is refused and harms nothing."""
    library.write("a.txt", "甲。")
    library.ingest()
    library.write("b.txt", "乙。")
    store = library.open_store()
    with store.writer(), pytest.raises(LockedError):
        library.ingest()
    store.close()
    assert library.ingest().added == 1


def test_long_runs_publish_meanwhile(tmp_path: Path) -> None:
    """A long run shows what it has from time to time."""
    seen: list[int] = []
    library = Library(tmp_path, publish_seconds=0.0)
    library.write("0.txt", "先有一份。")
    library.ingest()

    def look() -> None:
        store = library.open_store()
        seen.append(store.snapshot().document_count)
        store.close()

    library.embedder = CountingEmbedder(before=look)
    library.splitter = splitter_for(library.embedder)
    for number in range(1, 5):
        library.write(f"{number}.txt", sentences(f"第{number}类", 1600))
    library.ingest()
    assert seen == sorted(seen)
    assert 1 < seen[-1] < 5


def test_originals(library: Library) -> None:
    """The bytes that came in are kept, and come back as they were."""
    data = "繁體內容。".encode("big5")
    path = library.write("big5.txt", data)
    library.ingest()
    store = library.open_store()
    assert store.original(library.document(path).document.document_id) == data
    store.close()


def test_a_damaged_version_is_told_where_nothing_changed(library: Library) -> None:
    """An ingest that finds nothing to do says all the same that what is published cannot be read."""
    library.write("a.txt", sentences("采购", 5))
    library.ingest()
    for segment in (library.home / "segments").iterdir():
        shutil.rmtree(segment)
    with pytest.raises(DamagedError):
        library.ingest()
