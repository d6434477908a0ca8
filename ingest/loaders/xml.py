"""XML that is not a web page, feeds above all: the text of its elements, titles of entries as headings."""

from __future__ import annotations

import re
from typing import Any

from lxml import etree

from indexes.errors import DocumentError
from ingest.loaders.cleaning import clean, one_line
from ingest.loaders.decoding import decode
from ingest.loaders.html import declared_charset, parse_page
from ingest.loaders.outline import Block, build
from ingest.loaders.page_text import blocks_of
from ingest.records import Loaded

_DECLARATION = re.compile(r"^\s*<\?xml[^>]*\?>")
# Markup within text, as feeds carry it.
_MARKUP = re.compile(
    r"<(?:p|br|div|a|img|ul|ol|li|b|i|em|strong|span|table|h[1-6]|blockquote|font|pre)\b[^>]*/?>"
    r"|&(?:[a-z]{2,8}|#\d{1,6});",
    re.IGNORECASE,
)
_ENTRIES = frozenset({"item", "entry"})
# Addresses, identifiers and times of a feed are not text to be asked about.
_NO_TEXT = frozenset(
    {
        "commentRss", "comments", "created", "docs", "generator", "guid", "id", "issued", "language", "lastBuildDate",
        "link", "modified", "pubDate", "published", "ttl", "updated", "url",
    }
)  # fmt: skip


def load_xml(data: bytes, name: str, charset: str | None = None) -> Loaded:
    """Return the text of an XML file. No entity of its own is resolved and nothing is fetched.

    Raise DocumentError: `undecodable`, or `damaged` where it has no element at all.
    """
    decoded = decode(data, charset or declared_charset(data))
    parser = etree.XMLParser(
        encoding="utf-8", resolve_entities=False, load_dtd=False, no_network=True, recover=True,
        remove_comments=True, remove_pis=True,
    )  # fmt: skip
    try:
        root = etree.fromstring(_DECLARATION.sub("", decoded.text).lstrip().encode("utf-8", "replace"), parser)
    except (etree.LxmlError, ValueError) as error:
        raise DocumentError("damaged", f"not readable as XML: {one_line(str(error))}") from error
    if root is None:
        raise DocumentError("damaged", "not readable as XML: no element in it")
    blocks: list[Block] = []
    title = ""
    for element in root.iter():
        if not isinstance(element.tag, str):  # an entity, left as it is; the text after it belongs to the document
            blocks.append(Block(clean(element.tail or ""), 0, tight=True))
            continue
        tag = _local(element)
        content = element.text or ""
        if tag == "title" and element.getparent() is not None and _local(element.getparent()) in _ENTRIES:
            blocks.append(Block(one_line(content), 2))
        elif tag == "title" and not title:
            title = one_line(content)
            blocks.append(Block(title, 1))
        elif _MARKUP.search(content):
            blocks += (placed.block for placed in blocks_of(parse_page(content)))
        elif tag not in _NO_TEXT:
            blocks.append(Block(clean(content), 0, tight=True))
        blocks.append(Block(clean(element.tail or ""), 0, tight=True))
    text, headings = build(block for block in blocks if block.text.strip())
    warnings = list(decoded.warnings)
    if parser.error_log:
        warnings.append(f"the XML is not well-formed: {one_line(parser.error_log[0].message)}")
    extractor = f"xml ({decoded.encoding})"
    return Loaded(text, title or name, (), headings, "application/xml", extractor, tuple(warnings), {})


def _local(element: Any) -> str:
    return str(etree.QName(element).localname)
