"""Makers of bad documents: each returns bytes, small to make, that have broken readers before."""

from __future__ import annotations

import io
import zlib
from collections.abc import Sequence

from pypdf import PdfReader, PdfWriter
from reportlab.lib.pagesizes import A4
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfgen.canvas import Canvas

MEBIBYTE = 1 << 20


def chinese_pdf(
    pages: Sequence[Sequence[str]], *, title: str = "", size: int = 12, bookmarks: Sequence[str] = ()
) -> bytes:
    """Return a PDF with the given lines on each page, and a bookmark to each page that has one."""
    pdfmetrics.registerFont(UnicodeCIDFont("STSong-Light"))
    buffer = io.BytesIO()
    canvas = Canvas(buffer, pagesize=A4)
    if title:
        canvas.setTitle(title)
    for number, lines in enumerate(pages):
        canvas.setFont("STSong-Light", size)
        if number < len(bookmarks):
            canvas.bookmarkPage(f"p{number}")
            canvas.addOutlineEntry(bookmarks[number], f"p{number}", 0)
        for row, line in enumerate(lines):
            canvas.drawString(60, 780 - row * 1.5 * size, line)
        canvas.showPage()
    canvas.save()
    return buffer.getvalue()


def encrypted_pdf(data: bytes, user_password: str) -> bytes:
    """Return a PDF that needs `user_password` to open ("": none)."""
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(data)))
    writer.encrypt(user_password, "owner", algorithm="RC4-128")
    buffer = io.BytesIO()
    writer.write(buffer)
    return buffer.getvalue()


def raw_pdf(objects: Sequence[bytes]) -> bytes:
    """Return a PDF made of the given objects, the first of which is the catalogue."""
    out = bytearray(b"%PDF-1.5\n")
    offsets = []
    for number, body in enumerate(objects, start=1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%b\nendobj\n" % (number, body)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    out += b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF" % (len(objects) + 1, start)
    return bytes(out)


def _one_page(content: bytes, filters: bytes) -> bytes:
    stream = b"<< /Length %d /Filter %b >>\nstream\n%b\nendstream" % (len(content), filters, content)
    return raw_pdf(
        [
            b"<< /Type /Catalog /Pages 2 0 R >>",
            b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents 4 0 R "
            b"/Resources << /Font << /F1 5 0 R >> >> >>",
            stream,
            b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        ]
    )


def _deflated(mebibytes: int) -> bytes:
    packer = zlib.compressobj(9)
    block = b" " * MEBIBYTE
    return b"".join(packer.compress(block) for _ in range(mebibytes)) + packer.flush()


def flate_bomb(mebibytes: int) -> bytes:
    """Return a small PDF whose page unpacks to so much."""
    return _one_page(_deflated(mebibytes), b"/FlateDecode")


def double_flate_bomb(mebibytes: int) -> bytes:
    """Return a tiny PDF whose page unpacks twice."""
    return _one_page(zlib.compress(_deflated(mebibytes), 9), b"[/FlateDecode /FlateDecode]")


def many_operators(count: int) -> bytes:
    """Return a PDF with a page of `count` drawn characters, a few kilobytes packed."""
    content = b"BT /F1 8 Tf 20 700 Td " + b"(a) Tj 1 0 Td " * count + b"ET"
    return _one_page(zlib.compress(content, 9), b"/FlateDecode")


def page_tree_cycle() -> bytes:
    """Return a PDF whose page tree holds itself."""
    return raw_pdf(
        [
            b"<< /Type /Catalog /Pages 2 0 R >>",
            b"<< /Type /Pages /Kids [3 0 R] /Count 2 >>",
            b"<< /Type /Pages /Parent 2 0 R /Kids [2 0 R 3 0 R] /Count 2 >>",
        ]
    )


def many_pages(count: int) -> bytes:
    """Return a PDF of `count` pages that share one text."""
    kids = b" ".join(b"%d 0 R" % (number + 5) for number in range(count))
    page = (
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents 3 0 R "
        b"/Resources << /Font << /F1 4 0 R >> >> >>"
    )
    content = b"BT /F1 12 Tf 50 700 Td (The same words stand on every page.) Tj ET"
    return raw_pdf(
        [
            b"<< /Type /Catalog /Pages 2 0 R >>",
            b"<< /Type /Pages /Kids [%b] /Count %d >>" % (kids, count),
            b"<< /Length %d >>\nstream\n%b\nendstream" % (len(content), content),
            b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
            *[page] * count,
        ]
    )


def image_only_pdf(image: object = None) -> bytes:
    """Return a PDF of one page that is a picture (a Pillow image; a grey square where none is given)."""
    from PIL import Image
    from reportlab.lib.utils import ImageReader

    picture = image if image is not None else Image.new("L", (40, 40), 128)
    buffer = io.BytesIO()
    canvas = Canvas(buffer, pagesize=A4)
    canvas.drawImage(ImageReader(picture), 0, 0, width=A4[0], height=A4[1])
    canvas.showPage()
    canvas.save()
    return buffer.getvalue()


def nested_html(depth: int) -> bytes:
    """Return a page of `depth` tags within each other, with words before, in the middle and after."""
    return (
        b"<html><body><p>Words before the tower.</p>" + b"<div>" * depth + b"in the middle" + b"</div>" * depth
        + b"<p>Words after the tower.</p></body></html>"
    )  # fmt: skip


def entity_xml(path: str) -> bytes:
    """Return XML that asks for the file at `path`."""
    return (
        f'<?xml version="1.0"?>\n<!DOCTYPE r [<!ENTITY x SYSTEM "file://{path}">]>\n'
        f"<r><title>A title</title><p>before &x; after</p></r>"
    ).encode()


def billion_laughs() -> bytes:
    """Return XML whose entities multiply a thousand million times."""
    lines = ['<!ENTITY a0 "lol">'] + [f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10)]
    return ('<?xml version="1.0"?><!DOCTYPE r [' + "".join(lines) + "]><r><p>start &a9; end</p></r>").encode()


def elf() -> bytes:
    """Return the beginning of a program."""
    return b"\x7fELF\x02\x01\x01" + bytes(range(256)) * 8
