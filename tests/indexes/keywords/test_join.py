"""Joining inverted batches gives the same files however the text is cut into batches and ranges of terms."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import pytest

from benchmarks.synthetic_text import passages
from indexes.keywords import join as keyword_join
from indexes.keywords import writer as keyword_writer
from indexes.keywords.writer import FILES, KeywordEntry, write_keywords


def written(folder: Path, entries: list[KeywordEntry]) -> dict[str, bytes]:
    folder.mkdir()
    write_keywords(folder, entries)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize(
    ("characters", "postings", "terms"), [(3_000, 1 << 20, 1 << 20), (3_000, 700, 300), (1, 50, 9)]
)
def test_batches_and_ranges_leave_no_trace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, characters: int, postings: int, terms: int
) -> None:
    """One batch and one range, and many of both, write the same bytes and leave nothing else in the folder."""
    texts = list(islice(passages(60), 60))
    entries = [KeywordEntry("标题", f"第{number}章", text) for number, text in enumerate(texts)]
    entries[7] = KeywordEntry("", "", "")
    whole = written(tmp_path / "whole", entries)
    monkeypatch.setattr(keyword_writer, "_BATCH_CHARACTERS", characters)
    monkeypatch.setattr(keyword_join, "_RANGE_POSTINGS", postings)
    monkeypatch.setattr(keyword_join, "_RANGE_TERMS", terms)
    assert written(tmp_path / "cut", entries) == whole
    assert sorted(whole) == sorted(f"{name}.npy" for name in FILES)


def test_passages_without_terms_make_a_segment(tmp_path: Path) -> None:
    """Nothing at all, and passages of marks alone, are written as empty arrays."""
    assert set(written(tmp_path / "none", [])) == {f"{name}.npy" for name in FILES}
    assert set(written(tmp_path / "marks", [KeywordEntry("", "", "。。。")])) == {f"{name}.npy" for name in FILES}
