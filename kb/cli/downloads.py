"""What the command line shows of a download: a line before it, then a bar for a person, or a line a file for a log."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from indexes.models.listening import readable
from kb.cli import output

if TYPE_CHECKING:
    from rich.progress import TaskID

    from indexes.models.listening import Download, DownloadProgress


def show_download(download: Download) -> DownloadProgress:
    """Write what comes, from where and to where, and return what shows how far it is; all on standard error."""
    output.notice(download.line())
    return _Bars() if output.is_terminal(sys.stderr) else _Lines()


class _Lines:
    """Names each file once."""

    def __init__(self) -> None:
        self._named: set[str] = set()

    def advances(self, file: str, done: int, total: int) -> None:
        if file not in self._named:
            self._named.add(file)
            begun = f", from {readable(done)} on" if 0 < done < total else ""
            output.notice(f"{file} ({readable(total)}{begun})")

    def ends(self) -> None:
        """The lines stand as they are."""


class _Bars:
    """A bar for each file, with what has come of it."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

        description = TextColumn("{task.description}", markup=False)
        columns = (description, BarColumn(), DownloadColumn(), TransferSpeedColumn())
        self._bars = Progress(*columns, console=Console(stderr=True))
        self._tasks: dict[str, TaskID] = {}
        self._bars.start()

    def advances(self, file: str, done: int, total: int) -> None:
        if file not in self._tasks:
            self._tasks[file] = self._bars.add_task(output.one_line(file, 48), total=total, completed=done)
        self._bars.update(self._tasks[file], completed=done)

    def ends(self) -> None:
        """Leave the bars as they are, so that what is written next stands below them."""
        self._bars.stop()
