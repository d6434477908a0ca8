"""Each engine that is compared finds what plain BM25 finds, over the same terms."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.keyword_engines import ENGINES, spelt
from benchmarks.keywords import exactness, names
from benchmarks.synthetic_text import passages
from indexes.text.matching import query_terms, terms

TEXTS = list(enumerate(passages(300)))
ASKED = [text[40:52] for _, text in TEXTS[::30]]


@pytest.mark.parametrize("name", list(ENGINES))
def test_an_engine_finds_the_passage_that_a_question_quotes(name: str, tmp_path: Path) -> None:
    """Opened anew, every engine puts the passage with the words of the question first, and scores fall."""
    if name in ("tantivy", "bm25s"):
        pytest.importorskip(name)
    ENGINES[name](tmp_path).build(iter(TEXTS))
    engine = ENGINES[name](tmp_path)
    engine.open()
    for place, question in enumerate(ASKED):
        found = engine.search(query_terms(question), 10)
        assert found[0][0] == 30 * place
        assert [score for _, score in found] == sorted((score for _, score in found), reverse=True)


def test_ours_is_exact_after_growing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A base with a delta and removals gives the passages and scores of one built anew, and the measure says so."""
    monkeypatch.setattr("benchmarks.keywords.EXACT_CHUNKS", 400)
    figures = exactness("ours", tmp_path)
    assert figures == {
        "exact: same passages": 1.0,
        "exact: same best score": 1.0,
        "exact: median difference of it": 0.0,
    }


def test_ties_with_the_last_are_left_out() -> None:
    """Which of equal passages is kept at the end of a list says nothing."""
    assert names([(7, 2.0), (3, 1.0), (4, 1.0)]) == {7}


def test_terms_are_spelt_one_word_each() -> None:
    """As many distinct words as distinct terms, of letters and digits alone."""
    ids = terms(TEXTS[0][1])
    words = spelt(ids).split()
    assert len(words) == ids.size
    assert len(set(words)) == len(set(ids.tolist()))
    assert all(word.isalnum() and len(word) == 12 for word in words)
