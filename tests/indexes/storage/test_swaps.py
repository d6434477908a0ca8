"""Readers in other processes open versions while they are swapped and collected, without one failure."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from indexes.store import Store
from tests.conftest import ROOT
from tests.indexes.storage_samples import EMBEDDING, fill, make_store, shown


@contextmanager
def _publisher(path: Path, keep_versions: int, young_seconds: float) -> Iterator[None]:
    store = make_store(path)
    fill(store, 4)
    store.close()
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.indexes.storage.swap_publisher",
         str(path), str(keep_versions), str(young_seconds)],
        cwd=ROOT, stdout=subprocess.PIPE,
    )  # fmt: skip
    try:
        assert process.stdout is not None and process.stdout.readline() == b"0\n"
        yield
        assert process.poll() is None, "the publisher died"
    finally:
        process.kill()
        process.communicate()


def _open_often(path: Path, times: int, keep_versions: int, young_seconds: float, *, rows: bool) -> None:
    steady = Store.open(path, embedding=EMBEDDING) if (path / "CURRENT").exists() else None
    with _publisher(path, keep_versions, young_seconds):
        steady = steady or Store.open(path, embedding=EMBEDDING)
        last, seen = 0, set()
        for _ in range(times):
            fresh = Store.open(path, embedding=EMBEDDING)
            snapshot = fresh.snapshot()
            assert snapshot.version >= last, "a version goes backwards"
            last = snapshot.version
            seen.add(last)
            if rows:
                assert len({text[-9:] for text in shown(snapshot).values()}) == 1, "a version is torn"
            for segment in snapshot.segments:
                assert segment.vectors.count == segment.row_ids.size
            fresh.close()
            assert steady.snapshot().version >= last
            last = steady.snapshot().version
        assert len(seen) > 3, "nothing was swapped meanwhile"
        steady.close()


def test_opening_during_swaps_never_fails(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """New readers open, and old ones move on, while another process publishes: whole versions, never an older one."""
    with caplog.at_level(logging.WARNING):
        _open_often(tmp_path / "kb", 200, keep_versions=5, young_seconds=60.0, rows=True)
    assert not caplog.records, "no version had to be passed over"


def test_opening_what_is_collected_at_once_never_fails(tmp_path: Path) -> None:
    """Even where each old version is removed at once, a reader that meets the removal takes the next version."""
    _open_often(tmp_path / "kb", 200, keep_versions=1, young_seconds=0.0, rows=False)


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(("keep_versions", "young_seconds"), [(5, 60.0), (1, 0.0)])
def test_ten_thousand_openings_during_swaps(tmp_path: Path, keep_versions: int, young_seconds: float) -> None:
    """The same ten thousand times."""
    _open_often(tmp_path / "kb", 10_000, keep_versions, young_seconds, rows=keep_versions > 1)
