"""Automatic numbers of Word lists: written nowhere in the text, and part of what readers see."""

from __future__ import annotations

import pytest

from ingest.loaders.dispatch import load
from ingest.loaders.number_formats import counted, letters, roman, written
from tests.ingest import office_files as files

pytest.importorskip("docx", reason="needs the office extra")


@pytest.mark.parametrize(
    ("number", "numerals", "expected"),
    [
        (3, "decimal", "3"),
        (3, "decimalZero", "03"),
        (2, "lowerLetter", "b"),
        (28, "upperLetter", "BB"),
        (1994, "upperRoman", "MCMXCIV"),
        (9, "lowerRoman", "ix"),
        (1, "chineseCounting", "一"),
        (10, "chineseCounting", "十"),
        (12, "chineseCountingThousand", "十二"),
        (20, "japaneseCounting", "二十"),
        (101, "chineseCountingThousand", "一百零一"),
        (110, "chineseCountingThousand", "一百一十"),
        (2005, "chineseCountingThousand", "二千零五"),
        (12, "chineseLegalSimplified", "壹拾贰"),
        (20, "ideographDigital", "二〇"),
        (3, "ideographTraditional", "丙"),
        (11, "ideographTraditional", "11"),
        (4, "ideographZodiac", "卯"),
        (12, "decimalFullWidth", "１２"),
        (5, "decimalEnclosedCircle", "⑤"),
        (5, "decimalEnclosedParen", "⑸"),
        (7, "aFormatOfTomorrow", "7"),
        (7, "none", ""),
        (0, "upperRoman", "0"),
        (123456789, "upperRoman", "123456789"),
    ],
)
def test_numerals(number: int, numerals: str, expected: str) -> None:
    """Each kind of numeral is written as word processors write it; what it cannot express comes in figures."""
    assert written(number, numerals) == expected


def test_numerals_differ_for_different_numbers() -> None:
    """Over the whole range of a long list no two numbers are written alike."""
    for spell in (counted, roman, letters):
        assert len({spell(number) for number in range(1, 3000)}) == 2999


W = "xmlns:w='http://schemas.openxmlformats.org/wordprocessingml/2006/main'"


def _level(place: int, numerals: str, pattern: str, more: str = "", start: int = 1) -> str:
    return (
        f"<w:lvl w:ilvl='{place}'><w:start w:val='{start}'/><w:numFmt w:val='{numerals}'/>"
        f"<w:lvlText w:val='{pattern}'/>{more}</w:lvl>"
    )


def _document(kinds: str, paragraphs: str, styles: str = "") -> bytes:
    """Return a Word document with these definitions of lists, paragraphs and further styles."""
    import docx

    made = docx.Document()
    made.add_paragraph("x", style="List Number")
    data = files.saved(made)
    body = files.member(data, "word/document.xml")
    start, end = body.index("<w:p>"), body.rindex("<w:sectPr")
    known = files.member(data, "word/styles.xml")
    return files.with_members(
        data,
        {
            "word/numbering.xml": f"<w:numbering {W}>{kinds}</w:numbering>",
            "word/document.xml": body[:start] + paragraphs + body[end:],
            "word/styles.xml": known.replace("</w:styles>", styles + "</w:styles>"),
        },
    )


def _paragraph(text: str, number: int | None = None, level: int | None = None, style: str = "") -> str:
    place = "" if level is None else f"<w:ilvl w:val='{level}'/>"
    listed = "" if number is None else f"<w:numPr>{place}<w:numId w:val='{number}'/></w:numPr>"
    named = f"<w:pStyle w:val='{style}'/>" if style else ""
    return f"<w:p><w:pPr>{named}{listed}</w:pPr><w:r><w:t>{text}</w:t></w:r></w:p>"


def _lists(*kinds: str) -> str:
    """Return kinds of lists, each named by the list of the same number from 1 on."""
    return "".join(
        f"<w:abstractNum w:abstractNumId='{n}'>{kind}</w:abstractNum>" for n, kind in enumerate(kinds, 1)
    ) + ("".join(f"<w:num w:numId='{n}'><w:abstractNumId w:val='{n}'/></w:num>" for n in range(1, len(kinds) + 1)))


def _lines(data: bytes) -> list[str]:
    return [line for line in load(data, "a.docx").text.split("\n") if line]


def test_levels_restart_under_each_new_number_above_them() -> None:
    """一、 （一） 1.1.2: inner levels begin anew, bullets have no number, and plain paragraphs do not count."""
    kind = (
        _level(0, "chineseCountingThousand", "%1、")
        + _level(1, "chineseCounting", "（%2）", "<w:suff w:val='nothing'/>")
        + _level(2, "decimal", "%1.%2.%3", "<w:isLgl/>")
        + _level(3, "bullet", "•")
    )
    listed = [("总则", 0), ("目的", 1), ("范围", 1), ("甲类", 2), ("乙类", 2), ("要点", 3), ("细则", 0), ("申请", 1)]
    paragraphs = "".join(_paragraph(text, 1, level) for text, level in listed[:3]) + _paragraph("没有编号的一段。")
    paragraphs += "".join(_paragraph(text, 1, level) for text, level in listed[3:])
    assert _lines(_document(_lists(kind), paragraphs)) == [
        "一、总则", "（一）目的", "（二）范围", "没有编号的一段。", "1.2.1 甲类", "1.2.2 乙类", "要点", "二、细则",
        "（一）申请",
    ]  # fmt: skip


def test_lists_of_one_kind_go_on_unless_they_are_told_where_to_begin() -> None:
    """Two lists of one kind share their counter; one with a number of its own to begin with begins there, once."""
    kinds = _lists(_level(0, "lowerLetter", "%1)"))
    kinds += "<w:num w:numId='8'><w:abstractNumId w:val='1'/></w:num>"
    kinds += (
        "<w:num w:numId='9'><w:abstractNumId w:val='1'/>"
        "<w:lvlOverride w:ilvl='0'><w:startOverride w:val='5'/></w:lvlOverride></w:num>"
    )
    paragraphs = "".join(_paragraph("x", number, 0) for number in (1, 1, 8, 9, 9, 0))
    assert _lines(_document(kinds, paragraphs)) == ["a) x", "b) x", "c) x", "e) x", "f) x", "x"]


def test_headings_carry_the_number_of_their_style() -> None:
    """A level is found by the style that it is linked to, and the number is part of the heading and of its path."""
    kind = _level(0, "chineseCounting", "第%1章", "<w:pStyle w:val='Chapter'/>")
    kind += _level(1, "decimal", "第%2条", "<w:pStyle w:val='Article'/><w:lvlRestart w:val='0'/>")
    styles = "".join(
        f"<w:style w:type='paragraph' w:styleId='{name}'><w:name w:val='{name}'/><w:pPr><w:numPr>"
        f"<w:numId w:val='1'/></w:numPr><w:outlineLvl w:val='{level}'/></w:pPr></w:style>"
        for level, name in enumerate(("Chapter", "Article"))
    )
    parts = [("总则", "Chapter"), ("目的", "Article"), ("范围", "Article"), ("附则", "Chapter"), ("解释", "Article")]
    loaded = load(
        _document(_lists(kind), "".join(_paragraph(text, style=style) for text, style in parts), styles), "a.docx"
    )
    assert [(heading.level, heading.title) for heading in loaded.headings] == [
        (1, "第一章 总则"), (2, "第1条 目的"), (2, "第2条 范围"), (1, "第二章 附则"), (2, "第3条 解释"),
    ]  # fmt: skip
    assert all(loaded.text.startswith(heading.title, heading.start) for heading in loaded.headings)


def test_rows_of_tables_are_numbered() -> None:
    """The number in an otherwise empty first column is kept."""
    cells = "".join(
        f"<w:tr><w:tc>{_paragraph('', 1, 0)}</w:tc><w:tc>{_paragraph(text)}</w:tc></w:tr>" for text in ("笔", "纸")
    )
    assert _lines(_document(_lists(_level(0, "decimal", "%1")), f"<w:tbl>{cells}</w:tbl>")) == ["1 | 笔", "2 | 纸"]


def test_odd_definitions_do_no_harm() -> None:
    """Lists that nobody defined, levels out of range, styles in a circle and numbers that are none are passed over."""
    circle = "".join(
        f"<w:style w:type='paragraph' w:styleId='{a}'><w:name w:val='{a}'/><w:basedOn w:val='{b}'/></w:style>"
        for a, b in (("A", "B"), ("B", "A"))
    )
    kinds = _lists(_level(0, "decimal", "%1.%9"), "<w:numStyleLink w:val='Nowhere'/>", _level(77, "decimal", "%1"))
    kinds += "<w:num w:numId='7'><w:abstractNumId w:val='99'/></w:num>"
    paragraphs = _paragraph("a", 1, 99) + _paragraph("b", 2, 0) + _paragraph("c", 3, 0) + _paragraph("d", 7, 0)
    paragraphs += _paragraph("e", 55, 0) + _paragraph("f", style="A")
    paragraphs += (
        "<w:p><w:pPr><w:numPr><w:ilvl w:val='x'/><w:numId w:val='1'/></w:numPr></w:pPr><w:r><w:t>g</w:t></w:r></w:p>"
    )
    lines = _lines(_document(kinds, paragraphs, circle))
    assert [line[-1] for line in lines] == list("abcdefg")
    assert lines[1:6] == list("bcdef")
