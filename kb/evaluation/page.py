"""The report of an evaluation as one HTML file: no script, nothing from elsewhere, the plots drawn as SVG."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from kb.evaluation.report import report_payload
from kb.evaluation.run import Evaluation

_WIDTH, _HEIGHT = 420, 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 14, 14, 40
_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:62rem;margin:2rem auto;padding:0 1rem;color:#222}"
    "table{border-collapse:collapse;margin:1rem 0}td,th{border-bottom:1px solid #ddd;padding:.25rem .8rem;"
    "text-align:left}td.n{text-align:right;font-variant-numeric:tabular-nums}figure{display:inline-block;margin:0 1rem "
    "1rem 0}svg{background:#fafafa}svg text{font:11px system-ui,sans-serif;fill:#444}"
)
Points = Sequence[tuple[float, float]]


def report_page(evaluation: Evaluation, baseline: dict[str, float] | None = None) -> str:
    """Return the page, beside the figures of a `baseline` where one is given."""
    payload = report_payload(evaluation)
    title = f"{evaluation.dataset}: {evaluation.kind}"
    asked = (
        f"{evaluation.questions} questions, {evaluation.answerable} with an answer in "
        + (f"the knowledge base {evaluation.kb}" if evaluation.kb else "a knowledge base made of the question set")
        + (f", {evaluation.holdout:.0%} of the documents left out" if evaluation.holdout else "")
        + (". The confidence was fitted on the other half of the documents." if evaluation.fitted else ".")
    )
    wrong = payload["wrong"]
    assert isinstance(wrong, list)
    listed = "".join(
        f"<tr><td>{escape(str(row['question']))}</td><td>{escape(str(row['what']))}</td>"
        f'<td class="n">{row["confidence"]}</td></tr>'
        for row in wrong
    )
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{_STYLE}</style></head><body><h1>{escape(title)}</h1><p>{escape(asked)}</p>"
        f"{_figures(evaluation, baseline)}{_plots(evaluation, payload)}"
        + (
            f"<h2>Questions that went wrong (the first {len(wrong)})</h2>"
            f"<table><tr><th>question</th><th>what happened</th><th>confidence</th></tr>{listed}</table>"
            if wrong
            else ""
        )
        + "</body></html>\n"
    )


def _figures(evaluation: Evaluation, baseline: dict[str, float] | None) -> str:
    rows = []
    for name, value in evaluation.figures.items():
        before = "" if baseline is None else f'<td class="n">{baseline.get(name, "")}</td>'
        rows.append(f'<tr><td>{escape(name)}</td><td class="n">{value}</td>{before}</tr>')
    head = "" if baseline is None else "<th>baseline</th>"
    return f"<table><tr><th>figure</th><th>value</th>{head}</tr>{''.join(rows)}</table>"


def _plots(evaluation: Evaluation, payload: dict[str, object]) -> str:
    hits, times = payload["hits_at"], payload["latency_ms"]
    assert isinstance(hits, list)
    assert isinstance(times, list)
    plots = []
    if hits:
        places = [(float(depth), share) for depth, share in enumerate(hits, start=1)]
        plots.append(_plot("The document among the first n", "n", "share of questions", places, (1, 10), (0, 1)))
    if evaluation.curve:
        curve = [(false, right) for false, right, _ in evaluation.curve]
        chosen = None if evaluation.chosen is None else evaluation.chosen[:2]
        plots.append(_plot("Refusal", "false refusals", "unanswerable refused", curve, (0, 0.3), (0, 1), chosen))
    shares = [(time, 5 * index / 100) for index, time in enumerate(times)]
    plots.append(_plot("Time of a question", "milliseconds", "share of questions", shares, (0, times[-1] or 1), (0, 1)))
    return "<div>" + "".join(plots) + "</div>"


def _plot(
    title: str,
    across: str,
    upward: str,
    points: Points,
    x: tuple[float, float],
    y: tuple[float, float],
    chosen: tuple[float, float] | None = None,
) -> str:
    """Return a line through `points` over the ranges `x` and `y`, with axes and ticks, and a mark at `chosen`."""
    wide, high = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM

    def place(value: float, low: float, top: float, size: int) -> float:
        return (min(max(value, low), top) - low) / (top - low) * size

    def at(point: tuple[float, float]) -> str:
        return f"{_LEFT + place(point[0], *x, wide):.1f},{_TOP + high - place(point[1], *y, high):.1f}"

    marks = []
    for step in range(5):
        part = step / 4
        left, down = _LEFT + part * wide, _TOP + high - part * high
        marks.append(
            f'<line x1="{_LEFT}" y1="{down:.1f}" x2="{_LEFT + wide}" y2="{down:.1f}" stroke="#ddd"/>'
            f'<text x="{_LEFT - 6}" y="{down + 4:.1f}" text-anchor="end">{y[0] + part * (y[1] - y[0]):.3g}</text>'
            f'<text x="{left:.1f}" y="{_TOP + high + 15}" text-anchor="middle">{x[0] + part * (x[1] - x[0]):.3g}</text>'
        )
    line = " ".join(at(point) for point in points)
    mark = ""
    if chosen is not None:
        left_of, top_of = at(chosen).split(",")
        mark = f'<circle cx="{left_of}" cy="{top_of}" r="4" fill="#dc2626"><title>the chosen threshold</title></circle>'
    return (
        f'<figure><figcaption>{escape(title)}</figcaption><svg width="{_WIDTH}" height="{_HEIGHT}" role="img" '
        f'aria-label="{escape(title)}">{"".join(marks)}'
        f'<polyline points="{line}" fill="none" stroke="#2563eb" stroke-width="2"/>{mark}'
        f'<text x="{_LEFT + wide / 2}" y="{_HEIGHT - 6}" text-anchor="middle">{escape(across)}</text>'
        f'<text x="12" y="{_TOP + high / 2}" text-anchor="middle" '
        f'transform="rotate(-90 12 {_TOP + high / 2})">{escape(upward)}</text></svg></figure>'
    )
