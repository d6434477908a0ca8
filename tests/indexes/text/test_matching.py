"""Folding, terms, question words and language."""

from __future__ import annotations

import subprocess
import sys
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexes.text.folding import code_points, text_of
from indexes.text.matching import detect_language, fold, folded_query, query_terms, terms
from indexes.text.pieces import cut


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("臺灣的電腦軟體", "台湾的电脑软体"),
        ("ＡＢＣ１２３，（全形）", "abc123,(全形)"),
        ("Straße", "strasse"),
        ("ﾊﾟｿｺﾝ", "パソコン"),
        ("ﬁle…", "file..."),
        ("知\u200b识\ufeff库\u202e", "知识库"),
        ("e\u0301tude", "\u00e9tude"),
        ("1,000,000 和 1，２34 与 1,2", "1000000 和 1234 与 1,2"),
        ("二〇〇八年八月", "2008年八月"),
        ("百分之三十五点二", "35.2%"),
        ("百分之一百零五", "105%"),
        ("百分之30", "30%"),
        ("百分之十五和百分之零", "15%和0%"),
        ("百分之百", "百分之百"),
        ("gpt–4‐turbo", "gpt-4-turbo"),
    ],
)
def test_spellings_of_one_thing_fold_to_one_form(text: str, folded: str) -> None:
    """Width, case, script variant, invisible characters and numerals do not keep a match apart."""
    assert fold(text) == folded


@given(st.text())
def test_folding_twice_changes_nothing_and_any_text_has_terms_of_its_folded_form(text: str) -> None:
    """For arbitrary Unicode, `fold` is idempotent enough for terms: both forms have the same terms."""
    assert sorted(terms(fold(text))) == sorted(terms(text))


@given(st.text(alphabet=st.characters(blacklist_categories=())))
def test_lone_surrogates_and_control_characters_do_no_harm(text: str) -> None:
    """Code points go through arrays and back unchanged, and every unit lies within the text."""
    assert text_of(code_points(text)) == text
    pieces = cut(fold(text))
    assert (pieces.starts < pieces.ends).all()
    assert pieces.sentence_begins[:1].all()


def shared(first: str, second: str) -> int:
    return len(np.intersect1d(terms(first), terms(second)))


def test_chinese_is_matched_by_characters_and_bigrams() -> None:
    """知识库 has three characters and two bigrams; no bigram reaches over a mark or from a Latin letter."""
    assert len(terms("知识库")) == 5
    assert len(terms("知，识 库")) == 3
    assert len(terms("知A识")) == 3
    assert shared("知识库", "识知") == 2
    assert shared("𠀀𠀁", "𠀀𠀁") == 3  # beyond the basic plane
    assert len(terms("かなカナ한글")) == 11


def test_words_keep_their_parts_and_their_whole() -> None:
    """`gpt-4`, `3.14`, `foo_bar`, `qwen2` and `c++` match both by their parts and as a whole."""
    assert len(terms("gpt-4")) == len(terms("3.14")) == len(terms("foo_bar")) == len(terms("qwen2")) == 3
    assert shared("gpt-4", "gpt") == 1
    assert shared("c++", "c") == 1
    assert shared("c++", "use c++ here") == 2
    assert shared("c#", "c++") == 1
    assert shared("192.168.0.1", "host 192.168.0.1:80") >= 4


@pytest.mark.parametrize(
    ("first", "second"),
    [("cities", "city"), ("stopped", "stop"), ("winning", "win"), ("boxes", "box"), ("changed", "changing"),
     ("Panthers", "panther"), ("called", "calls")],
)  # fmt: skip
def test_english_inflection_does_not_keep_words_apart(first: str, second: str) -> None:
    """Regular plurals, past tenses and gerunds meet in one term."""
    assert shared(first, second) == 1


def test_english_words_of_different_meaning_stay_apart() -> None:
    """Cutting endings does not merge what only looks alike, and does not touch numbers."""
    for first, second in [("bus", "bu"), ("red", "r"), ("king", "k"), ("glass", "glas"), ("analysis", "analysi")]:
        assert shared(first, second) == 0
    assert shared("100s", "100") == 1


def test_question_words_are_left_out_unless_nothing_else_is_there() -> None:
    """什么, 为什么, 谁, 多少, what and who say nothing of the subject; a question of nothing else keeps them."""
    assert set(query_terms("知识库是谁写的，为什么？")).isdisjoint(terms("谁为什么"))
    assert set(query_terms("知识库是谁写的？")) <= set(terms("知识库 是 写的"))
    assert "what" not in folded_query("What is the voltage?")
    assert query_terms("为什么？").size > 0
    assert query_terms("？！…").size == 0


def test_ids_are_the_same_in_every_process() -> None:
    """Ids do not depend on PYTHONHASHSEED; these two are fixed forever by FOLD_VERSION 1."""
    code = "from indexes.text.matching import terms; print([int(i) for i in terms('知库 gpt-4')])"
    seen = {
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": seed}
        ).stdout
        for seed in ("1", "2")
    }
    assert seen == {str([int(i) for i in terms("知库 gpt-4")]) + "\n"}
    assert [int(i) for i in terms("知a")] == KNOWN_IDS


KNOWN_IDS = [18161036646257071821, 17653837217089570588]


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("如何部署？", "zh"),
        ("GPTQ Int4 model deploy 怎么做", "zh"),
        ("Qwen2.5-7B 显存", "zh"),
        ("What does 知识库 mean in this document?", "en"),
        ("How do I install it?", "en"),
        ("2024?", "en"),
    ],
)
def test_language_of_a_question(text: str, language: str) -> None:
    """The reply's language follows the sentence, not the terms quoted in it."""
    assert detect_language(text) == language


def test_terms_come_at_a_million_characters_a_second() -> None:
    """Far under what a quiet machine does (5 million or more), far over what a loop in Python could."""
    text = "知识库只根据文档回答问题，并标明出处 with page 12。" * 10_000
    terms(text)
    started = time.process_time()
    terms(text)
    assert len(text) / (time.process_time() - started) > 1_000_000
