"""Web pages: the main text with its headings, without scripts, navigation and what readers cannot see."""

from __future__ import annotations

import re
from typing import Any

from lxml import etree
from lxml import html as lxml_html

from indexes.errors import DocumentError
from ingest.decoding import decode
from ingest.loaders.cleaning import one_line
from ingest.loaders.outline import TextBuilder
from ingest.loaders.page_text import add_blocks, visible_text
from ingest.records import Loaded

_DECLARATION = re.compile(r"^\s*<\?xml[^>]*\?>")
_CHARSET = re.compile(rb"""(?:charset|encoding)\s*=\s*["']?\s*([A-Za-z0-9_:.-]{2,40})""", re.IGNORECASE)
_UNSEEN_TAGS = ("script", "style", "template", "noscript", "iframe", "object", "svg", "canvas", "select", "button")
_UNSEEN = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden|font-size\s*:\s*0(?:px|pt|em|%)?\s*(?:;|$)", re.I)
_AROUND_TAGS = ("nav", "header", "footer", "aside", "form")
_DATE_NAMES = (
    "article:published_time", "datepublished", "date", "dc.date", "dc.date.issued", "dcterms.date",
    "dcterms.created", "pubdate", "publishdate", "article:modified_time",
)  # fmt: skip
_DATE = re.compile(r"^\s*(\d{4})[-/年.](\d{1,2})[-/月.](\d{1,2})")

# Where trafilatura keeps less than this share of what readers see, it has taken the article for decoration.
_LEAST_SHARE = 0.5
# A page that asks for a password and says little else is not the page that was asked for.
_LOGIN_CHARACTERS = 600


def load_html(data: bytes, name: str, charset: str | None = None) -> Loaded:
    """Return the main text of a page. Raise DocumentError: `undecodable`, `damaged`, `login_required`."""
    decoded = decode(data, charset or declared_charset(data))
    tree = parse_page(decoded.text)
    title = _title(tree)
    metadata = _metadata(tree)
    asks_password = bool(tree.xpath("//input[translate(@type, 'PASWORD', 'pasword') = 'password']"))
    _remove_unseen(tree)
    builder, extractor = _extract(tree)
    text = builder.text
    if asks_password and len(text) < _LOGIN_CHARACTERS:
        raise DocumentError("login_required", f"a page that asks for a password instead of a document: {title!r}")
    first = builder.headings[0].title if builder.headings else ""
    headings = tuple(builder.headings)
    extractor = f"{extractor} ({decoded.encoding})"
    return Loaded(text, title or first or name, (), headings, "text/html", extractor, decoded.warnings, metadata)


def declared_charset(data: bytes) -> str | None:
    """Return the encoding that a page or XML file declares in its first bytes, or None."""
    match = _CHARSET.search(data[:4096])
    return match.group(1).decode("ascii") if match else None


def parse_page(text: str) -> Any:
    """Return the tree of a page; nothing is fetched and no entity of the page's own is resolved.

    Deeply nested markup is cut by the parser at its limit. Raise DocumentError("damaged") where no tree comes out.
    """
    parser = lxml_html.HTMLParser(encoding="utf-8", no_network=True, remove_comments=True, remove_pis=True)
    try:
        tree = lxml_html.document_fromstring(_DECLARATION.sub("", text).encode("utf-8", "replace"), parser=parser)
    except (etree.LxmlError, ValueError, AssertionError) as error:
        raise DocumentError("damaged", f"no page can be made of the markup: {one_line(str(error))}") from error
    return tree


def _extract(tree: Any) -> tuple[TextBuilder, str]:
    """Return the main text as trafilatura sees it, or all that readers see where it keeps too little."""
    import trafilatura

    plain = TextBuilder()
    body = tree.find("body")
    add_blocks(plain, tree if body is None else body, around=_AROUND_TAGS)
    if not plain.text:
        add_blocks(plain, tree if body is None else body)
    main = TextBuilder()
    found = trafilatura.bare_extraction(
        tree, include_comments=False, include_tables=True, favor_recall=True, with_metadata=False
    )
    if found is not None and not isinstance(found, dict) and found.body is not None:
        add_blocks(main, found.body)
    if len(visible_text(main.text)) < _LEAST_SHARE * len(visible_text(plain.text)):
        return plain, "lxml"
    return main, "trafilatura"


def _remove_unseen(tree: Any) -> None:
    """Take out what a reader of the page does not see: it may be there to mislead."""
    unseen = list(tree.iter(*_UNSEEN_TAGS))
    for element in tree.iter(etree.Element):
        style = element.get("style", "")
        if "hidden" in element.attrib or element.get("aria-hidden") == "true" or (style and _UNSEEN.search(style)):
            unseen.append(element)
    for element in unseen:
        if element.getparent() is not None and element.tag not in ("html", "body"):
            element.drop_tree()


def _title(tree: Any) -> str:
    for path in ("//head/title/text()", "//meta[@property='og:title']/@content", "//title/text()"):
        found = tree.xpath(path)
        if found and one_line(str(found[0])):
            return one_line(str(found[0]))
    return ""


def _metadata(tree: Any) -> dict[str, str]:
    """Return the date that the page gives itself, as ISO 8601, and its description and keywords (as tag)."""
    values: dict[str, str] = {}
    for element in tree.iter("meta"):
        key = (element.get("property") or element.get("name") or element.get("itemprop") or "").lower()
        if key and element.get("content"):
            values.setdefault(key, element.get("content"))
    metadata: dict[str, str] = {}
    for key in _DATE_NAMES:
        match = _DATE.match(values.get(key, ""))
        if match and 1 <= int(match.group(2)) <= 12 and 1 <= int(match.group(3)) <= 31:
            metadata["date"] = f"{match.group(1)}-{int(match.group(2)):02d}-{int(match.group(3)):02d}"
            break
    if values.get("keywords"):
        metadata["tag"] = one_line(values["keywords"])
    return metadata
