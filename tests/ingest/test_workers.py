"""Reading processes: limits, deaths, clean ends, and bounded streams."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from indexes.errors import DocumentError, KBError
from ingest.processes import process_stock
from ingest.processes.framing import answer_of, loaded_of
from ingest.processes.worker_process import WorkerProcess
from ingest.records import Loaded, LoadOutcome, SourceItem
from ingest.sources import walk
from ingest.workers import LoaderPool
from tests.ingest import bad_inputs
from tests.ingest.misbehaving_server import serving
from tests.processes import children_of, is_running

MEBIBYTE = 1 << 20


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(6):
        (tmp_path / f"{number}.txt").write_text(f"第{number}个文件的内容。")
    return tmp_path


def _items(folder: Path) -> list[SourceItem]:
    return [item for item in walk(folder) if isinstance(item, SourceItem)]


def _gone_within(processes: set[int], seconds: float) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if not any(map(is_running, processes)):
            return True
        time.sleep(0.02)
    return False


def _by_name(outcomes: Iterator[LoadOutcome]) -> dict[str, LoadOutcome]:
    return {outcome.item.uri.rpartition("/")[2]: outcome for outcome in outcomes}


def _slow(folder: Path, name: str = "slow.pdf") -> Path:
    """Write a document that takes seconds to read."""
    file = folder / name
    file.write_bytes(bad_inputs.many_pages(8_000))
    return file


def make_this_process_large() -> None:
    """Let the peak of this process, which its children inherit, be over what a reading process may take."""
    large = bytearray(b"x" * 400_000_000)
    assert large[-1]


def test_documents_come_out_with_hash_original_and_text(folder: Path) -> None:
    """Every item gives one outcome; processes are reused and end with the pool."""
    before = children_of()
    with LoaderPool(2) as pool:
        found = _by_name(pool.load_all(_items(folder)))
        assert len(found) == 6
        for number in range(6):
            outcome = found[f"{number}.txt"]
            data = (folder / f"{number}.txt").read_bytes()
            assert outcome.loaded is not None and outcome.loaded.text == f"第{number}个文件的内容。"
            assert outcome.original == data and outcome.content_hash == hashlib.sha256(data).hexdigest()
            assert outcome.error is None and outcome.seconds > 0
        assert 1 <= len(children_of() - before) <= 2
        # A process is started when work waits for it: how many there are hangs on how fast the first one is.
        assert len(list(pool.load_all(_items(folder)))) == 6
        started = children_of() - before
        assert 1 <= len(started) <= 2
    assert _gone_within(started, 5)


def test_one_process_reads_many_documents(folder: Path) -> None:
    """With one process allowed, all documents and a second round of them come from that process."""
    before = children_of()
    with LoaderPool(1) as pool:
        assert len(_by_name(pool.load_all(_items(folder)))) == 6
        first = children_of() - before
        assert len(first) == 1
        assert len(_by_name(pool.load_all(_items(folder)))) == 6
        assert children_of() - before == first


def test_bad_documents_cost_only_themselves(folder: Path) -> None:
    """A bomb, a program, an encrypted and an empty file fail with their reasons; the others are in."""
    make_this_process_large()
    good = bad_inputs.chinese_pdf([["好文件。"]])
    (folder / "bomb.pdf").write_bytes(bad_inputs.double_flate_bomb(400))
    (folder / "elf.txt").write_bytes(bad_inputs.elf())
    (folder / "locked.pdf").write_bytes(bad_inputs.encrypted_pdf(good, "x"))
    (folder / "empty.txt").write_bytes(b"")
    with LoaderPool(2, memory_bytes=256 * MEBIBYTE, seconds=30) as pool:
        found = _by_name(pool.load_all(_items(folder)))
    errors = {name: outcome.error.reason for name, outcome in found.items() if outcome.error}
    assert errors == {"bomb.pdf": "memory", "elf.txt": "unsupported", "locked.pdf": "encrypted", "empty.txt": "empty"}
    assert sum(outcome.loaded is not None for outcome in found.values()) == 6


def test_a_process_that_hangs_is_killed_and_replaced(folder: Path) -> None:
    """Past its time a document is given up with `timeout`; the next one gets a fresh process."""
    before = children_of()
    items = _items(folder)[:3]

    def feed() -> Iterator[SourceItem]:
        yield items[0]
        while not got:
            time.sleep(0.01)
        time.sleep(0.1)
        for child in children_of() - before:
            os.kill(child, signal.SIGSTOP)
        yield from items[1:]

    got: list[LoadOutcome] = []
    with LoaderPool(1, seconds=2) as pool:
        got.extend(outcome for outcome in pool.load_all(_collected(feed(), got)))
    by_name = {outcome.item.uri[-5:]: outcome for outcome in got}
    assert by_name["1.txt"].error is not None and by_name["1.txt"].error.reason == "timeout"
    assert by_name["0.txt"].loaded is not None and by_name["2.txt"].loaded is not None


def _collected(items: Iterator[SourceItem], got: list[LoadOutcome]) -> Iterator[SourceItem]:
    return items


def test_a_process_that_dies_takes_one_document_with_it(folder: Path) -> None:
    """A crash in a parser is told with its signal, however large this process is; everything else is read."""
    make_this_process_large()
    _slow(folder)
    before = children_of()

    def shoot() -> None:
        time.sleep(0.8)
        for child in children_of() - before:
            os.kill(child, signal.SIGSEGV)

    slow = [item for item in _items(folder) if item.uri.endswith("slow.pdf")]
    rest = [item for item in _items(folder) if not item.uri.endswith("slow.pdf")]
    threading.Thread(target=shoot).start()
    with LoaderPool(1) as pool:
        found = _by_name(pool.load_all([*slow, *rest]))
    error = found.pop("slow.pdf").error
    assert error is not None and error.reason == "crashed" and "SIGSEGV" in error.detail
    assert all(outcome.loaded is not None for outcome in found.values()) and len(found) == 6


def test_an_idle_process_that_died_is_not_used(folder: Path) -> None:
    """Between two documents the system may kill a process; no document is lost by that."""
    before = children_of()
    with LoaderPool(1) as pool:
        list(pool.load_all(_items(folder)[:1]))
        for child in children_of() - before:
            os.kill(child, signal.SIGKILL)
        assert all(outcome.loaded for outcome in pool.load_all(_items(folder)))


def test_processes_are_recycled(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After so many documents a process makes way for a fresh one, and its leaks with it."""
    started: list[WorkerProcess] = []

    def start(memory_bytes: int, answer_bytes: int) -> WorkerProcess:
        started.append(WorkerProcess(memory_bytes, answer_bytes))
        return started[-1]

    monkeypatch.setattr(process_stock, "_RECYCLE_AFTER", 2)
    monkeypatch.setattr(process_stock, "WorkerProcess", start)
    with LoaderPool(1) as pool:
        assert all(outcome.loaded is not None for outcome in pool.load_all(_items(folder)))
        assert [process.documents for process in started] == [2, 2, 2]
        assert not any(process.is_alive for process in started)


def test_close_ends_everything_within_two_seconds(folder: Path) -> None:
    """Closing from another thread, as Ctrl-C does, kills what is being read and says so to who waits."""
    _slow(folder)
    before = children_of()
    pool = LoaderPool(2)
    threading.Timer(0.8, pool.close).start()
    begun = time.monotonic()
    with pytest.raises(KBError, match="closed"):
        list(pool.load_all(_items(folder)))
    assert time.monotonic() - begun < 2.8
    assert _gone_within(children_of() - before, 1)
    with pytest.raises(KBError):
        list(pool.load_all(_items(folder)))


def test_leaving_the_iteration_early_kills_what_is_at_work(folder: Path) -> None:
    """Who stops taking outcomes leaves no process busy behind; the pool can be used again."""
    _slow(folder, "0.pdf")
    before = children_of()
    with LoaderPool(2) as pool:
        outcomes = pool.load_all(_items(folder))
        next(outcomes)
        begun = time.monotonic()
        outcomes.close()  # type: ignore[attr-defined]
        assert time.monotonic() - begun < 2
        assert len(children_of() - before) <= 1
        assert len(list(pool.load_all(_items(folder)[1:]))) == 6


@pytest.mark.parametrize("delay", [0.0, 1.5])
def test_children_die_with_a_killed_parent(folder: Path, delay: float) -> None:
    """A parent that is killed outright, its child idle or at work, leaves nothing behind."""
    _slow(folder)
    script = (
        "import sys, time\n"
        "from ingest.sources import walk\nfrom ingest.workers import LoaderPool\n"
        f"pool = LoaderPool(1)\nfor outcome in pool.load_all(walk({str(folder / '0.txt')!r})): pass\n"
        f"print('ready', flush=True)\n"
        f"if {delay}:\n    list(pool.load_all(walk({str(folder / 'slow.pdf')!r})))\n"
        "time.sleep(60)\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]
    )
    try:
        assert parent.stdout is not None and parent.stdout.readline() == "ready\n"
        time.sleep(0.3 if delay else 0.0)
        children = children_of(parent.pid)
        assert len(children) == 1
    finally:
        parent.kill()
        parent.wait()
        parent.stdout.close()  # type: ignore[union-attr]
    assert _gone_within(children, 2)


def test_children_get_no_files_and_no_secrets_and_have_limits(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lock of the writer and the keys in the environment stay with the parent; memory and files are bounded."""
    monkeypatch.setenv("KB_SERVE__API_KEY", "topsecret")
    lock = folder / "LOCK"
    before = children_of()
    with lock.open("w") as held, LoaderPool(1, memory_bytes=256 * MEBIBYTE) as pool:
        os.set_inheritable(held.fileno(), True)
        next(iter(pool.load_all(_items(folder)[:1])))
        (child,) = children_of() - before
        files = {os.readlink(file) for file in Path(f"/proc/{child}/fd").iterdir()}
        assert str(lock) not in files
        assert b"topsecret" not in Path(f"/proc/{child}/environ").read_bytes()
        limits = {
            line[:25].strip(): line[25:].split()[0] for line in Path(f"/proc/{child}/limits").read_text().splitlines()
        }
        assert 256 * MEBIBYTE < int(limits["Max address space"]) < 1024 * MEBIBYTE
        assert int(limits["Max file size"]) <= 16 * MEBIBYTE and limits["Max core file size"] == "0"
        assert limits["Max cpu time"] != "unlimited"


def test_items_are_taken_only_as_fast_as_outcomes(folder: Path) -> None:
    """A caller that is slow to take outcomes holds a few documents in memory, not the whole source."""
    item = _items(folder)[0]
    taken = 0

    def many() -> Iterator[SourceItem]:
        nonlocal taken
        for _ in range(500):
            taken += 1
            yield item

    with LoaderPool(2) as pool:
        outcomes = pool.load_all(many())
        next(outcomes)
        time.sleep(1)
        assert taken < 40
        assert sum(1 for _ in outcomes) == 499


def test_unchanged_content_is_read_but_not_parsed(folder: Path) -> None:
    """A touched file with the same bytes costs no parsing."""
    items = _items(folder)
    known = {items[0].uri: hashlib.sha256((folder / "0.txt").read_bytes()).hexdigest(), items[1].uri: "other"}
    with LoaderPool(1) as pool:
        found = _by_name(pool.load_all(items[:2], known))
    assert found["0.txt"].unchanged and found["0.txt"].loaded is None and found["0.txt"].error is None
    assert not found["1.txt"].unchanged and found["1.txt"].loaded is not None


def test_an_error_of_the_source_is_raised_to_the_caller(folder: Path) -> None:
    """A listing that breaks off does not look like the end of the list."""

    def broken() -> Iterator[SourceItem]:
        yield _items(folder)[0]
        raise RuntimeError("the listing broke")

    with LoaderPool(2) as pool, pytest.raises(RuntimeError, match="the listing broke"):
        list(pool.load_all(broken()))


def test_pages_of_the_web_are_fetched_and_read(folder: Path) -> None:
    """An address becomes a document with its encoding, marks for asking again, and typed failures."""
    with serving() as (address, _):
        urls = [f"{address}/{path}" for path in ("good", "gb", "moved", "login", "nothing", "to-metadata")]
        items = [item for url in urls for item in walk(url) if isinstance(item, SourceItem)]
        with LoaderPool(2, allow_hosts=[address.removeprefix("http://")]) as pool:
            found = _by_name(pool.load_all(items))
        with LoaderPool(1) as pool:
            (refused,) = pool.load_all(items[:1])
    good = found["good"].loaded
    assert good is not None and good.title == "标题" and good.metadata["etag"] == '"v1"'
    assert found["gb"].loaded is not None and "自动重启" in found["gb"].loaded.text
    assert found["moved"].loaded is not None and found["moved"].loaded.metadata["url"] == f"{address}/good"
    errors = {name: outcome.error.reason for name, outcome in found.items() if outcome.error}
    assert errors == {"login": "login_required", "nothing": "vanished", "to-metadata": "forbidden_address"}
    assert refused.error is not None and refused.error.reason == "forbidden_address"


def test_a_process_that_lies_is_not_believed() -> None:
    """Answers with offsets outside of the text, or without sense, are `crashed`."""
    loaded = Loaded("文字", "t", (), (), "text/plain", "text")
    header, body = answer_of(loaded)
    assert header and body.decode() == "文字"
    base = {"title": "t", "headings": [], "media_type": "", "extractor": "", "warnings": [], "metadata": {}}
    for wrong in ({"pages": [[1, 0, 99]]}, {"pages": [[1, 2, 1]]}, {"pages": "x"}, {}):
        with pytest.raises(DocumentError) as caught:
            loaded_of({"loaded": {**base, **wrong}}, body)
        assert caught.value.reason == "crashed"


def test_a_process_that_cannot_start_stops_the_run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A broken installation is one error of the whole run, not a failure of each document."""
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with LoaderPool(1) as pool, pytest.raises(KBError, match="cannot be started"):
        list(pool.load_all(_items(folder)))


@pytest.mark.long
def test_heavy_documents_end_within_their_limits(tmp_path: Path) -> None:
    """Bombs, a million operators, 10,000 pages, 50 MB in one line, 500 MB: each a result or a typed error."""
    (tmp_path / "bomb.pdf").write_bytes(bad_inputs.flate_bomb(1500))
    (tmp_path / "twice.pdf").write_bytes(bad_inputs.double_flate_bomb(1500))
    (tmp_path / "operators.pdf").write_bytes(bad_inputs.many_operators(1_000_000))
    (tmp_path / "pages.pdf").write_bytes(bad_inputs.many_pages(10_000))
    (tmp_path / "line.txt").write_bytes("没有换行的一行文字".encode() * 1_950_000)
    with (tmp_path / "big.txt").open("wb") as stream:
        stream.truncate(500 * MEBIBYTE)
    (tmp_path / "good.txt").write_text("好文件。")
    with LoaderPool(2) as pool:
        found = _by_name(pool.load_all(_items(tmp_path)))
    assert {name: outcome.error.reason for name, outcome in found.items() if outcome.error} == {
        "bomb.pdf": "memory",
        "twice.pdf": "memory",
        "big.txt": "too_large",
    }
    assert found["pages.pdf"].loaded is not None and len(found["pages.pdf"].loaded.pages) == 10_000
    assert found["line.txt"].loaded is not None and len(found["line.txt"].loaded.text) == 9 * 1_950_000


def test_names_of_files_are_titles_as_they_are_written(tmp_path: Path) -> None:
    """A `?`, `#` or `%` in a name is one in the title; a line end stays encoded, so a title is one line."""
    for name in ("问?号#百%分.txt", "两\n行.txt", "%3F.txt"):
        (tmp_path / name).write_text("一句没有标题的话。", encoding="utf-8")
    pool = LoaderPool(1)
    try:
        loaded = [outcome.loaded for outcome in pool.load_all(_items(tmp_path))]
    finally:
        pool.close()
    assert {one.title for one in loaded if one is not None} == {"问?号#百%分.txt", "两%0A行.txt", "%3F.txt"}
