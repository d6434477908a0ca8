"""What an ingest is pointed at, checked as a whole before anything is done."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from indexes.errors import UsageError


@dataclass(frozen=True, slots=True)
class Target:
    """A file, folder or http(s) address, or a reader by its import path with its arguments.

    `source` is the name under which the documents can be filtered. With a `reader`, `location` is not used.
    """

    location: str = ""
    source: str = ""
    reader: str = ""
    arguments: Mapping[str, object] = field(default_factory=dict)

    @property
    def is_web(self) -> bool:
        """Whether the target is an address to fetch."""
        return not self.reader and self.location.lower().startswith(("http://", "https://"))

    @property
    def is_local(self) -> bool:
        """Whether the target is a file or folder."""
        return not self.reader and not self.is_web


def checked_targets(targets: Sequence[str | Target]) -> tuple[Target, ...]:
    """Return the targets as records; raise UsageError where there are none or a local one cannot be read.

    A folder that cannot be listed is refused here: taken for an empty one, it would cost its documents.
    """
    records = tuple(target if isinstance(target, Target) else Target(target) for target in targets)
    if not records:
        raise UsageError("nothing to ingest: name a file, a folder or an address")
    for target in records:
        if target.is_local:
            _check_local(target.location)
    return records


def _check_local(location: str) -> None:
    if not location or "\0" in location:
        raise UsageError(f"not a path: {location!r}")
    path = Path(location)
    try:
        if path.is_dir():
            with os.scandir(path):
                return
        path.lstat()
    except FileNotFoundError as error:
        raise UsageError(f"no such file or folder: {location}") from error
    except OSError as error:
        raise UsageError(f"cannot read {location}: {error.strerror or error}") from error
