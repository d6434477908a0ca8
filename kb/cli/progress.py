"""Progress of an ingest on standard error: a bar for a person, now and then a line for a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import unquote

from kb.cli import output

if TYPE_CHECKING:
    from ingest.progress import Progress

Listener = Callable[["Progress"], None]
_LINE_SECONDS = 5.0
_STAGES = {"walk": "Looking for documents", "read": "Reading", "publish": "Publishing", "done": "Done"}


@contextmanager
def shown(quiet: bool) -> Iterator[Listener | None]:
    """Yield what the pipeline is to call with its progress, or None where nothing is to be shown."""
    if quiet:
        yield None
    elif output.is_terminal(sys.stderr):
        with _bar() as listener:
            yield listener
    else:
        yield _lines()


def _lines() -> Listener:
    """Return a listener that writes a line every few seconds and at each change of stage."""
    last_time = time.monotonic()
    last_stage = ""

    def listen(progress: Progress) -> None:
        nonlocal last_time, last_stage
        now = time.monotonic()
        if progress.stage == last_stage and now - last_time < _LINE_SECONDS:
            return
        last_time, last_stage = now, progress.stage
        output.notice(_line(progress))

    return listen


def _line(progress: Progress) -> str:
    text = _STAGES.get(progress.stage, progress.stage)
    if progress.stage == "walk":
        return text
    failed = f", {progress.failed} failed" if progress.failed else ""
    return f"{text}: {progress.done}/{progress.total} documents, {progress.chunks} passages{failed}"


@contextmanager
def _bar() -> Iterator[Listener]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TextColumn("{task.fields[detail]}", markup=False),
        TimeRemainingColumn(compact=True),
    )
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(_STAGES["walk"], total=None, detail="")

        def listen(progress: Progress) -> None:
            name = unquote(progress.current.rstrip("/").rpartition("/")[2])
            bar.update(
                task,
                description=_STAGES.get(progress.stage, progress.stage),
                completed=progress.done,
                total=progress.total or None,
                detail=f"{progress.chunks} passages  {output.one_line(name, 32)}",
            )

        yield listen
