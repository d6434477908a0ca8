"""Closeness: shares worked out by hand, and the same however passages are spread and units are looked up."""

from __future__ import annotations

from dataclasses import astuple
from pathlib import Path

import numpy as np
import pytest

from indexes.keywords.bm25 import KeywordEntry, KeywordSearcher, KeywordSegment, write_keywords
from indexes.ranking import closeness
from indexes.ranking.closeness import Closeness, measure
from indexes.ranking.question import QuestionTerms
from indexes.text.matching import query_terms

TEXTS = ("甲乙丙丁。戊己", "丙丁。甲乙，qwen 7", "庚辛壬癸", "")


def built(folder: Path, texts: tuple[str, ...]) -> KeywordSegment:
    folder.mkdir()
    write_keywords(folder, [KeywordEntry("", "", text) for text in texts])
    return KeywordSegment.open(folder)


def asked(question: str, *segments: KeywordSegment) -> QuestionTerms:
    return QuestionTerms.of(question, KeywordSearcher([(s, np.ones(s.count, dtype=np.bool_)) for s in segments]))


def equal(first: Closeness, second: Closeness) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(astuple(first), astuple(second), strict=True))


def test_shares_are_those_of_the_questions_weight(tmp_path: Path) -> None:
    """The whole question in one sentence gives 1 throughout; half a question gives less; none gives 0."""
    segment = built(tmp_path / "a", TEXTS)
    question = asked("甲乙丙丁", segment)
    found = measure(question, [(segment, i) for i in range(4)], np.eye(4, dtype=np.bool_))
    assert [round(float(values[0]), 9) for values in astuple(found)] == [1.0] * 6
    weight = dict(zip(question.terms.tolist(), question.weights.tolist(), strict=True))
    first, second = (
        sum(weight[int(term)] for term in query_terms(pair) if term in question.unit_ids) for pair in ("甲乙", "丙丁")
    )
    assert found.phrase[1] == pytest.approx(max(first, second) / (first + second))
    assert 0 < found.sentence[1] < found.passage[1] < 1
    assert found.context[2] == found.passage[2] == found.sentence[2] == found.window[2] == found.phrase[2] == 0
    assert found.passage[3] == 0
    near = np.ones((4, 4), dtype=np.bool_)
    assert measure(question, [(segment, i) for i in range(4)], near).context.tolist() == pytest.approx([1.0] * 4)


def test_words_and_numbers_count_by_themselves(tmp_path: Path) -> None:
    """`special` is the share of words and numbers; a question without any leaves it at 1."""
    segment = built(tmp_path / "a", TEXTS)
    found = measure(asked("qwen 7 甲", segment), [(segment, 0), (segment, 1)], np.eye(2, dtype=np.bool_))
    assert found.special.tolist() == pytest.approx([0.0, 1.0])


def test_segments_and_tables_leave_no_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Passages of two segments in mixed order, and units that share a row of the table, measure the same."""
    one = built(tmp_path / "one", TEXTS)
    parts = built(tmp_path / "first", TEXTS[:1]), built(tmp_path / "rest", TEXTS[1:])
    question = asked("甲丙丁戊 qwen 辛壬", one)
    order = (1, 0, 3, 2)
    near = np.eye(4, dtype=np.bool_)
    whole = measure(question, [(one, i) for i in order], near)
    assert whole.passage.max() > 0
    spread = [(parts[0], 0) if i == 0 else (parts[1], i - 1) for i in order]
    assert equal(measure(question, spread, near), whole)
    monkeypatch.setattr(closeness, "_TABLE_BITS", 1)
    assert equal(measure(question, [(one, i) for i in order], near), whole)


def test_nothing_to_measure(tmp_path: Path) -> None:
    """No passages, and passages without a word, give zeros of the right shape."""
    segment = built(tmp_path / "a", TEXTS)
    question = asked("甲乙", segment)
    assert measure(question, [], np.zeros((0, 0), dtype=np.bool_)).passage.shape == (0,)
    assert measure(question, [(segment, 3)], np.eye(1, dtype=np.bool_)).passage.tolist() == [0.0]
