"""What an evaluation says: the JSON report, and whether a figure fell under that of an earlier one."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np

from indexes.errors import UsageError
from kb.evaluation.metrics import DEPTH
from kb.evaluation.run import Evaluation

TOLERANCE = 0.005
# A fall of these is a gain.
_LOWER_IS_BETTER = frozenset({"false_refusals"})
# Times depend on what else the machine does, and the length of answers is no merit.
_NOT_COMPARED = frozenset({"p50_ms", "p95_ms", "mean_characters"})
_SHOWN_WORST = 50


def report_payload(evaluation: Evaluation) -> dict[str, object]:
    """Return the report as JSON: the figures, and what the plots are drawn from."""
    fitted = evaluation.fitted
    return {
        "kind": evaluation.kind,
        "dataset": evaluation.dataset,
        "kb": evaluation.kb,
        "holdout": evaluation.holdout,
        "questions": evaluation.questions,
        "answerable": evaluation.answerable,
        "figures": dict(evaluation.figures),
        "hits_at": _hits_at(evaluation),
        "latency_ms": _latencies(evaluation),
        "refusal_curve": [_point(point) for point in evaluation.curve],
        "chosen_point": None if evaluation.chosen is None else _point(evaluation.chosen),
        "fitted": None if fitted is None else {"weights": dict(fitted.weights), "bias": fitted.bias},
        "wrong": _wrong(evaluation),
    }


def read_baseline(path: Path, kind: str) -> dict[str, float]:
    """Return the figures of an earlier JSON report. Raise UsageError for a file that is none of this kind."""
    try:
        body = json.loads(path.read_text(encoding="utf-8-sig"))
        found, figures = body["kind"], {str(name): float(value) for name, value in body["figures"].items()}
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"{path.name} is no JSON report of `kb eval {kind}`") from error
    if found != kind or not all(map(math.isfinite, figures.values())):
        raise UsageError(f"{path.name} is no JSON report of `kb eval {kind}`")
    return figures


def fallen(evaluation: Evaluation, baseline: dict[str, float]) -> list[tuple[str, float, float]]:
    """Return (name, before, now) of the figures that are worse than before by more than 0.005.

    Times and lengths are not compared. Raise UsageError where the baseline has a figure that this evaluation lacks.
    """
    worse = []
    for name, before in baseline.items():
        if name in _NOT_COMPARED:
            continue
        if name not in evaluation.figures:
            raise UsageError(f"the baseline has the figure {name}, which these options do not give (--holdout?)")
        now = evaluation.figures[name]
        loss = now - before if name in _LOWER_IS_BETTER else before - now
        # Figures are rounded to four places: the last one is no fall.
        if loss > TOLERANCE + 1e-9:
            worse.append((name, before, now))
    return worse


def _point(point: tuple[float, float, float]) -> dict[str, float]:
    false, right, at = point
    return {"false_refusals": round(false, 4), "unanswerable_refused": round(right, 4), "threshold": round(at, 4)}


def _hits_at(evaluation: Evaluation) -> list[float]:
    """Return the share of answerable questions whose document is among the first 1, 2, … 10."""
    ranks = [outcome.rank for outcome in evaluation.outcomes if outcome.answerable]
    if not ranks:
        return []
    return [
        round(sum(rank is not None and rank < depth for rank in ranks) / len(ranks), 4) for depth in range(1, DEPTH + 1)
    ]


def _latencies(evaluation: Evaluation) -> list[float]:
    """Return the milliseconds of the percentiles 0, 5, … 100."""
    times = [outcome.milliseconds for outcome in evaluation.outcomes]
    return [round(float(value), 3) for value in np.percentile(times, range(0, 101, 5))]


def _wrong(evaluation: Evaluation) -> list[dict[str, object]]:
    """Return the first questions that went wrong, for a person to look at."""
    found: list[dict[str, object]] = []
    for outcome in evaluation.outcomes:
        if len(found) == _SHOWN_WORST:
            break
        said = ""
        if outcome.answerable and outcome.answer is not None and outcome.answer.refused:
            said = "refused"
        elif outcome.answerable and outcome.answer is not None and not outcome.answer.contains:
            said = "answered without an accepted answer"
        elif outcome.answerable and outcome.answer is None and outcome.rank != 0:
            said = "not found" if outcome.rank is None else f"found at {outcome.rank + 1}"
        elif not outcome.answerable and outcome.answer is not None and not outcome.answer.refused:
            said = "answered, though nothing holds an answer"
        if said:
            found.append({"question": outcome.question, "what": said, "confidence": round(outcome.confidence, 4)})
    return found
