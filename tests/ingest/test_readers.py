"""LlamaIndex readers as sources, with the real `SimpleDirectoryReader`."""

from __future__ import annotations

from pathlib import Path

import pytest

from indexes.errors import ConfigurationError
from ingest.plan import RemovalLimitError
from ingest.report import IngestReport
from ingest.targets import Target
from tests.ingest.library import Library, sentences

pytest.importorskip("llama_index.core")

DIRECTORY = "llama_index.core.readers.SimpleDirectoryReader"


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
    kept = ingest(library, folder_target(library), prune=False)
    assert (kept.changed, kept.removed, kept.embedded) == (1, 0, 1)
    with pytest.raises(RemovalLimitError, match="1 of 2"):
        ingest(library, folder_target(library), limit=0.3)
    assert len(library.documents()) == 2
    assert ingest(library, folder_target(library)).removed == 1
    assert len(library.documents()) == 1


def test_failing_reader(library: Library) -> None:
    """A reader that fails is reported, and what it yielded earlier stays."""
    target = folder_target(library)
    ingest(library, target)
    broken = Target(source="wiki", reader=DIRECTORY, arguments={**target.arguments, "load_data": {"nonsense": 1}})
    report = ingest(library, broken)
    assert [(failed.uri, failed.error) for failed in report.failed] == [("reader:wiki", "unreadable")]
    assert sum(stored.status == "ready" for stored in library.documents().values()) == 2
    assert ingest(library, target, prune=False).failed == ()
    assert len(library.documents()) == 2


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
        (DIRECTORY, {"nonsense": 1}),
    ],
)
def test_wrong_readers(library: Library, reader: str, arguments: dict[str, object]) -> None:
    """What is no reader, cannot be imported or cannot be made is a configuration error that names it."""
    with pytest.raises(ConfigurationError, match=reader.replace(".", r"\.")):
        ingest(library, Target(source="wiki", reader=reader, arguments=arguments))
