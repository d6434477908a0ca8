"""Keyword segments and BM25, against a plain computation from the definition."""

from __future__ import annotations

import gc
import math
import os
import random
import shutil
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from indexes.errors import DamagedError, UsageError
from indexes.keywords import best_passages
from indexes.keywords import segment as keyword_segment
from indexes.keywords import writer as keyword_writer
from indexes.keywords.bm25 import K1, B, KeywordEntry, KeywordSearcher, KeywordSegment, write_keywords
from indexes.text.matching import query_terms, terms

WORDS = (
    *("知识库", "检索", "向量", "关键词", "文档", "回答", "引用", "页码", "模型", "显存", "量化"),
    *("qwen", "gpt-4", "index", "segment", "delta"),
)


def passages(count: int, seed: int = 0) -> list[KeywordEntry]:
    rng = random.Random(seed)
    return [
        KeywordEntry(f"标题{rng.choice(WORDS)}", rng.choice(WORDS), "，".join(rng.choices(WORDS, k=rng.randint(1, 30))))
        for _ in range(count)
    ]


def built(folder: Path, entries: list[KeywordEntry]) -> KeywordSegment:
    folder.mkdir(parents=True)
    write_keywords(folder, entries)
    return KeywordSegment.open(folder)


def all_live(segment: KeywordSegment) -> NDArray[np.bool_]:
    return np.ones(segment.count, dtype=np.bool_)


def plain_bm25(entries: list[KeywordEntry], wanted: NDArray[np.uint64]) -> list[float]:
    """BM25 from its definition, passage by passage."""
    bags = [Counter(map(int, terms(f"{e.title}\n{e.heading}\n{e.text}"))) for e in entries]
    mean = sum(bag.total() for bag in bags) / len(bags)
    scores = []
    for bag in bags:
        score = 0.0
        for term in map(int, wanted):
            holders = sum(term in other for other in bags)
            weight = math.log(1 + (len(bags) - holders + 0.5) / (holders + 0.5))
            score += weight * bag[term] * (K1 + 1) / (bag[term] + K1 * (1 - B + B * bag.total() / mean))
        scores.append(score)
    return scores


def test_scores_are_bm25_by_its_definition(tmp_path: Path) -> None:
    """Every passage that holds a term is found, best first, with the score of the textbook formula."""
    entries = passages(60)
    segment = built(tmp_path / "a", entries)
    searcher = KeywordSearcher([(segment, all_live(segment))])
    for question in ("显存不够怎么量化", "gpt-4 index", "引用页码是多少"):
        expected = plain_bm25(entries, query_terms(question))
        found = searcher.search(query_terms(question), 60)
        assert [match.score for match in found] == sorted((match.score for match in found), reverse=True)
        assert {match.position for match in found} == {i for i, score in enumerate(expected) if score > 0}
        for match in found:
            assert match.score == pytest.approx(expected[match.position], rel=1e-5)


def test_base_delta_and_tombstones_score_as_one_built_anew(tmp_path: Path) -> None:
    """Dead passages and the division into segments leave no trace: the same passages, the same scores to the bit."""
    entries = passages(90)
    live = np.random.default_rng(1).random(90) < 0.7
    kept = [entry for entry, alive in zip(entries, live, strict=True) if alive]
    parts = [built(tmp_path / "base", entries[:70]), built(tmp_path / "delta", entries[70:])]
    grown = KeywordSearcher([(parts[0], live[:70]), (parts[1], live[70:])])
    anew = built(tmp_path / "anew", kept)
    rebuilt = KeywordSearcher([(anew, all_live(anew))])
    numbers = [np.cumsum(live)[:70] - 1, np.cumsum(live)[70:] - 1]
    for question in ("显存量化模型", "知识库检索文档", "qwen segment delta"):
        chosen = query_terms(question)
        assert np.array_equal(grown.weights(chosen), rebuilt.weights(chosen))
        first = {(int(numbers[m.segment][m.position]), m.score) for m in grown.search(chosen, 90)}
        assert first == {(m.position, m.score) for m in rebuilt.search(chosen, 90)}


def test_skipping_frequent_terms_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the shortcut for frequent terms taken as early as it can be, the best ten and their scores stay the same."""
    rng = random.Random(3)
    entries = [
        KeywordEntry(
            "", "", "的" * rng.randint(1, 9) + "知识" * rng.randint(0, 2) + ("罕见词" if number % 97 == 0 else "")
        )
        for number in range(3000)
    ]
    segment = built(tmp_path / "a", entries)
    searcher = KeywordSearcher([(segment, all_live(segment))])
    chosen = query_terms("罕见词的知识")
    plain = searcher.search(chosen, 10)
    monkeypatch.setattr(best_passages, "_BATCH", 1)
    looked_up: list[int] = []
    original = best_passages.PassageScorer._add_to

    def spy(scorer: best_passages.PassageScorer, candidates: NDArray[np.int64], *rest: Any) -> None:
        looked_up.append(candidates.size)
        original(scorer, candidates, *rest)

    monkeypatch.setattr(best_passages.PassageScorer, "_add_to", spy)
    assert searcher.search(chosen, 10) == plain
    assert looked_up, "the shortcut was never taken: the test shows nothing"
    assert max(looked_up) < 100


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 1 << 30),
    count=st.integers(1, 120),
    borders=st.lists(st.integers(0, 120), max_size=3),
    dead=st.sampled_from([0.0, 0.1, 0.6]),
    admitted=st.sampled_from([1.0, 0.5]),
    k=st.integers(1, 12),
    batch=st.sampled_from([1, 40, 1 << 15]),
    pool=st.sampled_from([1, 8, 4096]),
    mapped=st.sampled_from([0, 1 << 24]),
)
def test_the_best_are_those_of_the_textbook(
    seed: int, count: int, borders: list[int], dead: float, admitted: float, k: int, batch: int, pool: int, mapped: int
) -> None:
    """However passages are spread, killed, filtered and batched: the best k by BM25 computed one by one, ties and all.

    Scores are the same to the bit as those of one segment of the live passages alone.
    """
    rng = np.random.default_rng(seed)
    # Few words and many repeats: scores tie often.
    drawn = [rng.choice(WORDS, rng.integers(1, 6)).tolist() for _ in range(count)]
    entries = [KeywordEntry("", "", "，".join(words)) for words in drawn]
    live = rng.random(count) >= dead
    wanted = rng.random(count) < admitted
    kept = [entry for entry, alive in zip(entries, live, strict=True) if alive]
    chosen = query_terms("".join(rng.choice(WORDS, 3).tolist()))
    edges = [0, *sorted(min(border, count) for border in borders), count]
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        parts = [built(Path(folder) / str(i), entries[a:b]) for i, (a, b) in enumerate(pairwise(edges))]
        anew = built(Path(folder) / "anew", kept)
        patch.setattr(best_passages, "_BATCH", batch)
        patch.setattr(best_passages, "_POOL", pool)
        patch.setattr(keyword_segment, "_MAPPED_POSTINGS", mapped)
        patch.setattr(best_passages, "_LOOK_UP", int(rng.integers(0, 3)))
        masks = [live[a:b] for a, b in pairwise(edges)]
        grown = KeywordSearcher(list(zip(parts, masks, strict=True)))
        filters = [wanted[a:b] for a, b in pairwise(edges)]
        for _ in range(2):  # the second time with accumulators that were used before
            found = grown.search(chosen, k, filters)
            tied = grown.search(chosen, k, filters, ties=True)
        everything = KeywordSearcher([(anew, all_live(anew))]).search(chosen, max(1, count))
    old = np.flatnonzero(live)
    exact = {int(old[match.position]): match.score for match in everything}
    plain = plain_bm25(kept, chosen) if kept else []
    assert exact.keys() == {int(old[number]) for number, score in enumerate(plain) if score > 0}
    for number, score in enumerate(plain):
        assert exact.get(int(old[number]), 0.0) == pytest.approx(score, rel=1e-5)
    ranked = sorted((-score, number) for number, score in exact.items() if wanted[number])
    assert [(-match.score, edges[match.segment] + match.position) for match in found] == ranked[:k]
    least = ranked[min(k, len(ranked)) - 1][0] if ranked else 0.0
    expected = [item for item in ranked if item[0] <= least][: 4 * k]
    assert [(-match.score, edges[match.segment] + match.position) for match in tied] == expected


def test_a_narrower_mask_removes_hits_and_changes_no_score(tmp_path: Path) -> None:
    """Filters admit passages; statistics stay those of all live ones."""
    segment = built(tmp_path / "a", passages(50))
    searcher = KeywordSearcher([(segment, all_live(segment))])
    mask = np.arange(50) % 3 == 0
    chosen = query_terms("文档检索")
    assert searcher.search(chosen, 50, [mask]) == [m for m in searcher.search(chosen, 50) if mask[m.position]]


def test_batches_leave_no_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The files are byte for byte the same whether passages are inverted together or a few at a time."""
    entries = [*passages(40), KeywordEntry("", "", ""), KeywordEntry("a\ufdd0b", "", "c\ufdd0")]
    built(tmp_path / "together", entries)
    monkeypatch.setattr(keyword_writer, "_BATCH_CHARACTERS", 100)
    built(tmp_path / "apart", entries)
    files = sorted(file.name for file in (tmp_path / "together").iterdir())
    assert files == sorted(f"{name}.npy" for name in keyword_writer.FILES)
    for name in files:
        assert (tmp_path / "together" / name).read_bytes() == (tmp_path / "apart" / name).read_bytes()


def test_units_keep_order_sentences_and_bigrams(tmp_path: Path) -> None:
    """A passage's units can be read back in order: title, heading and text are sentences of their own."""
    segment = built(tmp_path / "a", [KeywordEntry("题", "", "知识。库 ok"), KeywordEntry("", "", "别的")])
    units, flags, sizes = segment.units_of(np.array([1, 0]))
    assert sizes.tolist() == [2, 5]
    units, flags = units[2:], flags[2:]
    expected = [int(terms(character)[0]) for character in ("题", "知", "识", "库", "ok")]
    assert [int(segment.terms[unit]) for unit in units] == expected
    assert [bool(flag & keyword_writer.SENTENCE_BEGINS) for flag in flags] == [True, True, False, True, False]
    assert [bool(flag & keyword_writer.ADJOINS) for flag in flags] == [False, False, True, False, False]


def test_a_segment_with_dead_passages_and_none_of_the_terms(tmp_path: Path) -> None:
    """Terms that only the other segment holds are found there, and counted there alone."""
    other = built(tmp_path / "other", [KeywordEntry("", "", "显存")] * 3)
    some = built(tmp_path / "some", passages(5))
    searcher = KeywordSearcher([(other, np.array([True, False, True])), (some, all_live(some))])
    assert {match.segment for match in searcher.search(query_terms("文档"), 9)} <= {1}
    assert searcher.holders(query_terms("zzzyyy")).tolist() == [0]


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="open files are counted where the system lists them")
def test_an_open_segment_outlives_its_files_and_keeps_none_open_for_ever(tmp_path: Path) -> None:
    """Units are read after the names are gone, as gc leaves them; a segment that is dropped closes its files."""
    before = len(os.listdir("/proc/self/fd"))
    segment = built(tmp_path / "a", passages(5))
    expected = segment.units_of(np.array([2, 4]))[0].tolist()
    shutil.rmtree(tmp_path / "a")
    assert segment.units_of(np.array([2, 4]))[0].tolist() == expected
    assert expected
    del segment
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) <= before


def test_threads_share_a_searcher(tmp_path: Path) -> None:
    """Asked by eight threads at once, a searcher gives what it gives to one: no accumulator is shared or left dirty."""
    segment = built(tmp_path / "a", passages(300))
    searcher = KeywordSearcher([(segment, all_live(segment))])
    asked = [query_terms(f"{first}{second}") for first in WORDS for second in WORDS]
    alone = [searcher.search(question, 10) for question in asked]
    with ThreadPoolExecutor(8) as threads:
        together = list(threads.map(lambda question: searcher.search(question, 10), asked * 3))
    assert together == alone * 3


def test_nothing_is_found_where_nothing_is(tmp_path: Path) -> None:
    """An empty segment, no segment, unknown terms and k = 0 give no matches and the highest weights."""
    empty = built(tmp_path / "empty", [])
    some = built(tmp_path / "some", passages(5))
    unknown = query_terms("zzzyyy")
    for searcher in (KeywordSearcher([]), KeywordSearcher([(empty, all_live(empty)), (some, all_live(some))])):
        assert searcher.search(unknown, 5) == []
        assert searcher.search(query_terms("文档"), 0) == []
    assert KeywordSearcher([(some, all_live(some))]).weights(unknown)[0] == pytest.approx(math.log(1 + 5.5 / 0.5))


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    """A missing file, a cut file and files of different segments each end in DamagedError."""
    for name in ("missing", "cut", "mixed"):
        built(tmp_path / name, passages(20))
    (tmp_path / "missing" / "terms.npy").unlink()
    cut = tmp_path / "cut" / "postings.npy"
    cut.write_bytes(cut.read_bytes()[:-8])
    built(tmp_path / "other", passages(3, seed=9))
    (tmp_path / "other" / "units.npy").replace(tmp_path / "mixed" / "units.npy")
    for name in ("missing", "cut", "mixed"):
        with pytest.raises(DamagedError, match="verify"):
            KeywordSegment.open(tmp_path / name)
    whole = built(tmp_path / "whole", passages(4))
    with pytest.raises(UsageError, match="mask"):
        KeywordSearcher([(whole, np.ones(3, dtype=np.bool_))])
    os.truncate(tmp_path / "whole" / "units.npy", 140)
    with pytest.raises(DamagedError, match="cut short"):
        whole.units_of(np.arange(4))
