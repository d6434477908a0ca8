"""What a file is, judged by its content; its name decides only between kinds of plain text."""

from __future__ import annotations

import codecs
import re
from pathlib import PurePosixPath

from indexes.errors import DocumentError
from ingest.loaders.office import OLE_MAGIC, archive_kind, old_office_error

# Beginnings of files that are no text, with what to call them.
_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"\x7fELF", "a program (ELF)"),
    (b"PK\x05\x06", "an empty ZIP archive"),
    (b"{\\rtf", "a rich-text document (RTF)"),
    (b"\x1f\x8b", "gzip data"),
    (b"BZh", "bzip2 data"),
    (b"\xfd7zXZ\x00", "xz data"),
    (b"\x28\xb5\x2f\xfd", "zstd data"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"Rar!\x1a\x07", "a RAR archive"),
    (b"\x89PNG\r\n\x1a\n", "an image (PNG)"),
    (b"\xff\xd8\xff", "an image (JPEG)"),
    (b"GIF87a", "an image (GIF)"),
    (b"GIF89a", "an image (GIF)"),
    (b"II*\x00", "an image (TIFF)"),
    (b"MM\x00*", "an image (TIFF)"),
    (b"SQLite format 3\x00", "a database (SQLite)"),
    (b"\xca\xfe\xba\xbe", "a program (Java or Mach-O)"),
    (b"\xcf\xfa\xed\xfe", "a program (Mach-O)"),
    (b"\x00asm", "a program (WebAssembly)"),
    (b"OggS", "audio (Ogg)"),
    (b"fLaC", "audio (FLAC)"),
    (b"ID3", "audio (MP3)"),
    (b"wOFF", "a font"),
    (b"wOF2", "a font"),
    (b"\x00\x01\x00\x00\x00", "a font"),
    (b"OTTO", "a font"),
    (b"%!PS", "a PostScript document"),
)
_EXECUTABLE = re.compile(rb"MZ.{58}(.{4})", re.DOTALL)
_RIFF = re.compile(rb"RIFF.{4}(WEBP|AVI |WAVE)", re.DOTALL)
_MOVIE = re.compile(rb".{4}ftyp", re.DOTALL)
_PDF = re.compile(rb"%PDF-\d")

_SPACE = rb"(?:\xef\xbb\xbf)?\s*"
_COMMENTS = rb"(?:<!--.*?-->\s*|<\?xml[^>]*\?>\s*)*"
_HTML = re.compile(_SPACE + _COMMENTS + rb"<(?:!doctype\s+html|html|head|body|title|meta)\b", re.IGNORECASE | re.DOTALL)
_XML = re.compile(_SPACE + rb"<\?xml\s", re.IGNORECASE)
_FRAGMENT = re.compile(rb"<(?:p|div|h[1-6]|ul|ol|table|article|section)\b[^>]*>.*</", re.IGNORECASE | re.DOTALL)

_MARKDOWN_NAMES = frozenset({".md", ".markdown", ".mdown", ".mkd"})
_TABLE_NAMES = frozenset({".csv", ".tsv"})
_HTML_NAMES = frozenset({".html", ".htm", ".xhtml", ".shtml"})
_CONTROL = re.compile(rb"[\x01-\x08\x0e-\x1a\x1c-\x1f\x7f]")
_HEAD = 8192
_ZIP = b"PK\x03\x04"
_FIELD = re.compile(rb"[A-Za-z][A-Za-z0-9-]{1,60}:[ \t]?")
_FIELD_NAME = re.compile(rb"^([A-Za-z][A-Za-z0-9-]{1,60}):", re.MULTILINE)
_MAIL_FIELDS = frozenset({b"from", b"to", b"subject", b"date", b"message-id", b"mime-version", b"received"})
# Those that people do not write at the top of a memorandum.
_MACHINE_FIELDS = frozenset({b"message-id", b"mime-version", b"received"})


def kind_of_content(data: bytes, name: str, media_type: str | None = None) -> str:
    """Return "pdf", "html", "xml", "mail", "markdown", "table" or "text", or what a ZIP file is (`archive_kind`).

    Raise DocumentError("unsupported") for content that is none of these, whatever its name says.
    """
    head = data[:_HEAD]
    narrow = head.replace(b"\x00", b"") if head[:2] in (b"\xff\xfe", b"\xfe\xff") else head
    if _HTML.match(narrow):
        return "html"
    if _PDF.search(head[:1024]):
        return "pdf"
    if head.startswith(_ZIP):
        return archive_kind(data)
    if head.startswith(OLE_MAGIC):
        raise old_office_error(data)
    found = _binary_kind(head)
    if found:
        raise DocumentError("unsupported", f"the content is {found}, not a document that can be read")
    if _XML.match(narrow):
        return "html" if b"<html" in narrow[:2048].lower() else "xml"
    suffix = PurePosixPath(name).suffix.lower()
    plain = (media_type or "").partition(";")[0].strip().lower()
    if (suffix in _HTML_NAMES or plain in ("text/html", "application/xhtml+xml")) and b"<" in narrow:
        return "html"
    if suffix == ".xml" and narrow.lstrip()[:1] == b"<":
        return "html" if _FRAGMENT.search(narrow) else "xml"
    marked = head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE))
    if not marked and len(_CONTROL.findall(head)) > len(head) // 20 and not head.count(0):
        raise DocumentError("unsupported", "the content is binary data, not text")
    if _is_mail(head, suffix == ".eml" or plain == "message/rfc822"):
        return "mail"
    if suffix in _MARKDOWN_NAMES or plain == "text/markdown":
        return "markdown"
    if suffix in _TABLE_NAMES or plain in ("text/csv", "text/tab-separated-values"):
        return "table"
    return "text"


def _is_mail(head: bytes, named: bool) -> bool:
    """Tell whether a text begins with the header of a message; without the name of one, only if it is unmistakable."""
    begin = head.partition(b"\n")[2] if head.startswith(b"From ") else head
    if not _FIELD.match(begin):
        return False
    fields = {field.lower() for field in _FIELD_NAME.findall(re.split(rb"\r?\n\r?\n", begin, maxsplit=1)[0])}
    return named or (len(fields & _MAIL_FIELDS) >= 3 and bool(fields & _MACHINE_FIELDS))


def _binary_kind(head: bytes) -> str | None:
    """Return what kind of binary file begins like this, or None."""
    for magic, words in _MAGIC:
        if head.startswith(magic):
            return words
    executable = _EXECUTABLE.match(head)
    if executable and int.from_bytes(executable.group(1), "little") < 4096:
        return "a program (Windows)"
    if _RIFF.match(head):
        return "an image, sound or film (RIFF)"
    return "a film or image (MP4 family)" if _MOVIE.match(head) else None
