"""Sitemaps: the addresses in them. Read in the reading processes, as all that comes from outside."""

from __future__ import annotations

import io
import zlib

from lxml import etree

from indexes.errors import DocumentError
from ingest.loaders.cleaning import one_line

# The protocol allows 50,000 addresses and 50 MiB in one file.
MAX_ADDRESSES = 50_000
MAX_SITEMAP_BYTES = 50 * 1024 * 1024
_GZIP = b"\x1f\x8b"
# Entries of a sitemap, and those of a list of sitemaps, which is what the prefix says.
_ENTRIES = {"url": "page ", "sitemap": "sitemap "}


def sitemap_addresses(data: bytes) -> list[str]:
    """Return what a sitemap lists, each as `page ADDRESS` or, in a list of sitemaps, `sitemap ADDRESS`.

    Packed ones are unpacked. Raise DocumentError: `damaged` where it is no sitemap, or declares entities; `too_large`.
    """
    if data.startswith(_GZIP):
        data = _unpacked(data)
    if b"<!DOCTYPE" in data or b"<!ENTITY" in data:
        raise DocumentError("damaged", "the sitemap declares a document type, which sitemaps do not have")
    found: list[str] = []
    root = ""
    try:
        events = etree.iterparse(
            io.BytesIO(data), events=("start", "end"), resolve_entities=False, load_dtd=False, no_network=True,
            remove_comments=True, remove_pis=True,
        )  # fmt: skip
        for event, element in events:
            tag = etree.QName(element).localname
            if event == "start":
                root = root or tag
                continue
            if tag == "loc":
                entry = etree.QName(element.getparent()).localname if element.getparent() is not None else ""
                if entry in _ENTRIES and (element.text or "").strip():
                    found.append(_ENTRIES[entry] + "".join(str(element.text).split()))
            elif tag in _ENTRIES:
                _forget(element)
            if len(found) > MAX_ADDRESSES:
                raise DocumentError("too_large", f"the sitemap has more than {MAX_ADDRESSES} addresses")
    except etree.LxmlError as error:
        raise DocumentError("damaged", f"not readable as a sitemap: {one_line(str(error))}") from error
    if root not in ("urlset", "sitemapindex"):
        raise DocumentError("damaged", f"not a sitemap: its outermost element is {root[:80]!r}")
    return found


def _forget(element: etree._Element) -> None:
    """Free an entry that was read, and those before it."""
    element.clear()
    parent = element.getparent()
    while parent is not None and element.getprevious() is not None:
        del parent[0]


def _unpacked(data: bytes) -> bytes:
    unpacker = zlib.decompressobj(zlib.MAX_WBITS | 16)
    try:
        unpacked = unpacker.decompress(data, MAX_SITEMAP_BYTES)
    except zlib.error as error:
        raise DocumentError("damaged", f"the sitemap cannot be unpacked: {error}") from error
    if unpacker.unconsumed_tail:
        raise DocumentError("too_large", f"the sitemap has more than {MAX_SITEMAP_BYTES} bytes, the limit")
    return unpacked
