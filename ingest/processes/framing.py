"""How a reading process and its parent talk: frames of one JSON object and a run of bytes, each with its length.

Nothing is unpickled on either side: a reading process that a hostile document has taken over can send wrong text,
but no objects.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from typing import Any

from indexes.errors import DocumentError
from indexes.records import Heading, Page
from ingest.records import Loaded, PageLinks

LENGTHS = struct.Struct("<IQ")  # bytes of the JSON object, bytes of the body
MAX_HEADER_BYTES = 64 * 1024 * 1024


def frame(header: Mapping[str, object], body: bytes = b"") -> list[bytes]:
    """Return the pieces of one frame, to be written one after the other."""
    encoded = json.dumps(header, ensure_ascii=False).encode("utf-8", "replace")
    return [LENGTHS.pack(len(encoded), len(body)) + encoded, body]


def header_of(encoded: bytes) -> dict[str, Any]:
    """Return the JSON object of a frame. Raise ValueError where it is none."""
    found = json.loads(encoded)
    if not isinstance(found, dict):
        raise ValueError("not an object")
    return found


def answer_of(loaded: Loaded) -> list[bytes]:
    """Return a document as a frame: the text as body, all else in the header."""
    header = {
        "title": loaded.title,
        "pages": [[page.number, page.start, page.end] for page in loaded.pages],
        "headings": [[heading.start, heading.level, heading.title] for heading in loaded.headings],
        "media_type": loaded.media_type,
        "extractor": loaded.extractor,
        "warnings": list(loaded.warnings),
        "metadata": dict(loaded.metadata),
    }
    return frame({"loaded": header}, loaded.text.encode("utf-8", "replace"))


def loaded_of(header: Mapping[str, Any], body: bytes) -> Loaded:
    """Return the document in a frame. Raise DocumentError: as sent, or `crashed` where the frame makes no sense."""
    if "reason" in header:
        raise DocumentError(str(header["reason"]), str(header.get("detail", "")))
    try:
        found = header["loaded"]
        text = body.decode("utf-8")
        pages = tuple(Page(int(number), int(start), int(end)) for number, start, end in found["pages"])
        headings = tuple(Heading(int(start), int(level), str(title)) for start, level, title in found["headings"])
        if any(not 0 <= page.start <= page.end <= len(text) for page in pages):
            raise ValueError("a page outside of the text")
        if any(not 0 <= heading.start <= len(text) for heading in headings):
            raise ValueError("a heading outside of the text")
        return Loaded(
            text=text,
            title=str(found["title"]),
            pages=pages,
            headings=headings,
            media_type=str(found["media_type"]),
            extractor=str(found["extractor"]),
            warnings=tuple(map(str, found["warnings"])),
            metadata={str(key): str(value) for key, value in found["metadata"].items()},
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DocumentError("crashed", f"the reading process answered nonsense: {error}") from error


def addresses_of(header: Mapping[str, Any], body: bytes) -> PageLinks:
    """Return the addresses in a frame, one a line, and whether they come from a page that may be taken in.

    Raise DocumentError as `loaded_of`.
    """
    if "reason" in header:
        raise DocumentError(str(header["reason"]), str(header.get("detail", "")))
    try:
        addresses = tuple(body.decode("utf-8").split("\n")) if body else ()
    except UnicodeDecodeError as error:
        raise DocumentError("crashed", f"the reading process answered nonsense: {error}") from error
    return PageLinks(addresses, header.get("index") is not False)
