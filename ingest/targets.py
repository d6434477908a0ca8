"""What an ingest is pointed at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from indexes.errors import UsageError
from ingest.records import Problem, SourceItem
from ingest.sources import file_uri, path_of, walk
from ingest.urls import normalise_url


@dataclass(frozen=True, slots=True)
class Target:
    """A file, folder or http(s) address; or a LlamaIndex reader by its import path, with its arguments.

    `source` is the name that the documents can be filtered by. A `reader` needs one, and uses no `location`.
    """

    location: str = ""
    source: str = ""
    reader: str = ""
    arguments: Mapping[str, object] = field(default_factory=dict)


def as_targets(targets: Sequence[str | Target]) -> tuple[Target, ...]:
    """Return the targets as records; raise UsageError where there are none, or a reader has no name."""
    records = tuple(target if isinstance(target, Target) else Target(target) for target in targets)
    if not records:
        raise UsageError("nothing to ingest: name a file, a folder or an address")
    for target in records:
        if target.reader and not target.source:
            raise UsageError(f"the source of the reader {target.reader} needs a name")
    return records


@dataclass(frozen=True, slots=True)
class Listing:
    """What is under one root: `root` is the URI that all of it lies under, and is known also where it is empty."""

    root: str
    found: Iterator[SourceItem | Problem]


def listings(targets: Sequence[Target]) -> list[Listing]:
    """Return the listing of each target that has a location; raise UsageError if any of them does not exist.

    Nothing is listed before all targets are known to exist.
    """
    return [
        Listing(_root(target.location), walk(target.location, target.source)) for target in targets if not target.reader
    ]


def _root(location: str) -> str:
    scheme = location.partition("://")[0].lower()
    if scheme in ("http", "https"):
        return normalise_url(location)
    return file_uri(path_of(location) if scheme == "file" else location)


def reader_root(target: Target) -> str:
    """Return the URI that all documents of a reader lie under."""
    return f"reader:{target.source}"
