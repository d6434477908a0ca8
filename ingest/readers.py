"""Any LlamaIndex reader as a source, by its import path. Needs the `llama-index` extra.

A reader runs in this process, with the rights of the user, and without the limits of the reading processes: name only
readers that you trust.
"""

from __future__ import annotations

import hashlib
import importlib
import re
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol, cast
from urllib.parse import quote

from indexes.errors import ConfigurationError, DocumentError
from indexes.records import Page
from ingest.loaders.cleaning import clean, one_line
from ingest.records import Loaded, LoadOutcome, SourceItem
from ingest.targets import Target, reader_root

# Argument that is passed on to `load_data`; all others go to the constructor.
LOAD_DATA = "load_data"
# Where a reader's documents say what they were read from, the surest first.
_PLACES = ("file_path", "url", "link", "source", "path")
# What LlamaIndex calls a document that nobody named: another name at each reading.
_ENCODED = re.compile(r"[%?\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_LONGEST_FIELD = 1000
_RANDOM_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class ReaderDocument(Protocol):
    """The part of a LlamaIndex document that is used."""

    id_: str
    metadata: Mapping[str, object]

    def get_content(self) -> str:
        """Return the text."""
        ...


def read_with(target: Target) -> Iterator[LoadOutcome]:
    """Yield what a reader reads; each of its documents is one of ours, under the URI `reader:NAME/PLACE`.

    PLACE is the document's id, or where that is random what its metadata call its place, or a hash of its text.
    Raise ConfigurationError where the reader cannot be imported or made, DocumentError where it fails.
    """
    reader = _make(target.reader, {key: value for key, value in target.arguments.items() if key != LOAD_DATA})
    wanted = target.arguments.get(LOAD_DATA, {})
    if not isinstance(wanted, Mapping):
        raise ConfigurationError(f"{LOAD_DATA} of the reader {target.reader} must be a table of arguments")
    begun = time.monotonic()
    try:
        documents = cast("Sequence[ReaderDocument]", reader.load_data(**wanted))
    except Exception as error:  # whatever a foreign reader meets
        detail = one_line(f"{target.reader}: {type(error).__name__}: {error}")
        raise DocumentError("unreadable", detail) from error
    seconds = (time.monotonic() - begun) / max(1, len(documents))
    used: Counter[str] = Counter()
    for document in documents:
        place = _place(document)
        used[place] += 1
        yield _outcome(target, document, place if used[place] == 1 else f"{place}#{used[place]}", seconds)


class _Reader(Protocol):
    def load_data(self, **arguments: object) -> object: ...


def _make(path: str, arguments: Mapping[str, object]) -> _Reader:
    """Import a reader by its path and make it."""
    module, _, name = path.rpartition(".")
    try:
        from llama_index.core.readers.base import BaseReader

        found = getattr(importlib.import_module(module), name) if module else None
    except (ImportError, AttributeError) as error:
        raise ConfigurationError(
            f"the reader {path!r} cannot be imported ({error}); readers need `pip install 'qwen-kb[llama-index]'` and "
            "the package of the reader"
        ) from error
    if not (isinstance(found, type) and issubclass(found, BaseReader)):
        raise ConfigurationError(f"{path!r} is no LlamaIndex reader")
    try:
        return cast("_Reader", found(**arguments))
    except Exception as error:  # whatever a foreign constructor meets
        raise ConfigurationError(f"the reader {path} does not take these arguments: {one_line(str(error))}") from error


def _place(document: ReaderDocument) -> str:
    """Return what names a document among those of its reader, the same at each reading."""
    place = "" if _RANDOM_ID.fullmatch(document.id_) else document.id_
    if not place:
        place = next((str(document.metadata[key]) for key in _PLACES if document.metadata.get(key)), "")
        label = document.metadata.get("page_label")
        place = f"{place}#{label}" if place and label else place
    return _ENCODED.sub(lambda match: quote(match[0], errors="surrogatepass"), place) or _hash(
        clean(document.get_content())
    )


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _outcome(target: Target, document: ReaderDocument, place: str, seconds: float) -> LoadOutcome:
    text = clean(document.get_content())
    root = reader_root(target)
    item = SourceItem(f"{root}/{place}", "document", None, 0, 0, target.source, root)
    if not text.strip():
        return LoadOutcome(item, _hash(text), None, DocumentError("empty", "there is no text in it"), None, seconds)
    metadata = {
        str(key): one_line(str(value), _LONGEST_FIELD)
        for key, value in document.metadata.items()
        if isinstance(value, str | int | float)
    }
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
