"""PDF documents."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from indexes.errors import DocumentError
from ingest.loaders.dispatch import load
from ingest.loaders.lines import glue
from ingest.loaders.pdf_furniture import without_furniture
from ingest.loaders.pdf_lines import Line, plain_lines
from ingest.loaders.pdf_paragraphs import assemble
from ingest.records import Loaded
from tests.ingest import bad_inputs


def _load(corpus: Path, name: str) -> Loaded:
    loaded = load((corpus / name).read_bytes(), Path(name).name)
    assert all(before.end == after.start for before, after in zip(loaded.pages, loaded.pages[1:], strict=False))
    assert not loaded.pages or (loaded.pages[0].start, loaded.pages[-1].end) == (0, len(loaded.text))
    return loaded


def _page(loaded: Loaded, number: int) -> str:
    page = loaded.pages[number - 1]
    return loaded.text[page.start : page.end]


def test_pages_and_bookmarks_have_exact_offsets() -> None:
    """Each page's text is where its record says, each bookmark at its line, the title from the metadata."""
    data = bad_inputs.chinese_pdf(
        [["第一章 开始", "这是第一页的内容。"], ["第二章 继续", "这是第二页的内容。"]],
        title="测试手册",
        bookmarks=["第一章 开始", "第二章 继续"],
    )
    loaded = load(data, "x.pdf")
    assert loaded.title == "测试手册"
    assert _page(loaded, 2).strip().startswith("第二章 继续")
    assert [(h.level, h.title, loaded.text[h.start : h.start + 6]) for h in loaded.headings] == [
        (1, "第一章 开始", "第一章 开始"),
        (1, "第二章 继续", "第二章 继续"),
    ]
    assert loaded.text.count("内容。") == 2


def test_a_sentence_over_lines_and_pages_is_one() -> None:
    """Chinese lines that reach the margin are joined without a space, over the end of a page as well."""
    line = "这一行文字一直写到页面右边的边缘为止然后在下一行继续写下去直到"
    loaded = load(bad_inputs.chinese_pdf([[line] * 20, ["句子在这里结束。", "新的一段。"]]), "x.pdf")
    assert loaded.text == line * 20 + "句子在这里结束。\n新的一段。"
    assert loaded.pages[1].start == len(line) * 20


def test_running_heads_page_numbers_and_dots_are_dropped() -> None:
    """What repeats at the edges goes, even with a number in it; contents lists lose their dots."""
    body = ["甲方应当按期付款。", "乙方应当按时交货。", "争议由双方协商解决。", "本合同自签字之日起生效。"]
    pages = [
        [
            f"内部手册 第 {n} 页",
            f"{body[n % 4]}这是{'一二三四五六七八'[n - 1]}。",
            f"标题{'甲乙丙丁戊己庚辛'[n - 1]} . . . . . . . . . {n + 20}",
            *body[n % 4 :],
            *body[: n % 4],
            f"- {n} -",
        ]
        for n in range(1, 9)
    ]
    text = load(bad_inputs.chinese_pdf(pages), "x.pdf").text
    assert "内部手册" not in text and "- 3 -" not in text and ". ." not in text
    assert "标题戊\n" in text and "这是五。" in text and text.count("本合同自签字之日起生效。") >= 8


def test_text_that_is_the_same_on_all_pages_is_not_a_running_head() -> None:
    """Forms and labels repeat because that is what they say."""
    assert load(bad_inputs.many_pages(20), "x.pdf").text.count("The same words") == 20


def test_running_heads_that_change_with_the_chapter_are_found_by_their_place() -> None:
    """A band apart from the text at the same height on most pages is a head, whatever it says; slide titles stay."""

    def pages(size: float) -> list[list[Line]]:
        return [
            [Line(f"卷首 {'甲乙丙丁'[n // 5]} 部分", 60, 300, 800, size), *[
                Line(f"正文第{n}页第{m}行", 60, 400, 740 - 14 * m, 10) for m in range(5)
            ]]
            for n in range(20)
        ]  # fmt: skip

    assert all(len(lines) == 5 for lines in without_furniture(pages(10)))
    varied = [
        [Line(f"幻灯片标题之{'天地玄黄宇宙洪荒日月盈昃辰宿列张寒来暑往'[n]}", 60, 300, 800, 24), *page[1:]]
        for n, page in enumerate(pages(10))
    ]
    assert all(len(lines) == 6 for lines in without_furniture(varied))


def test_hyphenation_is_repaired_and_compounds_keep_their_hyphen() -> None:
    """A word divided at a line end is whole again; a hyphen that the document writes elsewhere stays."""
    lines = [
        Line("The develop", 60, 500, 100, 10, divided=True),
        Line("ers use a well-known and command-", 60, 500, 88, 10),
        Line("line tool with command-line options and all docu-", 60, 500, 76, 10),
        Line("mentation.", 60, 110, 64, 10),
    ]
    text = assemble([lines]).text
    assert (
        text == "The developers use a well-known and command-line tool with command-line options and all documentation."
    )


@pytest.mark.parametrize(
    ("before", "after", "spaced", "expected"),
    [
        ("安装", "软件", False, ""),
        ("安装", "Debian", True, " "),
        ("安装", "Debian", False, ""),
        ("Debian", "系统", True, " "),
        ("你好，", "Debian", True, ""),
        ("the", "end", False, " "),
        ("한국", "사람", False, " "),
        ("“", "引用", True, ""),
    ],
)
def test_what_stands_between_joined_lines(before: str, after: str, spaced: bool, expected: str) -> None:
    """Nothing between Chinese, a space between words, and between the two as the text does elsewhere."""
    assert glue(before, after, spaced) == expected


def test_lines_without_geometry_are_joined_by_their_width() -> None:
    """Text from pypdf has no places; columns take their part."""
    line = "这一行文字写满了一整行然后换行继续写"
    text = assemble([plain_lines("\n".join([*[line] * 14, "结束。", "", "另一段。"]))]).text
    assert text == line * 14 + "结束。\n\n另一段。"


def test_encrypted_files_open_with_the_empty_or_a_given_password_only() -> None:
    """Without the password there is a clear error; an owner's password alone is no hindrance."""
    data = bad_inputs.chinese_pdf([["秘密的内容。"]])
    assert load(bad_inputs.encrypted_pdf(data, ""), "x.pdf").text == "秘密的内容。"
    locked = bad_inputs.encrypted_pdf(data, "开门")
    for passwords in ((), ("falsch",)):
        with pytest.raises(DocumentError) as caught:
            load(locked, "x.pdf", passwords=passwords)
        assert caught.value.reason == "encrypted"
    locked = bad_inputs.encrypted_pdf(data, "sesame")
    assert load(locked, "x.pdf", passwords=("falsch", "sesame")).text == "秘密的内容。"


@pytest.mark.parametrize(
    ("make", "reasons"),
    [
        (lambda pdf: pdf[: len(pdf) // 2], {"damaged", "empty"}),
        (lambda pdf: pdf[:200], {"damaged", "empty"}),
        (lambda pdf: b"", {"empty"}),
        (lambda pdf: b"%PDF-1.7\n" + bytes(range(128, 256)) * 40, {"damaged"}),
        (lambda pdf: bad_inputs.page_tree_cycle(), {"damaged", "empty"}),
        (lambda pdf: bad_inputs.image_only_pdf(), {"empty"}),
    ],
)
def test_broken_and_textless_files_end_in_a_reason(make: object, reasons: set[str]) -> None:
    """Truncated, empty, rubbish, cyclic, image only: none is silently an empty document."""
    assert callable(make)
    with pytest.raises(DocumentError) as caught:
        load(make(bad_inputs.chinese_pdf([["内容。"]])), "x.pdf")
    assert caught.value.reason in reasons


def test_scans_say_that_they_need_ocr() -> None:
    """The message names the page and what would help."""
    with pytest.raises(DocumentError, match=r"pages 1; OCR may read them"):
        load(bad_inputs.image_only_pdf(), "scan.pdf")


def test_mojibake_pages_are_read_again() -> None:
    """A page whose Chinese was stored as Latin-1 letters comes out as Chinese, and says how."""
    words = "中文文档在这里显示为乱码的问题已经解决".encode("gb18030").decode("latin-1")
    content = b"BT /F1 12 Tf 50 700 Td (" + words.encode("latin-1").replace(b"\\", b"\\\\") + b") Tj ET"
    data = bad_inputs.raw_pdf(
        [
            b"<< /Type /Catalog /Pages 2 0 R >>",
            b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents 4 0 R "
            b"/Resources << /Font << /F1 5 0 R >> >> >>",
            b"<< /Length %d >>\nstream\n%b\nendstream" % (len(content), content),
            b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
        ]
    )
    loaded = load(data, "x.pdf")
    assert loaded.text == "中文文档在这里显示为乱码的问题已经解决"
    assert "re-decoded" in loaded.extractor


def test_the_chinese_book_is_read_whole(corpus: Path) -> None:
    """251 pages: joined sentences, no running heads, no dots, bookmarks as headings at their lines."""
    loaded = _load(corpus, "documents/debian-reference.zh-cn.pdf")
    assert len(loaded.pages) == 251 and loaded.title == "Debian 参考手册"
    assert "你从管道这端先放进去的东西会从另一端先出来。" in _page(loaded, 41)
    assert not re.search(r"\d+ / 223", loaded.text) and not re.search(r"(?:\. ){4}", loaded.text)
    assert len(loaded.headings) > 400
    found = sum(
        re.sub(r"\W", "", h.title) in re.sub(r"\W", "", loaded.text[h.start : h.start + 120]) for h in loaded.headings
    )
    assert found > 0.9 * len(loaded.headings)


def test_chinese_that_pypdf_does_not_see_is_read(corpus: Path) -> None:
    """lshort-zh-cn (GB1 fonts) gives its Chinese text, with page and heading."""
    loaded = _load(corpus, "documents/lshort-zh-cn.pdf")
    assert "一篇结构化的、条理清晰文档一定是层次分明的，通过不同的命令分割为章、节、小节。" in _page(loaded, 31)
    assert loaded.extractor == "pypdfium2" and len(loaded.headings) > 150


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("026-latex-multicolumn/multicolumn.pdf", "Nulla et lectus vestibulum urna fringilla ultrices."),
        ("001-trivial/minimal-document.pdf", "Lorem ipsum dolor sit amet"),
        ("009-pdflatex-geotopo/GeoTopo-komprimiert.pdf", "Topologische Räume"),
        ("015-arabic/habibi.pdf", "habibi"),
        ("021-pdfa/crazyones-pdfa.pdf", "to the crazy ones. The misfits. The rebels."),
    ],
)
def test_awkward_samples_give_their_words(corpus: Path, name: str, words: str) -> None:
    """Columns in reading order, German, two scripts, PDF/A."""
    assert words in " ".join(_load(corpus, f"pdf-samples/{name}").text.split())


def test_the_sample_with_a_password_opens_with_it(corpus: Path) -> None:
    """A file made by LibreOffice with a password."""
    data = (corpus / "pdf-samples/005-libreoffice-writer-password/libreoffice-writer-password.pdf").read_bytes()
    assert load(data, "x.pdf", passwords=("openpassword",)).text.strip()
