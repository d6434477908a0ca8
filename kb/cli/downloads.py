"""What the command line shows of a download: a line before it, then a bar for a person, or a line a file for a log."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from kb.cli import output

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from indexes.models.listening import Download


class ShownDownloads:
    """Shows downloads on standard error."""

    def __init__(self) -> None:
        self._bar: Progress | None = None
        self._tasks: dict[str, TaskID] = {}
        self._named: set[str] = set()

    def starts(self, download: Download) -> None:
        """Write what comes, from where and to where, and show a bar where a person is watching."""
        output.notice(download.line())
        self._tasks, self._named = {}, set()
        if not output.is_terminal(sys.stderr):
            return
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

        description = TextColumn("{task.description}", markup=False)
        columns = (description, BarColumn(), DownloadColumn(), TransferSpeedColumn())
        self._bar = Progress(*columns, console=Console(stderr=True))
        self._bar.start()

    def advances(self, file: str, done: int, total: int) -> None:
        """Move the bar of the file on, or name the file once."""
        if self._bar is not None:
            if file not in self._tasks:
                self._tasks[file] = self._bar.add_task(output.one_line(file, 48), total=total, completed=done)
            self._bar.update(self._tasks[file], completed=done)
        elif file not in self._named:
            self._named.add(file)
            begun = f", from {output.size(done)} on" if 0 < done < total else ""
            output.notice(f"{file} ({output.size(total)}{begun})")

    def ends(self) -> None:
        """Take the bar away from what is written next."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
