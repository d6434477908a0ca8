"""What a check has found so far."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from indexes.errors import DamagedError


class Findings:
    """Problems in the order found, and how much was looked at, by kind."""

    def __init__(self) -> None:
        self.problems: list[str] = []
        self.checked: Counter[str] = Counter()

    def note(self, problem: str) -> None:
        """Add a problem: one line that names what is damaged."""
        self.problems.append(problem)

    @contextmanager
    def noting(self) -> Iterator[None]:
        """Take damage that a block meets for a problem, and go on behind the block."""
        try:
            yield
        except DamagedError as error:
            self.note(str(error))
        except OSError as error:
            self.note(f"{error.filename} cannot be read: {error.strerror}")
