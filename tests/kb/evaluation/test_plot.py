"""The curve of refusal as a PNG: what is drawn lies where the numbers say."""

from __future__ import annotations

import io
import random

import pytest

from indexes.errors import UsageError
from kb.evaluation.metrics import Outcome, chosen_point, refusal_curve
from kb.evaluation.plot import CHOSEN, CURVE, HEIGHT, MOST_FALSE, WIDTH, curve_png, place
from kb.evaluation.run import Evaluation

image = pytest.importorskip("PIL.Image", reason="needs the eval extra")


def evaluation(unanswerable: int = 400) -> Evaluation:
    draw = random.Random(2)
    outcomes = [
        Outcome("问", there, min(1.0, max(0.0, draw.gauss(0.65 if there else 0.45, 0.15))), 1.0)
        for there in [True] * 400 + [False] * unanswerable
    ]
    return Evaluation(
        kind="retrieval", dataset="问答", kb=None, holdout=0.5, fitted=None, questions=len(outcomes), answerable=400,
        missing=0, figures={}, curve=tuple(refusal_curve(outcomes)), chosen=chosen_point(outcomes, 0.5),
        outcomes=tuple(outcomes),
    )  # fmt: skip


def test_curve_and_chosen_point_are_where_the_numbers_say() -> None:
    """Every point of the curve is on the line, the chosen one under its mark, and nothing is drawn above the curve."""
    made = evaluation()
    assert made.chosen is not None
    content = curve_png(made)
    with image.open(io.BytesIO(content)) as picture:
        assert picture.format == "PNG" and picture.size == (WIDTH, HEIGHT)
        pixels = picture.convert("RGB").load()

    def near(false: float, right: float, reach: int) -> set[tuple[int, int, int]]:
        x, y = (round(value) for value in place(false, right))
        return {pixels[x + a, y + b] for a in range(-reach, reach + 1) for b in range(-reach, reach + 1)}

    false, right, threshold = made.chosen
    assert threshold == 0.5
    assert 0.05 < false < 0.25 and 0.4 < right < 0.8
    assert near(false, right, 1) == {CHOSEN}
    shown = [point for point in made.curve if point[0] < MOST_FALSE and abs(point[0] - false) > 0.02]
    assert len(shown) > 20
    for across, up, _ in shown:
        assert CURVE in near(across, up, 2)
        assert not {CURVE, CHOSEN} & near(across, min(up + 0.2, 1.0), 2)
    assert curve_png(evaluation()) == content


def test_without_a_curve_there_is_no_png() -> None:
    """All questions answerable: nothing to show, and how to get something."""
    with pytest.raises(UsageError, match="--holdout"):
        curve_png(evaluation(unanswerable=0))
