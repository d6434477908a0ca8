"""Verdicts on sentences of answers beside the passages that they cite."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kb.answer import Answerer
from kb.checking.citations import check
from kb.checking.marks import MarkRewriter
from kb.checking.numbers import missing_number, numbers_in
from kb.checking.quoting import SpanNumbers
from kb.checking.support import judge
from kb.records import Place, Question
from kb.refusal import refusal_text
from kb.retriever import Retriever
from tests.fakes.engines import ScriptedEngine
from tests.kb.passages import FixedRetriever, passages_of

DATA = Path(__file__).parents[2] / "data"


def lines(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (DATA / name).read_text(encoding="utf-8").splitlines()]


# Claims with their evidence, on which the rules were chosen.
CASES = lines("support.jsonl")
# Answers with numbered passages; the rules were chosen on the half "dev" alone, and "test" was written before them.
GOLD = lines("support_gold.jsonl")
# More of them, of many kinds. They fall into halves by a hash of their passages, so that no passage is in both.
WRITTEN = lines("support_written.jsonl")
VALUES = ("number", "date", "weekday", "ordinal", "unit", "time", "percent", "version", "form")


def half_of(case: dict[str, Any]) -> str:
    digest = hashlib.sha256("\n".join(case["passages"]).encode()).digest()
    return str(case.get("half") or ("test" if digest[-1] % 2 else "dev"))


HELD_BACK = [case for case in GOLD + WRITTEN if half_of(case) == "test"]


def verdict_of(answer: str, texts: Sequence[str]) -> str:
    """Return the verdict on a whole answer: that of its worst sentence."""
    passages = passages_of(*texts)
    rewriter = MarkRewriter(len(passages), SpanNumbers(passages).number_of)
    text = rewriter.feed(answer) + rewriter.close()
    verdicts = check(text, rewriter.marks, passages, lambda document_id, offset: Place(None, "")).verdicts
    return next(verdict for verdict in ("unsupported", "unverifiable", "supported") if verdict in verdicts)


def is_right(case: dict[str, Any]) -> bool:
    return bool(verdict_of(case["answer"], case["passages"]) == case["verdict"])


def with_other_digit(text: str, at: int, step: int) -> str:
    return f"{text[:at]}{(int(text[at]) + step) % 10}{text[at + 1 :]}"


def test_verdicts_agree_with_the_claims() -> None:
    """On the claims on which the rules were chosen nineteen verdicts in twenty are right."""
    wrong = [case["claim"] for case in CASES if judge(case["claim"], case["evidence"]).verdict != case["verdict"]]
    assert len(wrong) / len(CASES) <= 0.05, wrong


@pytest.mark.parametrize("cases", [GOLD, WRITTEN], ids=["gold", "written"])
def test_verdicts_agree_on_the_half_for_choosing(cases: list[dict[str, Any]]) -> None:
    """Of the answers with passages on which the rules were chosen nineteen verdicts in twenty are right."""
    chosen = [case for case in cases if half_of(case) == "dev"]
    wrong = [case["answer"] for case in chosen if not is_right(case)]
    assert len(wrong) / len(chosen) <= 0.05, wrong


def test_verdicts_agree_on_what_was_held_back() -> None:
    """Of the answers with passages that no rule was chosen on at least nine verdicts in ten are right.

    The newer of the two sets is harder: its share alone must not fall under 0.87.
    """
    assert len(HELD_BACK) >= 150
    right = {index for index, case in enumerate(HELD_BACK) if is_right(case)}
    assert len(right) / len(HELD_BACK) >= 0.9
    newer = [index in right for index, case in enumerate(HELD_BACK) if "half" not in case]
    assert sum(newer) / len(newer) >= 0.87


def test_true_answers_are_seldom_refused() -> None:
    """Of the answers that their passages bear out, one in twenty at most is refused; one in ten of those held back."""
    for cases, most in ((GOLD + WRITTEN, 0.05), (HELD_BACK, 0.1)):
        true = [case for case in cases if case["verdict"] == "supported"]
        refused = [case["answer"] for case in true if not is_right(case)]
        assert len(refused) / len(true) <= most, refused


@pytest.mark.parametrize("cases", [GOLD + WRITTEN, HELD_BACK], ids=["all", "held back"])
def test_written_swaps_of_values_are_caught(cases: list[dict[str, Any]]) -> None:
    """Of the answers written with another number, date, time or unit than their passages 98 in 100 are found out."""
    swapped = [case for case in cases if case["kind"] in VALUES and case["verdict"] == "unsupported"]
    missed = [case["answer"] for case in swapped if verdict_of(case["answer"], case["passages"]) != "unsupported"]
    assert len(swapped) >= 50
    assert len(missed) / len(swapped) <= 0.02, missed


def test_other_digits_are_caught() -> None:
    """Of all that another digit makes of the true answers and claims at least 98 in 100 are found out."""
    true = [(case["answer"], case["passages"]) for case in GOLD + WRITTEN if case["verdict"] == "supported"]
    true += [(case["claim"] + "[1]", [case["evidence"]]) for case in CASES if case["verdict"] == "supported"]
    swapped = [
        (with_other_digit(answer, at, step), passages)
        for answer, passages in true
        for at, character in enumerate(answer[: answer.index("[")])
        if character.isdigit() and character.isascii()
        for step in (3, 7)
    ]
    caught = [verdict_of(answer, passages) == "unsupported" for answer, passages in swapped]
    assert len(caught) >= 150
    assert sum(caught) / len(caught) >= 0.98


def test_each_citation_of_a_stream_carries_its_verdict() -> None:
    """Through the streaming answerer a true answer stands with its citations, an untrue one is refused or marked."""
    right = 0
    for case in GOLD + WRITTEN:
        texts: list[str] = case["passages"]
        retriever = cast(Retriever, FixedRetriever(texts))
        engine = ScriptedEngine(case["answer"])
        refusing = Answerer(retriever, lambda name, engine=engine: engine, kb="gold")  # type: ignore[misc]  # bound now
        showing = Answerer(retriever, lambda name, engine=engine: engine, kb="gold", refuse_unsupported=False)  # type: ignore[misc]  # bound now
        refused, shown = (answerer.answer(Question("问题是什么？")) for answerer in (refusing, showing))
        assert shown.status == "answered"
        assert shown.citations
        supported = all(citation.supported for citation in shown.citations)
        right += supported == (case["verdict"] == "supported")
        if refused.status == "refused":
            assert not supported
            assert refused.answer == refusal_text("zh")
            assert refused.citations == ()
            assert [hit.text for hit in refused.hits] == texts
    assert right / len(GOLD + WRITTEN) >= 0.9


def test_word_for_word_is_supported() -> None:
    """A quotation is borne out whatever it says, and however its white space and punctuation are set."""
    assert judge("不能 没有, 100%", "……不能没有，100％……").reason == "verbatim"


@pytest.mark.parametrize("unit", ["一百万", "我们", "甲乙丙", "not ", "a b ", "不是", "3.", "可能", "1/2 "])
def test_a_model_that_repeats_itself_is_judged_soon(unit: str) -> None:
    """A sentence without end costs little to judge, whatever it repeats."""
    started = time.process_time()
    judge(unit * 700, unit[:-1] * 900)
    judge((unit * 100)[:100], (unit[::-1] * 400)[:900])
    assert time.process_time() - started < 10


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=60), st.text(max_size=120))
def test_any_sentence_can_be_judged(claim: str, evidence: str) -> None:
    """Whatever stands in claim and evidence there is a verdict, and each sentence bears itself out."""
    assert 0 <= judge(claim, evidence).overlap <= 1
    assert not any(character.isalnum() for character in claim) or judge(claim, claim).verdict == "supported"


PARAPHRASES = [
    ("张三在上海长大。", "张三在北京出生，在上海长大。"),
    ("赵鹏在2009年入选国家队。", "赵鹏（1983年出生）是一名足球运动员，在2009年入选国家队。"),
    ("他于1999年加入公司，2005年成为经理。", "他于1999年加入公司，先在市场部工作，2005年成为经理。"),
    ("公司位于深圳，生产电池。", "位于深圳的这家公司主要生产电池。"),
    ("这项服务是免费的。", "这项服务不收费。"),
    ("本合同由甲方和乙方共同签署。", "乙方和甲方共同签署本合同。"),
    ("内存不少于16 GB。", "最低配置：内存不少于16GB，磁盘不少于100 GB。"),
    ("The director of the film is Jane Doe.", "Jane Doe is the director of the film."),
    ("The city was founded in 1200 by monks.", "Founded by monks in 1200, the city grew quickly."),
    ("The museum is closed on Mondays.", "The museum is open every day except Monday."),
]


@pytest.mark.parametrize(("claim", "evidence"), PARAPHRASES)
def test_what_is_said_in_another_order_is_supported(claim: str, evidence: str) -> None:
    """Reordered clauses, a subject left far from its verb and words for the same thing contradict nothing."""
    support = judge(claim, evidence)
    assert support.verdict == "supported", support


def test_numbers_have_values_and_units() -> None:
    """Digits, Chinese numerals and English words give the same value where they mean the same, in base units."""
    assert numbers_in("二十一米") == numbers_in("21米") == numbers_in("21 meters") == [("21", "m")]
    assert numbers_in("1.5公里") == numbers_in("1500米")
    assert numbers_in("3亿元") == [("300000000", "yuan")]
    assert numbers_in("2.5 million dollars") == numbers_in("2500000 dollars") == numbers_in("$2500000")
    assert numbers_in("three hours") == numbers_in("3小时") == numbers_in("180分钟")
    assert numbers_in("四个半小时") == numbers_in("4.5 hours")
    assert numbers_in("四分之一") == numbers_in("1/4")
    assert numbers_in("twenty-one days") == numbers_in("21天")
    assert numbers_in("版本 1.2.10") == [("1.2.10", "")]
    assert numbers_in("5千克") == numbers_in("5 kg")


@pytest.mark.parametrize("text", ["这是一个例子", "十分重要吗", "one of them", "不可以", "万一"])
def test_words_that_look_like_numbers_are_none(text: str) -> None:
    """An article, an idiom and a numeral within a word are no numbers."""
    assert [value for value, _ in numbers_in(text) if value != "10"] == []


def test_units_of_another_measure_or_currency_do_not_agree() -> None:
    """A value counts only with its own unit; what is merely counted agrees in any counting word."""
    assert missing_number("80万美元", "80万元")
    assert missing_number("3个月", "3月")
    assert missing_number("30 weeks", "30天")
    assert not missing_number("三种", "3个")
    assert not missing_number("3 days", "3天")


@pytest.mark.parametrize("text", ["一百万" * 5000, "9" * 5000, "million " * 5000, "twenty-one " * 3000, "一" * 9000])
def test_numerals_without_end_are_read(text: str) -> None:
    """What goes on for ever is no number, and costs no error."""
    assert len(numbers_in(text)) <= 5000


@settings(max_examples=200)
@given(st.text(alphabet=st.sampled_from("零一二两三十百千万亿点半分之年月米元个第%$0123456789./, -abone"), max_size=24))
def test_any_text_can_be_read_for_numbers(text: str) -> None:
    """Whatever the numerals, reading ends with quantities whose spans lie in order in the text."""
    from kb.checking.numbers import quantities

    at = 0
    for quantity in quantities(text):
        assert at <= quantity.start < quantity.end <= len(text)
        assert quantity.value
        at = quantity.end
