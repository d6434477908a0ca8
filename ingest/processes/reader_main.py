"""The process that a LlamaIndex reader runs in: it reads all that the reader has, and hands it over piece by piece."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, cast

from indexes.errors import ConfigurationError, DocumentError
from ingest.loaders.cleaning import one_line
from ingest.loaders.dispatch import MAX_CHARACTERS
from ingest.processes.framing import frame
from ingest.processes.worker_main import limit, serve

_MAX_FILE_BYTES = 1 << 30  # readers of remote places put files on the disk before they read them
_MOST_FIELDS = 200
_LONGEST_FIELD = 1000


class ReaderDocument(Protocol):
    """The part of a LlamaIndex document that is used."""

    id_: str
    metadata: Mapping[str, object]

    def get_content(self) -> str:
        """Return the text."""
        ...


class Reader(Protocol):
    """The part of a LlamaIndex reader that is used."""

    def load_data(self, **arguments: object) -> object:
        """Return the documents."""
        ...


def run(memory_bytes: int) -> None:
    """Serve the parent on the standard streams. `memory_bytes` is what a reader may take beyond its libraries."""
    documents: list[ReaderDocument] = []

    def answer(header: dict[str, Any], data: bytes) -> list[bytes]:
        if header["task"] == "read":
            sys.path.extend(path for path in header["paths"] if path not in sys.path)
            try:
                reader = make_reader(header["reader"], header["arguments"], memory_bytes)
            except ConfigurationError as error:
                return frame({"configuration": str(error)})
            documents.extend(_read(header["reader"], reader, header["load_data"]))
            return frame({"documents": len(documents)})
        return _handed_over(documents[int(header["number"])])

    serve(answer)


def make_reader(path: str, arguments: Mapping[str, object], memory_bytes: int) -> Reader:
    """Import a reader by its path and make it, its memory limited from then on. Raise ConfigurationError."""
    module, _, name = path.rpartition(".")
    try:
        found = getattr(importlib.import_module(module), name) if module else None
        if not (isinstance(found, type) and hasattr(found, "load_data")):
            raise ConfigurationError(f"{path!r} is no LlamaIndex reader")
        from llama_index.core.readers.base import BaseReader
    except (ImportError, AttributeError) as error:
        raise ConfigurationError(
            f"the reader {path!r} cannot be imported ({error}); readers need `pip install 'qwen-kb[llama-index]'` and "
            "the package of the reader"
        ) from error
    if not issubclass(found, BaseReader):
        raise ConfigurationError(f"{path!r} is no LlamaIndex reader")
    limit(memory_bytes, _MAX_FILE_BYTES)
    try:
        return cast("Reader", found(**arguments))
    except MemoryError:
        raise
    except Exception as error:  # whatever a foreign constructor meets
        raise ConfigurationError(f"the reader {path} does not take these arguments: {one_line(str(error))}") from error


def _read(path: str, reader: Reader, arguments: Mapping[str, object]) -> Sequence[ReaderDocument]:
    try:
        return list(cast("Sequence[ReaderDocument]", reader.load_data(**arguments)))
    except MemoryError:
        raise
    except Exception as error:  # whatever a foreign reader meets
        raise DocumentError("unreadable", one_line(f"{type(error).__name__}: {error}")) from error


def _handed_over(document: ReaderDocument) -> list[bytes]:
    """Return a document as a frame: the text as body, and what of its metadata is short and plain."""
    text = document.get_content()
    if len(text) > MAX_CHARACTERS:
        raise DocumentError("too_large", f"more than {MAX_CHARACTERS} characters of text")
    metadata = {
        str(key): value if isinstance(value, int | float) else value[:_LONGEST_FIELD]
        for key, value in list(document.metadata.items())[:_MOST_FIELDS]
        if isinstance(value, str | int | float)
    }
    return frame({"id": str(document.id_), "metadata": metadata}, text.encode("utf-8", "surrogatepass"))
