"""Any LlamaIndex reader as a source, by its import path. Needs the `llama-index` extra.

A reader runs in a process of its own that can be killed, with limits on memory, time and output. It has the rights and
the environment of the user, since many find their keys there: name only readers that you trust.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import os
import re
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from indexes.errors import ConfigurationError, DocumentError
from indexes.records import Page
from ingest.loaders.cleaning import clean, one_line
from ingest.loaders.dispatch import MAX_CHARACTERS
from ingest.processes.worker_process import WorkerProcess
from ingest.records import Loaded, LoadOutcome, SourceItem
from ingest.stopping import check
from ingest.targets import Target, reader_root

# Argument that is passed on to `load_data`; all others go to the constructor.
LOAD_DATA = "load_data"
# Where a reader's documents say what they were read from, the surest first.
_PLACES = ("file_path", "url", "link", "source", "path")
# What LlamaIndex calls a document that nobody named: another name at each reading.
_RANDOM_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_ENCODED = re.compile(r"[%?\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_LONGEST_FIELD = 1000


@dataclass(frozen=True, slots=True)
class ReaderLimits:
    """What one reader may take: memory beyond its libraries, seconds for all it reads, documents and bytes of text."""

    memory_bytes: int = 1 << 30
    seconds: float = 600.0
    document_seconds: float = 60.0
    documents: int = 100_000
    text_bytes: int = 1 << 30


@dataclass(frozen=True, slots=True)
class _Read:
    """One document as the reader's process handed it over."""

    name: str
    metadata: Mapping[str, object]
    text: str


def read_with(
    target: Target, limits: ReaderLimits | None = None, cancel: threading.Event | None = None
) -> Iterator[LoadOutcome]:
    """Yield what a reader reads; each of its documents is one of ours, under the URI `reader:NAME/PLACE`.

    PLACE is the document's id, or where that is random what its metadata call its place, or a hash of its text.
    Raise ConfigurationError where the reader cannot be imported or made, DocumentError where it fails, dies or takes
    more than it may, IngestInterrupted once `cancel` is set.
    """
    limits = limits or ReaderLimits()
    request = _request(target)
    process = WorkerProcess(
        limits.memory_bytes,
        4 * MAX_CHARACTERS,
        program="ingest.processes.reader_main",
        environment=os.environ,
        watch=lambda: check(cancel),
    )
    try:
        begun = time.monotonic()
        header, _ = process.ask(request, b"", limits.seconds)
        if "configuration" in header:
            raise ConfigurationError(str(header["configuration"]))
        count = _count(header, limits)
        seconds = (time.monotonic() - begun) / max(1, count)
        yield from _documents(target, process, count, limits, seconds)
    except DocumentError as error:
        raise DocumentError(error.reason, one_line(f"{target.reader}: {error.detail}", 500)) from error
    finally:
        process.close()


def _documents(
    target: Target, process: WorkerProcess, count: int, limits: ReaderLimits, seconds: float
) -> Iterator[LoadOutcome]:
    used: Counter[str] = Counter()
    left = limits.text_bytes
    for number in range(count):
        header, body = process.ask({"task": "document", "number": number}, b"", limits.document_seconds)
        left -= len(body)
        if left < 0:
            raise DocumentError("too_large", f"more than {limits.text_bytes} bytes of text came out of it")
        failure: DocumentError | None = None
        try:
            document = _document(header, body)
        except DocumentError as error:
            if error.reason != "too_large":
                raise
            document, failure = _Read(f"#{number + 1}", {}, ""), error
        place = _place(document)
        used[place] += 1
        place = place if used[place] == 1 else f"{place}#{used[place]}"
        yield _outcome(target, document, place, seconds, failure)


def _request(target: Target) -> dict[str, object]:
    """Return what the reader's process is asked. Raise ConfigurationError for arguments that no file could hold."""
    wanted = target.arguments.get(LOAD_DATA, {})
    if not isinstance(wanted, Mapping):
        raise ConfigurationError(f"{LOAD_DATA} of the reader {target.reader} must be a table of arguments")
    made = {key: value for key, value in target.arguments.items() if key != LOAD_DATA}
    try:
        arguments, load_data = (json.loads(json.dumps(dict(one), default=_spelled)) for one in (made, wanted))
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"the arguments of the reader {target.reader}: {one_line(str(error))}") from error
    return {
        "task": "read",
        "reader": target.reader,
        "arguments": arguments,
        "load_data": load_data,
        "paths": [path for path in sys.path if path],
    }


def _spelled(value: object) -> str:
    """Return a date or time of a configuration file as text, as readers take them."""
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    raise TypeError(f"{value!r} is neither text, a number, a date, a list nor a table")


def _count(header: Mapping[str, Any], limits: ReaderLimits) -> int:
    """Return how many documents were read. Raise DocumentError."""
    if "reason" in header:
        raise DocumentError(str(header["reason"]), str(header.get("detail", "")))
    count = header.get("documents")
    if not isinstance(count, int) or count < 0:
        raise DocumentError("crashed", "the reading process answered nonsense")
    if count > limits.documents:
        raise DocumentError("too_large", f"{count} documents; the limit is {limits.documents}")
    return count


def _document(header: Mapping[str, Any], body: bytes) -> _Read:
    """Return one document. Raise DocumentError."""
    if "reason" in header:
        raise DocumentError(str(header["reason"]), str(header.get("detail", "")))
    try:
        return _Read(str(header["id"]), dict(header["metadata"]), body.decode("utf-8", "surrogatepass"))
    except (KeyError, TypeError, ValueError) as error:
        raise DocumentError("crashed", "the reading process answered nonsense") from error


def _place(document: _Read) -> str:
    """Return what names a document among those of its reader, the same at each reading."""
    place = "" if _RANDOM_ID.fullmatch(document.name) else document.name
    if not place:
        place = next((str(document.metadata[key]) for key in _PLACES if document.metadata.get(key)), "")
        label = document.metadata.get("page_label")
        place = f"{place}#{label}" if place and label else place
    return _ENCODED.sub(lambda match: quote(match[0], errors="surrogatepass"), place) or _hash(clean(document.text))


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _outcome(
    target: Target, document: _Read, place: str, seconds: float, failure: DocumentError | None = None
) -> LoadOutcome:
    text = clean(document.text)
    root = reader_root(target)
    item = SourceItem(f"{root}/{place}", "document", None, 0, 0, target.source, root)
    if failure is None and not text.strip():
        failure = DocumentError("empty", "there is no text in it")
    if failure is not None:
        return LoadOutcome(item, _hash(text), None, failure, None, seconds)
    metadata = {str(key): one_line(str(value), _LONGEST_FIELD) for key, value in document.metadata.items()}
    if "date" not in metadata and "last_modified_date" in metadata:
        metadata["date"] = metadata["last_modified_date"]
    label = metadata.get("page_label", "")
    number = int(label) if label.isascii() and label.isdecimal() else 0
    loaded = Loaded(
        text=text,
        title=metadata.get("title") or metadata.get("file_name") or one_line(place),
        pages=(Page(number, 0, len(text)),) if number > 0 else (),
        extractor=target.reader,
        metadata=metadata,
    )
    return LoadOutcome(item, _hash(text), loaded, None, None, seconds)
