"""The figures of an evaluation, against values worked out by hand."""

from __future__ import annotations

import math

import pytest

from kb.evaluation.metrics import (
    AnswerOutcome,
    Outcome,
    answer_figures,
    compare,
    decision_figures,
    refusal_curve,
    refusal_figures,
    retrieval_figures,
    without_marks,
)


def _found(rank: int | None, confidence: float = 1.0, answerable: bool = True) -> Outcome:
    return Outcome("?", answerable, confidence, 1.0, rank, rank == 0)


def test_ranks_become_figures() -> None:
    """A document first, third and not found gives the shares, reciprocal ranks and discounts of the definitions."""
    figures = retrieval_figures([_found(0), _found(2), _found(None), _found(None, answerable=False)])
    assert figures["R@1"] == pytest.approx(1 / 3)
    assert figures["R@5"] == figures["R@10"] == pytest.approx(2 / 3)
    assert figures["MRR@10"] == pytest.approx((1 + 1 / 3) / 3)
    assert figures["nDCG@10"] == pytest.approx((1 + 1 / math.log2(4)) / 3)
    assert figures["answer_in_context"] == pytest.approx(1 / 3)


def test_answers_are_compared_without_marks_width_and_punctuation() -> None:
    """Marks go; full-width, case and punctuation do not count; F1 is that of the bags of characters."""
    assert without_marks("年假十天。[1][2] 另有。 [3]") == "年假十天。 另有。"
    assert compare("１０ Days。", ["10 days"]) == (True, 1.0)
    exact, f1 = compare("十天年假", ["十天", "五天"])
    assert not exact
    assert f1 == pytest.approx(2 * 2 / 6)
    assert compare("甲", ["乙"]) == (False, 0.0)
    assert compare("。", ["！"]) == (False, 0.0)


def test_refused_answers_count_as_missed() -> None:
    """A refusal of what can be answered lowers the shares; citations count one by one."""
    good = AnswerOutcome(False, True, 1.0, True, 10, (True, False, True))
    refused = AnswerOutcome(True, False, 0.0, False, 20, ())
    outcomes = [
        Outcome("a", True, 0.9, 1.0, answer=good),
        Outcome("b", True, 0.2, 1.0, answer=refused),
        Outcome("c", False, 0.1, 1.0, answer=refused),
        Outcome("d", False, 0.8, 1.0, answer=good),
    ]
    figures = answer_figures(outcomes)
    assert figures["exact_match"] == figures["contains_answer"] == figures["false_refusals"] == 0.5
    assert figures["contains_answer_answered"] == 1.0
    assert figures["citation_precision"] == pytest.approx(2 / 3)
    assert figures["unanswerable_refused"] == 0.5
    assert figures["mean_characters"] == 10


def test_refusal_is_measured_at_fixed_false_refusals() -> None:
    """At 5 % of 100 answerable the threshold is the sixth lowest; the area counts pairs, ties as halves."""
    there = [_found(0, number / 100) for number in range(100)]
    missing = [_found(None, value, answerable=False) for value in (0.0, 0.049, 0.051, 2.0)]
    figures = refusal_figures([*there, *missing])
    assert figures["refused_at_5_percent"] == 0.5
    assert figures["refused_at_1_percent"] == 0.25
    assert figures["refused_at_7_percent"] == 0.75
    assert figures["auc"] == pytest.approx((99.5 + 95 + 94 + 0) / 400)
    assert decision_figures([*there, *missing], 0.05) == {"false_refusals": 0.05, "unanswerable_refused": 0.5}
    curve = refusal_curve([*there, *missing])
    assert [false for false, _, _ in curve] == sorted(false for false, _, _ in curve)
    assert (0.05, 0.5, 0.05) in curve


def test_refusal_needs_both_kinds() -> None:
    """Without unanswerable questions, or without answerable ones, there is no figure of refusal."""
    assert refusal_figures([_found(0)]) == {}
    assert refusal_figures([_found(None, answerable=False)]) == {}
    assert refusal_curve([_found(0)]) == []
