"""LlamaIndex readers as sources, with the real `SimpleDirectoryReader`."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from indexes.errors import ConfigurationError, DocumentError
from ingest.plan import RemovalLimitError
from ingest.readers import ReaderLimits, read_with
from ingest.report import IngestReport
from ingest.stopping import IngestInterrupted
from ingest.targets import Target
from tests.ingest.library import Library, sentences

pytest.importorskip("llama_index.core")

DIRECTORY = "llama_index.core.readers.SimpleDirectoryReader"
HARD = "tests.ingest.hard_readers.HardReader"


@pytest.fixture
def library(tmp_path: Path) -> Library:
    library = Library(tmp_path)
    library.write("a.txt", sentences("采购", 9))
    library.write("sub/差旅%.md", "Every trip is approved first.\n")
    return library


def ingest(
    library: Library, target: Target, *, prune: bool = True, dry_run: bool = False, limit: float | None = None
) -> IngestReport:
    store = library.open_store(create=True)
    try:
        return library.pipeline(lambda: store).ingest([target], prune=prune, dry_run=dry_run, max_removed_share=limit)
    finally:
        store.close()


def folder_target(library: Library) -> Target:
    return Target(source="wiki", reader=DIRECTORY, arguments={"input_dir": str(library.docs), "recursive": True})


def test_reading_twice(library: Library) -> None:
    """What a reader reads is in under a stable address, is found by its source, and is read once only."""
    report = ingest(library, folder_target(library))
    assert (report.added, report.failed) == (2, ())
    documents = library.documents()
    assert set(documents) == {f"reader:wiki/{library.docs}/a.txt", f"reader:wiki/{library.docs}/sub/差旅%25.md"}
    stored = documents[f"reader:wiki/{library.docs}/a.txt"].document
    assert (stored.text, stored.title, stored.source) == (sentences("采购", 9), "a.txt", "wiki")
    assert stored.metadata["file_type"] == "text/plain"
    again = ingest(library, folder_target(library))
    assert (again.version, again.unchanged, again.embedded) == (report.version, 2, 0)


def test_changes_and_removals(library: Library) -> None:
    """Changed documents are embedded where they changed; those that the reader no longer has go with `prune`."""
    ingest(library, folder_target(library))
    library.write("a.txt", sentences("采购", 9) + "新增一条规定。")
    (library.docs / "sub" / "差旅%.md").unlink()
    with pytest.raises(RemovalLimitError, match="1 of 2"):
        ingest(library, folder_target(library), limit=0.3)
    assert len(library.documents()) == 2
    last = ingest(library, folder_target(library))
    assert (last.removed, len(library.documents())) == (1, 1)


def test_failing_reader(library: Library) -> None:
    """A reader that fails is reported, and what it yielded earlier stays."""
    target = folder_target(library)
    ingest(library, target)
    broken = Target(source="wiki", reader=DIRECTORY, arguments={**target.arguments, "load_data": {"nonsense": 1}})
    report = ingest(library, broken)
    assert [(failed.uri, failed.error) for failed in report.failed] == [("reader:wiki", "unreadable")]
    assert sum(stored.status == "ready" for stored in library.documents().values()) == 2


def test_dry_run(library: Library) -> None:
    """A dry run calls no reader: what it would yield is not known."""
    report = ingest(library, Target(source="wiki", reader="no.such.Reader"), dry_run=True)
    assert [(one.uri, one.action) for one in report.planned] == [("reader:wiki", "check")]
    assert (report.added, report.unchanged) == (0, 0)


@pytest.mark.parametrize(
    ("reader", "arguments"),
    [
        ("SimpleDirectoryReader", {}),
        ("no.such.Reader", {}),
        ("llama_index.core.readers.NoSuchReader", {}),
        ("pathlib.Path", {}),
        ("os.system", {}),
        (DIRECTORY, {"input_dir": "/no/such/folder"}),
        (DIRECTORY, {"input_dir": object()}),
    ],
)
def test_wrong_readers(library: Library, reader: str, arguments: dict[str, object]) -> None:
    """What is no reader, cannot be imported or cannot be made is a configuration error that names it."""
    with pytest.raises(ConfigurationError, match=reader.replace(".", r"\.")):
        ingest(library, Target(source="wiki", reader=reader, arguments=arguments))


def hard(deed: str, note: str = "") -> Target:
    return Target(source="hard", reader=HARD, arguments={"deed": deed, "note": note})


@pytest.mark.parametrize(
    ("deed", "limits", "reason"),
    [
        ("swallow", ReaderLimits(), "memory"),
        ("exit", ReaderLimits(), "crashed"),
        ("none", ReaderLimits(documents=5), "too_large"),
        ("none", ReaderLimits(text_bytes=1 << 19), "too_large"),
    ],
)
def test_a_reader_that_takes_too_much_fails_alone(deed: str, limits: ReaderLimits, reason: str) -> None:
    """Memory, documents and text are bounded, and a reader that dies takes nothing with it but itself."""
    with pytest.raises(DocumentError, match="HardReader") as caught:
        list(read_with(hard(deed), limits))
    assert caught.value.reason == reason


def test_a_reader_has_the_environment_and_may_print(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys in the environment reach the reader, and what it prints does not get among its documents."""
    monkeypatch.setenv("READER_KEY", "the key")
    found = {outcome.item.uri: outcome for outcome in read_with(hard("print"))}
    assert sorted(found) == ["reader:hard/d0", "reader:hard/d1", "reader:hard/d2", "reader:hard/d3", "reader:hard/d4",
                             "reader:hard/key"]  # fmt: skip
    loaded = found["reader:hard/key"].loaded
    assert loaded is not None and loaded.text == "the key"


@pytest.mark.parametrize("cancelled", [True, pytest.param(False, marks=pytest.mark.long)])
def test_a_reader_that_hangs_is_killed_with_all_that_it_started(tmp_path: Path, cancelled: bool) -> None:
    """Ctrl-C does not wait for a reader, and neither does a run whose time is up."""
    note = tmp_path / "note"
    cancel = threading.Event()
    limits = ReaderLimits(seconds=600.0 if cancelled else 20.0)
    raised: list[BaseException] = []

    def read() -> None:
        try:
            list(read_with(hard("hang", str(note)), limits, cancel))
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=read)
    thread.start()
    if cancelled:
        assert until(note.exists)
        cancel.set()
    thread.join(60)
    assert not thread.is_alive()
    if cancelled:
        assert isinstance(raised[0], IngestInterrupted)
    else:
        assert isinstance(raised[0], DocumentError) and raised[0].reason == "timeout"
    if note.exists():  # on a busy machine the time may be up before the reader is made
        assert until(lambda: not any(is_running(int(process)) for process in note.read_text().split()))


def until(holds: Callable[[], bool], seconds: float = 60.0) -> bool:
    """Wait until something holds; False where it does not in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if holds():
            return True
        time.sleep(0.02)
    return False


def is_running(process: int) -> bool:
    """Tell whether a process is there and no mere entry of a dead one."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
