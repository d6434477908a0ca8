"""Opening documents that are ZIP archives: only what unpacks to a bearable size, and no XML that declares entities."""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

from lxml import etree

from indexes.errors import DocumentError
from ingest.loaders.cleaning import one_line

MAX_MEMBERS = 20_000
MAX_BYTES = 384 * 1024 * 1024
# A packed table of equal rows reaches 100; what is packed tighter was made to be. Small archives may be anything.
MAX_RATIO = 250
_SMALL = 32 * 1024 * 1024
_ENCRYPTED = 0x1
_XML = re.compile(r"\.(xml|rels|vml)$", re.IGNORECASE)
_ENCODING = re.compile(rb"""<\?xml[^>]*?encoding\s*=\s*["']([^"']*)""", re.IGNORECASE)
# In others, what follows could be spelled so that it is not seen below.
_PLAIN_ENCODINGS = frozenset({b"utf-8", b"utf8", b"us-ascii", b"ascii", b"iso-8859-1", b"utf-16", b"windows-1252"})
_DECLARED = re.compile(rb"<!(?:DOCTYPE|ENTITY)")


@contextmanager
def opened(data: bytes) -> Iterator[zipfile.ZipFile]:
    """Open an archive that may be unpacked whole, and tell errors in it as those of the document.

    Raise DocumentError: `too_large` for what unpacks to too much, `encrypted`, `damaged`.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            _check_sizes(archive, len(data))
            yield archive
    except (zipfile.BadZipFile, zlib.error, EOFError, KeyError, ValueError, OSError, NotImplementedError) as error:
        detail = one_line(f"{type(error).__name__}: {error}")
        raise DocumentError("damaged", f"the archive cannot be read: {detail}") from error


def _check_sizes(archive: zipfile.ZipFile, packed: int) -> None:
    """Refuse by what the directory says; members are never read beyond the size it gives."""
    members = archive.infolist()
    if len(members) > MAX_MEMBERS:
        raise DocumentError("too_large", f"the archive has {len(members)} members; the limit is {MAX_MEMBERS}")
    total = sum(member.file_size for member in members)
    if total > MAX_BYTES:
        raise DocumentError("too_large", f"it unpacks to {total} bytes; the limit is {MAX_BYTES}")
    if total > max(_SMALL, MAX_RATIO * packed):
        raise DocumentError("too_large", f"it unpacks from {packed} to {total} bytes, as only bombs do")
    if any(member.flag_bits & _ENCRYPTED for member in members):
        raise DocumentError("encrypted", "the archive is protected with a password; remove it and add the file again")
    names = [member.filename for member in members]
    if len(set(names)) < len(names):
        raise DocumentError("damaged", "two members of the archive have the same name")


def check_office_xml(archive: zipfile.ZipFile) -> None:
    """Raise DocumentError("damaged") where any XML declares a document type, which office documents never do.

    Libraries that read these would resolve its entities: other files of this machine, or billions of letters.
    """
    for member in archive.infolist():
        if not _XML.search(member.filename):
            continue
        content = archive.read(member).replace(b"\x00", b"")
        start = content[:400].lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n")
        encoding = _ENCODING.match(start)
        plain = encoding is None or encoding.group(1).strip().lower() in _PLAIN_ENCODINGS
        if _DECLARED.search(content) or not plain or (start and not start.startswith(b"<")):
            raise DocumentError("damaged", f"{member.filename[:200]} is not the XML of an office document")


def parsed(content: bytes) -> etree._Element:
    """Return the outermost element of XML; nothing is fetched, and no entity resolved.

    Raise DocumentError("damaged") where there is none.
    """
    parser = etree.XMLParser(
        resolve_entities=False, load_dtd=False, no_network=True, remove_comments=True, remove_pis=True
    )
    try:
        return etree.fromstring(content, parser)
    except (etree.LxmlError, ValueError) as error:
        raise DocumentError("damaged", f"not readable as XML: {one_line(str(error))}") from error
