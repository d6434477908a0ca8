"""`kb eval`: how well questions with known answers are found, answered and refused."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from indexes.errors import UsageError
from kb.cli import output, session
from kb.cli.options import Config, EngineName, Json, Quiet

if TYPE_CHECKING:
    from kb.evaluation.run import Evaluation, Kind

_NOTICE_SECONDS = 5.0
_FELL = 1

app = typer.Typer(help="Measure retrieval and answers on your own questions.", no_args_is_help=True)


def _named_kb(context: typer.Context, value: str | None) -> str | None:
    """Return the name given to this command, else the one given before it, else None: one is made and removed."""
    return value if value is not None else cast("str | None", context.find_root().params.get("kb"))


_Dataset = Annotated[
    Path,
    typer.Argument(metavar="DATASET", help="SQuAD-style JSON, or JSON lines of question, answers and document."),
]
_KB = Annotated[
    str | None,
    typer.Option(
        "--kb",
        metavar="NAME",
        help="The knowledge base to ask.",
        show_default="one made of the question set",
        callback=_named_kb,
    ),
]
_Holdout = Annotated[
    float,
    typer.Option(
        "--holdout",
        metavar="SHARE",
        help="Leave out this share of the documents, 0 to 1, so that their questions have no answer.",
        show_default="0",
    ),
]
_Fit = Annotated[
    bool,
    typer.Option(
        "--fit",
        help="Fit the confidence on the questions of half the documents, keep it with the knowledge base, and report "
        "on the other half.",
    ),
]
_Report = Annotated[
    list[Path] | None,
    typer.Option(
        "--report",
        metavar="FILE",
        help="Also write a report: .html with plots, .json, or .png with the curve of refusal and the chosen point. "
        "May be repeated.",
    ),
]
_Baseline = Annotated[
    Path | None,
    typer.Option(
        "--baseline",
        metavar="FILE",
        help="A JSON report from before. Exit 1 where a figure is worse by more than 0.005; times are not compared.",
    ),
]


@dataclass(frozen=True, slots=True)
class _Request:
    """What both commands ask for."""

    kind: Kind
    dataset: Path
    holdout: float
    fit: bool
    reports: tuple[Path, ...]
    baseline: Path | None
    kb: str | None
    config: Path | None
    quiet: bool
    as_json: bool
    engine: str | None = None


@app.command("retrieval")
def retrieval(
    dataset: _Dataset,
    holdout: _Holdout = 0.0,
    fit: _Fit = False,
    report: _Report = None,
    baseline: _Baseline = None,
    kb: _KB = None,
    config: Config = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Measure what is found: the right document among the first 1, 5 and 10, and the answer in what is shown."""
    reports = tuple(report or ())
    _run(_Request("retrieval", dataset, holdout, fit, reports, baseline, kb, config, quiet, as_json))


@app.command("answers")
def answers(
    dataset: _Dataset,
    holdout: _Holdout = 0.0,
    fit: _Fit = False,
    engine: EngineName = None,
    report: _Report = None,
    baseline: _Baseline = None,
    kb: _KB = None,
    config: Config = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Measure what is answered: accepted answers, citations that hold them, and refusals."""
    reports = tuple(report or ())
    _run(_Request("answers", dataset, holdout, fit, reports, baseline, kb, config, quiet, as_json, engine))


def _run(request: _Request) -> None:
    for path in request.reports:
        if path.suffix.lower() not in _WRITERS:
            raise UsageError(f"--report {path}: name a .html, .json or .png file")
        if path.suffix.lower() == ".png":
            from kb.evaluation.plot import require_pillow

            require_pillow()
    from kb.evaluation.data import read_dataset
    from kb.evaluation.report import fallen, read_baseline, report_payload
    from kb.evaluation.run import evaluate

    before = None if request.baseline is None else read_baseline(request.baseline, request.kind)
    questions = read_dataset(request.dataset)
    if questions.left_out and not request.quiet:
        output.notice(f"{questions.left_out} questions show nothing and are left out")
    with session.application(request.config, {"engine.name": request.engine}) as application:
        result = evaluate(
            application,
            request.kind,
            questions,
            kb=request.kb,
            holdout=request.holdout,
            fit=request.fit,
            engine=request.engine,
            on_progress=None if request.quiet else _progress(),
        )
    if result.missing and not request.quiet:
        output.notice(f"{result.missing} documents of the question set are not there: nothing holds their answers")
    worse = [] if before is None else fallen(result, before)
    payload = report_payload(result)
    if before is not None:
        payload["fallen"] = [{"figure": name, "before": old, "now": now} for name, old, now in worse]
    # A PNG may have nothing to show: what can be written is written first.
    for path in sorted(request.reports, key=lambda report: report.suffix.lower() == ".png"):
        _write(path, _WRITERS[path.suffix.lower()](result, payload, before))
    if request.as_json:
        output.emit_json(payload)
    else:
        _show(result, before)
    for name, old, now in worse:
        output.notice(f"kb: {name} fell from {old} to {now}")
    if worse:
        raise typer.Exit(_FELL)


def _show(result: Evaluation, before: dict[str, float] | None) -> None:
    headers = ["figure", "value"] if before is None else ["figure", "value", "baseline"]
    rows: list[list[object]] = [["questions", result.questions], ["answerable", result.answerable]]
    rows += [[name, value] for name, value in result.figures.items()]
    if before is not None:
        rows = [[*row, before.get(str(row[0]))] for row in rows]
    output.table(headers, rows)


def _html(result: Evaluation, payload: dict[str, object], before: dict[str, float] | None) -> bytes:
    from kb.evaluation.page import report_page

    return report_page(result, before).encode("utf-8", "backslashreplace")


def _json(result: Evaluation, payload: dict[str, object], before: dict[str, float] | None) -> bytes:
    text = json.dumps(payload, ensure_ascii=False, allow_nan=False, indent=2) + "\n"
    return text.encode("utf-8", "backslashreplace")


def _png(result: Evaluation, payload: dict[str, object], before: dict[str, float] | None) -> bytes:
    from kb.evaluation.plot import curve_png

    return curve_png(result)


_WRITERS = {".html": _html, ".json": _json, ".png": _png}


def _write(path: Path, content: bytes) -> None:
    try:
        path.write_bytes(content)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error


def _progress() -> Callable[[int, int], None]:
    last = time.monotonic()

    def tell(done: int, total: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= _NOTICE_SECONDS:
            last = now
            output.notice(f"Asked {done} of {total} questions")

    return tell
