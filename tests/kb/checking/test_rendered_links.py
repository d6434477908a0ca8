"""What becomes of an answer in clients that show it: a real Markdown renderer, and readers generous with links."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from kb.checking.links import LinkGuard
from kb.checking.marks import MarkRewriter

HOST = "http://evil.example/"
SOURCES = (f"见 {HOST} 与 {HOST}a.png 和 {HOST}b.png 。", f"[1]: {HOST}a.png\n![1]({HOST}b.png)")
KNOWN = {HOST, f"{HOST}a.png", f"{HOST}b.png"}
# Generous: ends only at what ends an autolink of GitHub's, ASCII white space or "<".
_READ = re.compile(r"http://[^ \t\n\r\v\f<]*")
_BEHIND_ADDRESS = re.compile(
    r"[*_~)\]>\"'`”’」』》〉】〕）]{0,3}(?:[.,;:!?。，；：！？、]|…{1,2})?[*_~)\]>\"'`”’」』》〉】〕）]?"
)


def shown(text: str, size: int = 1) -> str:
    """Return what a client is given of an answer with two passages."""
    rewriter, guard = MarkRewriter(2), LinkGuard(SOURCES, "zh")
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    return "".join(guard.feed(rewriter.feed(piece)) for piece in pieces) + guard.feed(rewriter.close()) + guard.close()


def carried(text: str) -> list[str]:
    """Return what a generous reader takes for links of the answer beyond the addresses of the sources."""
    beyond = []
    for address in _READ.findall(text):
        known = max((one for one in KNOWN if address.startswith(one)), key=len, default="")
        if not _BEHIND_ADDRESS.fullmatch(address, len(known)):
            beyond.append(address)
    return beyond


PICTURES = [
    f"![1]({HOST}b.png)![1]({HOST}a.png)",
    f"好！![99]({HOST}a.png)",
    f"Great![99]({HOST}a.png)",
    f"![001]({HOST}a.png)",
    f"!【1】({HOST}a.png)",
    f"![1][99]({HOST}a.png)",
    f"![1] ({HOST}a.png)",
    f"![1](<{HOST}a.png> 'x')",
    f"Great![1]\n\n[1]: {HOST}a.png",
    f"Great![1]\n\n > - [1]: {HOST}a.png",
    f"Great![1]\n\n[1\n]:\n{HOST}a.png",
    f"Great![1]\n\n[99][1]: {HOST}a.png",
    f"Great![1][2]\n\n[2]:{HOST}a.png",
    f"Great![2][b]\n\n[b]: {HOST}a.png",
    f"Great![[99]1]({HOST}a.png)",
]


@pytest.mark.parametrize("text", PICTURES)
@pytest.mark.parametrize("size", [1, 3, 1000])
def test_no_picture_is_loaded(text: str, size: int) -> None:
    """However a model writes a picture of an address that the sources have, a renderer makes none of it."""
    answer = shown(f"设备保修期为24个月。[1]\n\n{text}\n", size)
    assert "<img" not in MarkdownIt().render(answer)
    assert HOST in answer


def test_no_definition_makes_links_of_marks() -> None:
    """A label that the answer defines itself leaves the marks what they are."""
    answer = shown(f"设备保修期为24个月。[1]很好。[2]\n\n[1]: {HOST}a.png\n[2]: {HOST}b.png\n")
    assert "href" not in MarkdownIt().render(answer)


@pytest.mark.parametrize(
    "text",
    [
        f"<p style='background:url({HOST}a.png)'>x</p>",
        f"<td background={HOST}a.png>",
        f"<bgsound src={HOST}a.png>",
        "<b onclick=alert(1)>x</b>",
        "<xss/onmouseover=alert(1)>",
        f"<p\n{' ' * 500}style='background:url({HOST}a.png)'>",
        f"<{'x' * 500} onclick=alert(1)>",
    ],
)
@pytest.mark.parametrize("size", [1, 1000])
def test_no_tag_has_attributes(text: str, size: int) -> None:
    """A tag may load or run something by its attributes: a renderer that takes HTML makes text of one that has some."""
    rendered = MarkdownIt("commonmark", {"html": True}).render(shown(f"设备保修期为24个月。[1]\n\n{text}\n", size))
    assert not re.search(r"<[a-z]+[^>]*=", rendered.replace(f'<a href="{HOST}', ""))
    assert "‹" in rendered


@pytest.mark.parametrize(
    "text", ["若 a<b==c", "vector<int> x = y", "Map<String, List<int>> m = n", "<file> = 1", "1 < 2 = 3"]
)
def test_what_is_no_tag_stays(text: str) -> None:
    """Comparisons and types are no tags with attributes."""
    assert shown(text) == text


def test_the_renderer_would_have_loaded_them() -> None:
    """What is written to the guard does show pictures where nothing guards it."""
    assert sum("<img" in MarkdownIt().render(text) for text in PICTURES) >= len(PICTURES) // 2


_BEHIND_TEXT = (
    "，SECRET 。SECRET 、SECRET 中文SECRET ？q=SECRET ）SECRET 】SECRET ：SECRET ；SECRET ！SECRET ”SECRET …SECRET "
    "[1]SECRET [99]SECRET `SECRET` (SECRET) )SECRET >SECRET ]SECRET 'SECRET \"SECRET !SECRET 😊SECRET —SECRET **SECRET "
    "。**SECRET ;|;;| *_*~ .... 。。， ’』」』"
)
_HIDDEN = "\u3000\u00a0\u2028\x1f\u180e\u2800\u200b"
BEHIND = [*_BEHIND_TEXT.split(" "), *(f"{hidden}SECRET" for hidden in _HIDDEN)]


@pytest.mark.parametrize("behind", BEHIND)
@pytest.mark.parametrize("before", ["见 ", "见", "**", "（", '"', "<", "[1] ", "[x]("])
def test_nothing_rides_on_a_known_address(before: str, behind: str) -> None:
    """What a model writes right behind an address of the sources is set apart from it, whoever reads the link."""
    for size in (1, 1000):
        assert carried(shown(f"{before}{HOST}{behind}\n", size)) == []


def test_addresses_in_other_scripts_end_too() -> None:
    """An address with characters beyond ASCII, or a scheme alone, is as little prolonged as any other."""
    source = "登录 http://例子.中国/文档 或 http://host/X_(y) 。地址以 http:// 开头。"
    for text in (
        "http://例子.中国/文档，SECRET",
        "http://例子.中国/文档SECRET",
        "http://host/X_(y)SECRET",
        "http://”SECRET",
    ):
        guard = LinkGuard([source], "zh")
        assert not re.search(r"\S*:\S*SECRET", guard.feed(text) + guard.close())
    kept = "登录 http://例子.中国/文档。 或 http://host/X_(y)， 以 http:// 开头"
    guard = LinkGuard([source], "zh")
    assert guard.feed(kept) + guard.close() == kept


def test_no_markup_comes_along_with_a_run() -> None:
    """What stands in a source without a space, pictures and tags included, is not let through for its scheme."""
    source = f"http://![1]({HOST}a.png) http://x<img/src={HOST}a.png>"
    guard = LinkGuard([source], "zh")
    rendered = MarkdownIt("commonmark", {"html": True}).render(guard.feed(source) + guard.close())
    assert "<img" not in rendered


_WRITTEN = "x <p = 甲 ， 。 [1] [99] ![ ] ( ) : ; | ** ` < http://"
_PARTS = [HOST, f"{HOST}a.png", " ", "\n", *_WRITTEN.split(" ")]


@settings(max_examples=400)
@example(["![", "1", "]", "(", HOST, ")"], 1)
@given(st.lists(st.sampled_from(_PARTS), max_size=12), st.integers(1, 9))
def test_no_answer_shows_pictures_or_prolongs_addresses(pieces: list[str], size: int) -> None:
    """However an answer is put together and cut, nothing loads by itself and no link tells more than its source."""
    text = "".join(pieces)
    answer = shown(text, size)
    assert answer == shown(text, 10_000)
    assert "<img" not in MarkdownIt("commonmark", {"html": True}).render(answer)
    assert [one for one in carried(answer) if not re.fullmatch(r"http://[^\w]*", one)] == []
