"""What the loaders of office documents share: what kind a ZIP or OLE file is, and the extra that reads it."""

from __future__ import annotations

import importlib
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any
from zipfile import BadZipFile, ZipFile

from indexes.errors import DocumentError
from ingest.loaders.archive import check_office_xml, opened
from ingest.loaders.cleaning import one_line

_CONTAINERS = {"word/": "word", "xl/": "spreadsheet", "ppt/": "slides"}
_CONTENT_TYPES = "[Content_Types].xml"
_EPUB = "META-INF/container.xml"
# Names of streams in the directory of an OLE file, which are spelled in UTF-16.
_OLE = (
    ("EncryptedPackage", "encrypted", "it is protected with a password; remove it and add the file again"),
    ("WordDocument", "unsupported", "an old Word document (.doc); save it as .docx"),
    ("PowerPoint Document", "unsupported", "an old PowerPoint presentation (.ppt); save it as .pptx"),
    ("Workbook", "unsupported", "an old Excel workbook (.xls); save it as .xlsx"),
    ("Book", "unsupported", "an old Excel workbook (.xls); save it as .xlsx"),
    ("__substg1.0_", "unsupported", "an Outlook message (.msg); save it as .eml"),
)
OLE_MAGIC = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


def archive_kind(data: bytes) -> str:
    """Return what a ZIP file is: "word", "spreadsheet", "slides" or "epub". Raise DocumentError for others."""
    with opened(data) as archive:
        names = archive.namelist()
        if _CONTENT_TYPES in names:
            for start, kind in _CONTAINERS.items():
                if any(name.startswith(start) for name in names):
                    return kind
        if _EPUB in names:
            return "epub"
        if "mimetype" in names and b"opendocument" in archive.read("mimetype")[:200]:
            raise DocumentError("unsupported", "an OpenDocument file; save it as .docx, .xlsx or .pptx, or as PDF")
    raise DocumentError("unsupported", "the content is a ZIP archive; unpack it and add the documents in it")


def old_office_error(data: bytes) -> DocumentError:
    """Return why an OLE file is not read."""
    for stream, reason, detail in _OLE:
        if stream.encode("utf-16-le") in data:
            return DocumentError(reason, detail)
    return DocumentError("unsupported", "the content is an old office document (OLE), not one that can be read")


def library(name: str) -> ModuleType:
    """Return a package of the `office` extra. Raise DocumentError("unsupported") where it is not installed."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise DocumentError(
            "unsupported", f"reading it needs the package {name.partition('.')[0]}: pip install 'qwen-kb[office]'"
        ) from error


@contextmanager
def reading(data: bytes, kind: str, save_as: str = "") -> Iterator[bool]:
    """Check an office file and give whether it says what it is; turn what its library raises into DocumentError.

    Where a file says nothing of itself its library invents a title and a date. `kind` is how errors call it, and
    `save_as` what a template of it is to be saved as. Raises `damaged`, `too_large`, or `unsupported`.
    """
    with opened(data) as archive:
        check_office_xml(archive)
        try:
            described = b"core-properties" in (member(archive, "_rels/.rels") or b"")
        except (BadZipFile, OSError, ValueError, zlib.error):
            described = False
    try:
        yield described
    except DocumentError:
        raise
    except Exception as error:  # whatever the library meets in a file that is not as it should be
        if save_as and "content type" in str(error):
            raise DocumentError(
                "unsupported", f"a template, slide show or file with macros; save it as {save_as}"
            ) from error
        detail = one_line(f"{type(error).__name__}: {error}")
        raise DocumentError("damaged", f"not readable as a {kind}: {detail}") from error


def title_of(properties: Any) -> str:
    """Return the title that a document gives itself, on one line, or ""."""
    return one_line(properties.title or "")


def facts_of(properties: Any) -> dict[str, str]:
    """Return the date (ISO 8601, of the last change, else of the making) and keywords (as tag) of a document."""
    metadata: dict[str, str] = {}
    date = properties.modified or properties.created
    if date is not None:
        metadata["date"] = date.date().isoformat()
    if properties.keywords:
        metadata["tag"] = one_line(str(properties.keywords))
    return metadata


def member(archive: ZipFile, name: str) -> bytes | None:
    """Return a member of an archive, or None where there is none of that name."""
    try:
        return archive.read(name)
    except KeyError:
        return None
