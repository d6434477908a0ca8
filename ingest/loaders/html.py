"""Web pages: the main text with its headings, without scripts, navigation and what readers cannot see."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

from lxml import etree
from lxml import html as lxml_html

from indexes.errors import DocumentError
from ingest.loaders.cleaning import one_line
from ingest.loaders.decoding import decode
from ingest.loaders.outline import Block, build
from ingest.loaders.page_text import PlacedBlock, blocks_of, visible_text
from ingest.records import Loaded

_DECLARATION = re.compile(r"^\s*<\?xml[^>]*\?>")
_CHARSET = re.compile(rb"""(?:charset|encoding)\s*=\s*["']?\s*([A-Za-z0-9_:.-]{2,40})""", re.IGNORECASE)
# Runs of tags that only give form, to be replaced where they are nested beyond all measure.
_NESTING = re.compile(
    r"(?:</?(?!(?:html|head|body|title|meta|link|h[1-6]|p|br|pre|script|style|template|noscript)\b)[a-z][^<>]*>\s*)+",
    re.IGNORECASE,
)
_UNSEEN_TAGS = ("script", "style", "template", "noscript", "iframe", "object", "svg", "canvas", "select", "button")
_UNSEEN = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden|font-size\s*:\s*0(?:px|pt|em|%)?\s*(?:;|$)", re.I)
_AROUND_TAGS = ("nav", "header", "footer", "aside", "form")
# Classes by which generators of documentation mark lists of contents and links between pages.
_AROUND_CLASSES = frozenset(
    {"toc", "contents", "table-of-contents", "navheader", "navfooter", "breadcrumb", "breadcrumbs"}
)
_DATE_NAMES = (
    "article:published_time", "datepublished", "date", "dc.date", "dc.date.issued", "dcterms.date",
    "dcterms.created", "pubdate", "publishdate", "article:modified_time",
)  # fmt: skip
_DATE = re.compile(r"^\s*(\d{4})[-/年.](\d{1,2})[-/月.](\d{1,2})")

# Where trafilatura keeps less than this share of what readers see, it has taken the article for decoration.
_LEAST_SHARE = 0.5
_NEARLY_ALL = 0.95
_MOSTLY_LINKS = 0.6
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
    blocks, extractor = _extract(tree)
    text, headings = build(blocks)
    if asks_password and len(text) < _LOGIN_CHARACTERS:
        raise DocumentError("login_required", f"a page that asks for a password instead of a document: {title!r}")
    first = headings[0].title if headings else ""
    extractor = f"{extractor} ({decoded.encoding})"
    return Loaded(text, title or first or name, (), headings, "text/html", extractor, decoded.warnings, metadata)


def declared_charset(data: bytes) -> str | None:
    """Return the encoding that a page or XML file declares in its first bytes, or None."""
    match = _CHARSET.search(data[:4096])
    return match.group(1).decode("ascii") if match else None


def parse_page(text: str) -> Any:
    """Return the tree of a page; nothing is fetched and no entity of the page's own is resolved.

    Markup nested deeper than the parser goes is flattened to its lines, so that no text is lost. Raise
    DocumentError("damaged") where no tree comes out.
    """
    tree, too_deep = _parse(text)
    return _parse(_NESTING.sub("<br>", text))[0] if too_deep else tree


def _parse(text: str) -> tuple[Any, bool]:
    """Return the tree of a page, and whether the parser gave up on its depth."""
    parser = lxml_html.HTMLParser(encoding="utf-8", no_network=True, remove_comments=True, remove_pis=True)
    try:
        tree = lxml_html.document_fromstring(_DECLARATION.sub("", text).encode("utf-8", "replace"), parser=parser)
    except (etree.LxmlError, ValueError, AssertionError) as error:
        raise DocumentError("damaged", f"no page can be made of the markup: {one_line(str(error))}") from error
    return tree, any("depth" in entry.message for entry in parser.error_log)


def _extract(tree: Any) -> tuple[list[Block], str]:
    """Return the blocks of the main text, or all that readers see where hardly anything was taken for it.

    trafilatura tells where on a page its text is, but drops headings, the form of tables, and paragraphs now and
    then. So it shows the element that holds the text, and the blocks themselves are taken from that element.
    """
    import trafilatura

    body = tree.find("body")
    root = tree if body is None else body
    page = blocks_of(root, around=_AROUND_TAGS) or blocks_of(root)
    found = trafilatura.bare_extraction(
        tree, include_comments=False, include_tables=True, favor_recall=True, with_metadata=False
    )
    everything = [placed.block for placed in page]
    if found is None or isinstance(found, dict) or found.body is None:
        return everything, "lxml"
    main = _main_blocks(page, visible_text("".join(found.body.itertext())))
    if _amount(main) < _LEAST_SHARE * _amount(everything):
        return everything, "lxml"
    return main, "trafilatura"


def _amount(blocks: list[Block]) -> int:
    return sum(len(visible_text(block.text)) for block in blocks)


def _main_blocks(page: list[PlacedBlock], chosen_text: str) -> list[Block]:
    """Return the blocks in the innermost element that holds nearly all of `chosen_text` (without white space).

    Lists of links among them are left out, and headings under which nothing stands.
    """
    chosen = [visible_text(placed.block.text.replace("|", "")) in chosen_text for placed in page]
    amounts: Counter[Any] = Counter()
    depths: dict[Any, int] = {}
    for placed, is_chosen in zip(page, chosen, strict=True):
        if is_chosen and not placed.block.level and placed.element is not None:
            around = [placed.element, *placed.element.iterancestors()]
            for depth, element in enumerate(reversed(around)):
                amounts[element] += len(placed.block.text)
                depths[element] = depth
    total = max(amounts.values(), default=0)
    holding = [element for element, amount in amounts.items() if amount >= _NEARLY_ALL * total]
    if not holding:
        return []
    holder = max(holding, key=lambda element: depths[element])
    inside = set(holder.iter())
    links = [placed.link_share > _MOSTLY_LINKS and not known for placed, known in zip(page, chosen, strict=True)]
    kept: list[Block] = []
    waiting: list[Block] = []  # headings under which nothing was kept so far
    for position, placed in enumerate(page):
        block = placed.block
        if placed.element not in inside or _stands_in_a_list(links, position):
            continue
        if block.level:
            waiting = [heading for heading in waiting if heading.level < block.level]
            waiting.append(block)
        else:
            kept += waiting
            kept.append(block)
            waiting = []
    return kept


def _stands_in_a_list(links: list[bool], position: int) -> bool:
    """Tell whether a block that is mostly a link has another such beside it: a menu, not a reference."""
    return links[position] and any(links[max(0, position - 1) : position] + links[position + 1 : position + 2])


def _remove_unseen(tree: Any) -> None:
    """Take out what a reader of the page does not see, which may be there to mislead, and lists of contents."""
    unseen = list(tree.iter(*_UNSEEN_TAGS))
    for element in tree.iter(etree.Element):
        style = element.get("style", "")
        listed = _AROUND_CLASSES.intersection(element.get("class", "").lower().split())
        hidden = "hidden" in element.attrib or element.get("aria-hidden") == "true"
        if listed or hidden or (style and _UNSEEN.search(style)):
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
