"""Reading order of columns and rows of tables, on pages laid out by a real typesetter."""

from __future__ import annotations

import io
import re

import pytest
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import (
    BaseDocTemplate,
    Flowable,
    Frame,
    FrameBreak,
    NextPageTemplate,
    PageTemplate,
    Paragraph,
    Table,
    TableStyle,
)

from ingest.loaders.dispatch import load

WIDTH, HEIGHT = A4
MARGIN, GAP = 54, 20
HALF = (WIDTH - 2 * MARGIN - GAP) / 2


@pytest.fixture(scope="module", autouse=True)
def _font() -> None:
    pdfmetrics.registerFont(UnicodeCIDFont("STSong-Light"))


def _style(size: float = 10, **more: object) -> ParagraphStyle:
    return ParagraphStyle("p", fontName="STSong-Light", fontSize=size, leading=1.5 * size, wordWrap="CJK", **more)


def _furniture(canvas: Canvas, document: BaseDocTemplate) -> None:
    canvas.setFont("STSong-Light", 8)
    canvas.drawString(MARGIN, HEIGHT - 30, "档案学刊　二〇二四年第三期")
    canvas.drawCentredString(WIDTH / 2, 25, f"- {document.page} -")


def _journal(story: list[Flowable]) -> bytes:
    """Return a PDF whose first page has a wide head over two columns, and whose others have two columns."""
    buffer = io.BytesIO()
    columns = [Frame(x, 45, HALF, HEIGHT - 100, 0, 0, 0, 0) for x in (MARGIN, MARGIN + HALF + GAP)]
    below = [Frame(x, 45, HALF, HEIGHT - 230, 0, 0, 0, 0) for x in (MARGIN, MARGIN + HALF + GAP)]
    head = Frame(MARGIN, HEIGHT - 175, WIDTH - 2 * MARGIN, 120, 0, 0, 0, 0)
    document = BaseDocTemplate(buffer, pagesize=A4, title="档案学刊")
    document.addPageTemplates(
        [
            PageTemplate("first", [head, *below], onPage=_furniture),
            PageTemplate("others", columns, onPage=_furniture),
        ]
    )
    document.build([NextPageTemplate("others"), *story])
    return buffer.getvalue()


def _sentences(first: int, last: int, words: str) -> str:
    return "".join(f"第{number}句{words}。" for number in range(first, last))


def _numbers(text: str) -> list[int]:
    return [int(number) for number in re.findall(r"第(\d+)句", text)]


def test_two_columns_are_read_one_after_the_other() -> None:
    """Over three pages under a wide title each column is read to its end; sentences run on over columns and pages."""
    story: list[Flowable] = [
        Paragraph("论数字档案的长期保存", _style(18)),
        Paragraph("摘要：" + _sentences(0, 6, "概括全文的要点"), _style(9)),
        FrameBreak(),
    ]
    for start in range(6, 206, 20):
        words = "说明数字档案在迁移之后仍应保持原样并且可以核对"
        story.append(Paragraph(_sentences(start, start + 20, words), _style(10, firstLineIndent=20, spaceAfter=6)))
    loaded = load(_journal(story), "x.pdf")
    assert len(loaded.pages) >= 3
    assert _numbers(loaded.text) == list(range(206))
    assert "\n" not in loaded.text[loaded.text.index("第50句") : loaded.text.index("第52句")].strip()
    assert loaded.text.startswith("论数字档案的长期保存")
    assert "档案学刊" not in loaded.text and not re.search(r"- \d -", loaded.text)


ROWS = [
    ["城市", "住宿标准", "伙食补助", "说明"],
    ["上海", "600元", "100元", "旺季上浮百分之二十"],
    ["北京", "650元", "100元", "旺季上浮百分之二十"],
    ["成都", "450元", "80元", ""],
    ["乌鲁木齐", "480元", "120元", "含高原补贴"],
]


@pytest.mark.parametrize("grid", [True, False])
def test_rows_of_tables_stay_rows(grid: bool) -> None:
    """Each row is a line with its cells in order, with or without rules between them, apart from the text around."""
    table = Table([[Paragraph(cell, _style(10)) for cell in row] for row in ROWS], colWidths=[80, 90, 90, 180])
    if grid:
        table.setStyle(TableStyle([("GRID", (0, 0), (-1, -1), 0.5, "black")]))
    buffer = io.BytesIO()
    document = BaseDocTemplate(buffer, pagesize=A4)
    document.addPageTemplates([PageTemplate("one", [Frame(MARGIN, 45, WIDTH - 2 * MARGIN, HEIGHT - 100)])])
    before, after = "出差人员的住宿和伙食按下表执行，超出的部分由本人承担。", "本表自公布之日起施行，由财务部负责解释。"
    document.build([Paragraph(before, _style(10, spaceAfter=10)), table, Paragraph(after, _style(10, spaceBefore=10))])
    lines = [line for line in load(buffer.getvalue(), "x.pdf").text.split("\n") if line.strip()]
    assert lines[0] == before and lines[-1] == after
    assert [re.split(r"[\s|]+", line.strip()) for line in lines[1:-1]] == [
        [cell for cell in row if cell] for row in ROWS
    ]


def test_a_table_of_numbers_in_a_column_does_not_mix_with_the_other_column() -> None:
    """A narrow table within the left column is read with that column."""
    table = Table([["年度", "件数"], ["2021", "18230"], ["2022", "20417"], ["2023", "22958"]], colWidths=[80, 80])
    table.setStyle(
        TableStyle([("FONTNAME", (0, 0), (-1, -1), "STSong-Light"), ("GRID", (0, 0), (-1, -1), 0.5, "black")])
    )
    words = "说明档案数量逐年增加而库房的面积没有变化"
    story: list[Flowable] = [
        Paragraph("馆藏数量的变化", _style(18)),
        FrameBreak(),
        Paragraph(_sentences(0, 20, words), _style(10, spaceAfter=6)),
        table,
        Paragraph(_sentences(20, 100, words), _style(10, spaceBefore=6)),
    ]
    text = load(_journal(story), "x.pdf").text
    assert _numbers(text) == list(range(100))
    between = text[text.index("第19句") : text.index("第20句")]
    assert re.search(r"年度[\s|]+件数\s+2021[\s|]+18230\s+2022[\s|]+20417\s+2023[\s|]+22958", between), between


def test_a_label_beside_its_explanation_is_no_row_of_a_table() -> None:
    """In a list of terms the explanation runs on under itself, while each new term begins a line."""
    words = "这个选项决定文档用什么纸张排版并且影响页边距和页眉的位置"
    rows = [[Paragraph(f"term{number}", _style(10)), Paragraph(words * 3, _style(10))] for number in range(3)]
    table = Table(rows, colWidths=[60, 300])
    table.setStyle(TableStyle([("VALIGN", (0, 0), (-1, -1), "TOP")]))
    buffer = io.BytesIO()
    document = BaseDocTemplate(buffer, pagesize=A4)
    document.addPageTemplates([PageTemplate("one", [Frame(MARGIN, 45, WIDTH - 2 * MARGIN, HEIGHT - 100)])])
    document.build([table])
    lines = load(buffer.getvalue(), "x.pdf").text.split("\n")
    assert [line.replace(" ", "") for line in lines if line] == [f"term{number}{words * 3}" for number in range(3)]
