"""From bytes to a loaded document: the one door to all loaders."""

from __future__ import annotations

from pathlib import PurePosixPath

from indexes.errors import DocumentError
from ingest.loaders.detection import kind_of_content
from ingest.records import Loaded

MAX_CHARACTERS = 64 * 1024 * 1024
# Messages attached to messages are read this deep.
MAX_DEPTH = 3


def load(
    data: bytes,
    name: str,
    media_type: str | None = None,
    *,
    charset: str | None = None,
    passwords: tuple[str, ...] = (),
    ocr: bool = False,
    max_characters: int = MAX_CHARACTERS,
    depth: int = 0,
) -> Loaded:
    """Read one document. The content decides what it is; `name` and `media_type` only settle kinds of text.

    `charset` is what a server said about the encoding; `passwords` are tried on an encrypted PDF; `ocr` reads
    pages without text from their image. `depth` counts the documents around this one. Raise DocumentError with its
    reason where there is no text to be had.
    """
    if not data.strip(b"\x00 \t\r\n\x0b\x0c"):
        raise DocumentError("empty", "the file has no content" if not data else "the file has only white space")
    kind = kind_of_content(data, name, media_type)
    stem = PurePosixPath(name).name or name
    if kind == "pdf":
        from ingest.loaders.pdf import load_pdf

        loaded = load_pdf(data, stem, passwords=passwords, ocr=ocr)
    elif kind == "html":
        from ingest.loaders.html import load_html

        loaded = load_html(data, stem, charset)
    elif kind == "xml":
        from ingest.loaders.xml import load_xml

        loaded = load_xml(data, stem, charset)
    elif kind == "table":
        from ingest.loaders.table import load_table

        loaded = load_table(data, stem, charset)
    elif kind == "word":
        from ingest.loaders.word import load_word

        loaded = load_word(data, stem)
    elif kind == "spreadsheet":
        from ingest.loaders.spreadsheet import load_spreadsheet

        loaded = load_spreadsheet(data, stem)
    elif kind == "slides":
        from ingest.loaders.slides import load_slides

        loaded = load_slides(data, stem)
    elif kind == "epub":
        from ingest.loaders.epub import load_epub

        loaded = load_epub(data, stem)
    elif kind == "mail":
        from ingest.loaders.mail import load_mail

        def attachment(data: bytes, name: str, media_type: str, charset: str | None) -> Loaded:
            try:
                return load(
                    data, name, media_type, charset=charset, passwords=passwords, ocr=ocr,
                    max_characters=max_characters, depth=depth + 1,
                )  # fmt: skip
            except DocumentError:
                raise
            except MemoryError as error:
                raise DocumentError("memory", "reading it takes more memory than allowed") from error
            except Exception as error:  # whatever a parser does not expect costs the attachment, not the message
                raise DocumentError("damaged", f"not readable: {type(error).__name__}"[:300]) from error

        loaded = load_mail(data, stem, attachment if depth < MAX_DEPTH else None)
    else:
        from ingest.loaders.text import load_text

        loaded = load_text(data, stem, charset, markdown=kind == "markdown")
    if not loaded.text.strip():
        raise DocumentError("empty", "there is no text in it")
    if len(loaded.text) > max_characters:
        raise DocumentError("too_large", f"{len(loaded.text)} characters of text; the limit is {max_characters}")
    return loaded
