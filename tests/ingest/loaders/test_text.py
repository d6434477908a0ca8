"""Plain text, Markdown and tables."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from indexes.errors import DocumentError
from ingest.loaders.cleaning import clean
from ingest.loaders.dispatch import load


def _headings(data: str, name: str) -> list[tuple[int, str, str]]:
    loaded = load(data.encode(), name)
    return [(h.level, h.title, loaded.text[h.start :].split("\n")[0]) for h in loaded.headings]


def test_markdown_headings_of_both_forms_are_found_outside_of_code() -> None:
    """ATX and setext headings with their levels at their offsets; a comment in a code block is none."""
    text = (
        "# 使用 `手册`\n\nIntro\n\n```sh\n# not a heading\n```\n\n"
        "Second\n------\n\ntext\n\n### [Deep](x.html) ###\n\n- item\n---\n"
    )
    assert _headings(text, "a.md") == [
        (1, "使用 手册", "# 使用 `手册`"),
        (2, "Second", "Second"),
        (3, "Deep", "### [Deep](x.html) ###"),
    ]
    assert load(text.encode(), "a.md").title == "使用 手册"


def test_front_matter_gives_title_date_and_tag() -> None:
    """What Markdown generators put above the text is metadata, not text."""
    loaded = load("---\ntitle: 标题\ndate: 2024-05-01\ntags: [a, b]\n---\n\n正文。\n".encode(), "a.md")
    assert (loaded.title, loaded.text) == ("标题", "正文。")
    assert loaded.metadata == {"date": "2024-05-01", "tag": "a, b"}


def test_headings_of_plain_text_are_modest() -> None:
    """Chapter lines and numbered lines that stand alone are headings; lists and sentences are not."""
    text = (
        "第一章 总则\n\n第一条 本办法适用于全体员工。\n\n1.2 适用范围\n\n正文在此。\n1. 第一项\n2. 第二项\n\n"
        "2 files were found\n\n第二节 细则\n\n末尾。"
    )
    assert [(level, title) for level, title, _ in _headings(text, "a.txt")] == [
        (2, "第一章 总则"),
        (3, "1.2 适用范围"),
        (3, "第二节 细则"),
    ]


def test_paragraphs_wrapped_at_a_width_are_joined() -> None:
    """Chinese joins without a space, Latin with one; lists and code keep their lines."""
    licence = (
        "Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated "
        "documentation files to deal in the software without restriction."
    )
    text = (
        "本指南在撰写过程中参考了很多文档，其中有一些是由社区的志愿者在多年之前完\n"
        "成的，它们的内容仍然有效并且值得阅读。我们在这里向所有的作者表示由衷的感\n"
        "谢。\n\n" + textwrap.fill(licence, 72) + "\n\n  * 第一项\n  * 第二项\n\n$ make\n$ make install\n"
    )
    joined = load(text.encode(), "a.txt").text.split("\n")
    assert joined[0].endswith("值得阅读。我们在这里向所有的作者表示由衷的感谢。")
    assert joined[2] == licence
    assert joined[4:] == ["  * 第一项", "  * 第二项", "", "$ make", "$ make install"]


def test_lines_that_were_not_wrapped_stay() -> None:
    """Records of equal length, verse and one line a paragraph are left alone."""
    for text in (
        "\n".join(
            f"2024-01-{day:02d} 21:00:15.469 INFO service started in region {day:02d} node 7 ok" for day in range(1, 29)
        ),
        "床前明月光，\n疑是地上霜。\n举头望明月，\n低头思故乡。",
        "\n".join("这是一个很长的段落，它没有换行。" * n for n in range(3, 12)),
    ):
        assert load(text.encode(), "a.txt").text == text


def test_rows_of_tables_carry_the_names_of_their_columns() -> None:
    """Each row of a CSV reads by itself, whatever its delimiter and encoding."""
    text = '姓名;部门;电话\n张三;研发;010-1234\n李四;;"分机 5;6"\n'
    loaded = load(text.encode("gb18030"), "people.csv")
    assert loaded.text.split("\n") == [
        "姓名; 部门; 电话",
        "姓名: 张三; 部门: 研发; 电话: 010-1234",
        "姓名: 李四; 电话: 分机 5;6",
    ]
    assert load(b"1,2\n3,4\n", "n.csv").text == "1; 2\n3; 4"


@pytest.mark.parametrize("data", [b"", b" \n\t\r\n ", "\u3000\u200b\n".encode(), b"\x00\x00\x00"])
def test_files_without_text_are_empty(data: bytes) -> None:
    """Nothing, or only white space and invisible characters, is a failure to report."""
    with pytest.raises(DocumentError) as caught:
        load(data, "a.txt")
    assert caught.value.reason == "empty"


@pytest.mark.parametrize(
    "data",
    [
        b"\x7fELF\x02\x01\x01" + bytes(range(256)) * 8,
        b"MZ" + bytes(58) + b"\x80\x00\x00\x00" + bytes(300),
        b"\x89PNG\r\n\x1a\n" + bytes(100),
        bytes(range(1, 32)) * 50 + b"text",
    ],
)
def test_binary_content_is_refused_whatever_its_name(data: bytes) -> None:
    """A program named .txt is no text."""
    with pytest.raises(DocumentError) as caught:
        load(data, "notes.txt")
    assert caught.value.reason == "unsupported"


def test_nul_characters_make_binary_data_but_one_stray_does_not() -> None:
    """Text full of NULs is refused; a single one in a long text is dropped."""
    with pytest.raises(DocumentError) as caught:
        load(b"key\x00value\x00" * 100 + b"\x01", "a.txt")
    assert caught.value.reason in ("undecodable", "unsupported")
    text = "正常的文字。" * 300
    assert load((text + "\x00尾").encode(), "a.txt").text == text + "尾"


def test_invisible_and_reordering_characters_are_taken_out() -> None:
    """Zero-width, bidirectional and control characters cannot hide words from search or fake a quotation."""
    assert (
        clean("a\u200bb\u202ec\u2066d\ufeffe\u00adf\x07g\r\nh\u2028i\x00 \n\n\n\nj\ud800") == "abcdefg\nh\ni\n\nj\ufffd"
    )


SPACES = "\u00a0\u1680\u2000\u2003\u2007\u2009\u200a\u202f\u205f\u3000"


@pytest.mark.parametrize("name", ["a.txt", "a.md"])
def test_every_kind_of_space_stays_as_it_is_in_the_file(name: str) -> None:
    """The stored text of a clean file is the file's: a quotation of it is found there, no-break spaces and all."""
    text = "\n".join(f"第{number}行{space}有{space}{space}特别的空格。" for number, space in enumerate(SPACES))
    assert load(text.encode(), name).text == text


def test_special_spaces_part_words_of_headings_and_wrapped_lines_as_plain_ones_do() -> None:
    """A heading behind a no-break space is one, and lines wrapped with such spaces in them are joined as others are."""
    heading = load("#\u00a0第一章\u2003总则\n\n正文。".encode(), "a.md").headings[0]
    assert (heading.start, heading.level, heading.title) == (0, 1, "第一章 总则")
    wrapped = textwrap.fill("A grant of rights, free of charge, goes to any person who obtains a copy. " * 6, 72)
    plain = load(wrapped.encode(), "a.txt").text
    special = load(wrapped.replace(" of ", "\u00a0of\u2009").encode(), "a.txt").text
    assert "\n" not in plain
    assert special == plain.replace(" of ", "\u00a0of\u2009")


def test_pages_have_plain_spaces_in_place_of_those_that_do_not_break() -> None:
    """What is laid out with no-break spaces reads as text."""
    assert load("<html><body><p>价格&nbsp;&nbsp;100 元，含税。</p></body></html>".encode(), "a.html").text.startswith(
        "价格 "
    )


def test_one_line_of_many_megabytes_is_read() -> None:
    """5 MB without a line end (50 MB in the long battery) take no more than a moment."""
    line = "没有换行的文字" * 250_000
    assert load(line.encode(), "a.txt").text == line


def test_real_text_files_are_joined_and_have_their_headings(corpus: Path) -> None:
    """The Debian Reference as text: wrapped lines joined, several hundred headings, title from the first line."""
    loaded = load((corpus / "documents" / "debian-reference.zh-cn.txt").read_bytes(), "debian-reference.zh-cn.txt")
    assert loaded.title == "Debian 参考手册"
    assert len(loaded.headings) > 300
    assert "习惯于使用 Vim 命令是一个明智的选择，因为 Linux/Unix 系统里一般都附带了 Vi 编辑器。" in loaded.text


def test_items_of_lists_are_no_headings_beside_numbered_sections() -> None:
    """Beside sections such as 2.1 an item `2. …` is no heading, a section over 2.1 is; chapters stand above both."""
    parts = (
        "第 1 章 总则", "1.1 范围", "适用于全体员工。", "1. 提出申请", "2. 交部门负责人签字", "3. 领取",
        "第 2 章 领用", "2. 期限与归还", "2.1 期限", "期限为三年。",
    )  # fmt: skip
    headings = load("\n\n".join(parts).encode(), "规定.txt", None).headings
    assert [(heading.title, heading.level) for heading in headings] == [
        ("第 1 章 总则", 2), ("1.1 范围", 3), ("第 2 章 领用", 2), ("2. 期限与归还", 2), ("2.1 期限", 3),
    ]  # fmt: skip


def test_a_short_text_in_utf_16_is_text() -> None:
    """A byte order mark says that it is text, though it may hold no zero byte."""
    assert load("会议室预订须提前三天。".encode("utf-16"), "通知.txt", None).text.strip() == "会议室预订须提前三天。"
