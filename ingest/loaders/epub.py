"""Books (.epub): the chapters in the order of reading, with their headings. Needs nothing beyond the base."""

from __future__ import annotations

import posixpath
import re
from typing import Any
from urllib.parse import unquote
from zipfile import ZipFile

from indexes.errors import DocumentError
from ingest.loaders.archive import opened, parsed
from ingest.loaders.cleaning import one_line
from ingest.loaders.decoding import decode
from ingest.loaders.html import declared_charset, parse_page
from ingest.loaders.office import member
from ingest.loaders.outline import Block, build
from ingest.loaders.page_text import blocks_of
from ingest.records import Loaded

_MEDIA_TYPE = "application/epub+zip"
_CHAPTERS = ("application/xhtml+xml", "text/html")
_UNSEEN = ("script", "style", "svg", "math", "audio", "video")
_DATE = re.compile(r"(\d{4})-(\d{2})-(\d{2})")


def load_epub(data: bytes, name: str) -> Loaded:
    """Return the text of a book. Raise DocumentError: `damaged`, `too_large`, or `encrypted` where it is locked."""
    with opened(data) as archive:
        package_name = _package_name(archive)
        package = _part(archive, package_name)
        folder = posixpath.dirname(package_name)
        locked = _locked(archive)
        contents = _contents(archive, package, folder)
        blocks: list[Block] = []
        warnings: list[str] = []
        for chapter in _chapters(package, folder):
            if chapter in locked:
                raise DocumentError("encrypted", "the book is locked by its seller; only a free copy can be read")
            content = member(archive, chapter)
            if content is None:
                warnings.append(f"a chapter is missing: {one_line(chapter)}")
                continue
            blocks += _chapter(content, contents.get(chapter, ""))
    text, headings = build(blocks)
    title = one_line(_first(package, "title")) or (headings[0].title if headings else "") or name
    facts: dict[str, str] = {}
    date = _DATE.match(_first(package, "date"))
    if date:
        facts["date"] = date.group()
    if author := one_line(_first(package, "creator")):
        facts["author"] = author
    return Loaded(text, title, (), headings, _MEDIA_TYPE, "epub (lxml)", tuple(warnings), facts)


def _package_name(archive: ZipFile) -> str:
    container = _part(archive, "META-INF/container.xml")
    found = container.xpath("//*[local-name()='rootfile']/@full-path")
    if not found:
        raise DocumentError("damaged", "the book does not say where its contents are")
    return posixpath.normpath(str(found[0]))


def _part(archive: ZipFile, name: str) -> Any:
    content = member(archive, name)
    if content is None:
        raise DocumentError("damaged", f"a part of the book is missing: {one_line(name)}")
    return parsed(content)


def _chapters(package: Any, folder: str) -> list[str]:
    """Return the names of the chapters in the order of reading, without the table of contents."""
    items = {
        item.get("id"): item
        for item in package.iterfind(".//{*}manifest/{*}item")
        if item.get("media-type") in _CHAPTERS and "nav" not in item.get("properties", "").split()
    }
    found = [items.get(entry.get("idref")) for entry in package.iterfind(".//{*}spine/{*}itemref")]
    return list(dict.fromkeys(_place(folder, item.get("href", "")) for item in found if item is not None))


def _contents(archive: ZipFile, package: Any, folder: str) -> dict[str, str]:
    """Return the titles that the table of contents gives to whole chapters, by the name of the chapter."""
    titles: dict[str, str] = {}
    for item in package.iterfind(".//{*}manifest/{*}item"):
        is_nav = "nav" in item.get("properties", "").split()
        if not is_nav and item.get("media-type") != "application/x-dtbncx+xml":
            continue
        place = _place(folder, item.get("href", ""))
        content = member(archive, place)
        if content is None:
            continue
        tree = parse_page(decode(content, "utf-8").text) if is_nav else parsed(content)
        pairs = (
            [(link.get("href", ""), "".join(link.itertext())) for link in tree.iter("a")]
            if is_nav
            else [
                (source.get("src", ""), " ".join(source.getparent().xpath("*[local-name()='navLabel']//text()")))
                for source in tree.iterfind(".//{*}navPoint/{*}content")
            ]
        )
        for target, title in pairs:
            titles.setdefault(_place(posixpath.dirname(place), target.partition("#")[0]), one_line(title))
    return titles


def _chapter(content: bytes, title: str) -> list[Block]:
    """Return the blocks of a chapter; one that has no heading of its own gets its title from the contents."""
    tree = parse_page(decode(content, declared_charset(content)).text)
    for element in list(tree.iter(*_UNSEEN)):
        if element.getparent() is not None:
            element.drop_tree()
    body = tree.find("body")
    blocks = [placed.block for placed in blocks_of(tree if body is None else body)]
    if title and blocks and not any(block.level for block in blocks):
        if "".join(blocks[0].text.split()) == "".join(title.split()):
            blocks.pop(0)
        blocks.insert(0, Block(title, 1))
    return blocks


def _locked(archive: ZipFile) -> set[str]:
    """Return the names of the members that are encrypted; fonts often are, in books that can be read."""
    content = member(archive, "META-INF/encryption.xml")
    if content is None:
        return set()
    return {_place("", str(uri)) for uri in parsed(content).xpath("//*[local-name()='CipherReference']/@URI")}


def _place(folder: str, reference: str) -> str:
    return posixpath.normpath(posixpath.join(folder, unquote(reference)))


def _first(package: Any, tag: str) -> str:
    return next((element.text or "" for element in package.iterfind(f".//{{*}}metadata/{{*}}{tag}")), "")
