"""Makes office documents, books and messages for the tests: real files, written by the libraries or by hand."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from datetime import datetime
from email.message import EmailMessage
from typing import Any

CONTAINER = (
    "<container xmlns='urn:oasis:names:tc:opendocument:xmlns:container'><rootfiles>"
    "<rootfile full-path='OEBPS/book.opf'/></rootfiles></container>"
)
OPF = """<package xmlns="http://www.idpf.org/2007/opf" xmlns:dc="http://purl.org/dc/elements/1.1/"><metadata>
<dc:title>三国演义</dc:title><dc:creator>罗贯中</dc:creator><dc:date>2001-05-06T00:00:00Z</dc:date></metadata><manifest>
<item id="nav" href="nav.xhtml" media-type="application/xhtml+xml" properties="nav"/>
<item id="ncx" href="toc.ncx" media-type="application/x-dtbncx+xml"/>
<item id="two" href="text/2%20b.xhtml" media-type="application/xhtml+xml"/>
<item id="one" href="text/1.xhtml" media-type="application/xhtml+xml"/>
<item id="picture" href="p.png" media-type="image/png"/></manifest>
<spine toc="ncx"><itemref idref="nav"/><itemref idref="one"/><itemref idref="two"/><itemref idref="gone"/></spine>
</package>"""
NCX = """<!DOCTYPE ncx PUBLIC "-//NISO//DTD ncx 2005-1//EN" "http://www.daisy.org/z3986/2005/ncx-2005-1.dtd">
<ncx xmlns="http://www.daisy.org/z3986/2005/ncx/"><navMap><navPoint><navLabel><text>第二回</text></navLabel>
<content src="text/2%20b.xhtml"/></navPoint></navMap></ncx>"""
XHTML = """<?xml version="1.0" encoding="utf-8"?><!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.1//EN"
"http://www.w3.org/TR/xhtml11/DTD/xhtml11.dtd"><html xmlns="http://www.w3.org/1999/xhtml"><head><title>x</title>
<style>p {color: red}</style></head><body>%s</body></html>"""


def archive(members: Mapping[str, str | bytes]) -> bytes:
    """Return a ZIP file."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as written:
        for name, content in members.items():
            written.writestr(name, content)
    return target.getvalue()


def with_members(data: bytes, members: Mapping[str, str | bytes]) -> bytes:
    """Return a ZIP file with some members replaced or added."""
    with zipfile.ZipFile(io.BytesIO(data)) as found:
        kept: dict[str, str | bytes] = {name: found.read(name) for name in found.namelist()}
    return archive({**kept, **members})


def member(data: bytes, name: str) -> str:
    """Return a member of a ZIP file as text."""
    with zipfile.ZipFile(io.BytesIO(data)) as found:
        return found.read(name).decode()


def saved(document: Any) -> bytes:
    """Return what a library saves."""
    target = io.BytesIO()
    document.save(target)
    return target.getvalue()


def word() -> bytes:
    """Return a Word document with headings, a list, two tables, a text box, a content control and changes."""
    import docx
    from docx.oxml import parse_xml
    from docx.oxml.ns import nsdecls

    document = docx.Document()
    document.core_properties.title = "员工手册"
    document.core_properties.keywords = "制度, 休假"
    document.core_properties.modified = datetime(2024, 5, 6)
    document.add_heading("第一章 休假", 1)
    document.add_paragraph("每位员工每年有十五天年假。")
    document.add_heading("申请", 2)
    document.add_paragraph("先问主管", style="List Bullet")
    document.add_paragraph("再填表格", style="List Bullet")
    form = document.add_table(rows=2, cols=2)
    for cell, text in zip(
        (cell for row in form.rows for cell in row.cells), ("姓名", "张三", "部门", "销售部"), strict=True
    ):
        cell.text = text
    document.add_heading("第二章 出差", 1)
    named = document.add_table(rows=2, cols=2)
    for cell, text in zip(
        (cell for row in named.rows for cell in row.cells), ("城市", "标准", "上海", "500元"), strict=True
    ):
        cell.text = text
    named.rows[0]._tr.get_or_add_trPr().append(parse_xml(f"<w:tblHeader {nsdecls('w')}/>"))
    run = f"<w:r {nsdecls('w')}><w:t>%s</w:t></w:r>"
    changed = document.add_paragraph("报销期限为")
    changed._p.append(parse_xml(f"<w:del {nsdecls('w')} w:id='1'><w:r><w:delText>十天</w:delText></w:r></w:del>"))
    changed._p.append(parse_xml(f"<w:ins {nsdecls('w')} w:id='2'>{run % '三十天'}</w:ins>"))
    control = (
        f"<w:sdt {nsdecls('w')}><w:sdtPr/><w:sdtContent><w:p>{run % '控件里的文字。'}</w:p></w:sdtContent></w:sdt>"
    )
    contents = (
        f"<w:sdt {nsdecls('w')}><w:sdtPr><w:docPartObj><w:docPartGallery w:val='Table of Contents'/></w:docPartObj>"
        f"</w:sdtPr><w:sdtContent><w:p>{run % '第一章 休假 1'}</w:p></w:sdtContent></w:sdt>"
    )
    box = f"<w:r {nsdecls('w')}><w:pict><w:txbxContent><w:p>{run % '框里的提示。'}</w:p></w:txbxContent></w:pict></w:r>"
    body = document.element.body
    body.insert(0, parse_xml(contents))
    changed._p.addnext(parse_xml(control))
    changed._p.append(parse_xml(box))
    return saved(document)


def spreadsheet() -> bytes:
    """Return a workbook with a title row, dates, shares, a formula, a gap, a second table and a hidden sheet."""
    import openpyxl

    workbook = openpyxl.Workbook()
    sheet = workbook.active
    sheet.title = "销售"
    sheet.append(["2024年销售情况"])
    sheet.append(["城市", "金额", "占比", "日期"])
    sheet.append(["上海", 1200, 0.255, datetime(2024, 5, 6)])
    sheet.append(["北京", 800.5, 0.1, datetime(2024, 5, 7, 8, 30)])
    sheet["C3"].number_format = sheet["C4"].number_format = "0.0%"
    sheet["A7"], sheet["B7"] = "备注", "只含\n国内"
    sheet["A8"] = "=1+1"
    workbook.create_sheet("空的")
    secret = workbook.create_sheet("内部")
    secret["A1"] = "不公开"
    secret.sheet_state = "hidden"
    last = workbook.create_sheet("人员")
    last.append(["姓名", "工号"])
    last.append(["张三", 7])
    return saved(workbook)


def slides() -> bytes:
    """Return a presentation with titles, bullets, a table, a group, notes, and a picture slide without text."""
    import pptx
    from pptx.util import Inches

    presentation = pptx.Presentation()
    first = presentation.slides.add_slide(presentation.slide_layouts[1])
    first.shapes.title.text = "年度计划"
    first.placeholders[1].text = "增加人手\n减少支出"
    first.notes_slide.notes_text_frame.text = "这里要讲得慢一些。"
    presentation.slides.add_slide(presentation.slide_layouts[6])
    third = presentation.slides.add_slide(presentation.slide_layouts[5])
    third.shapes.title.text = "预算"
    table = third.shapes.add_table(2, 2, Inches(1), Inches(2), Inches(4), Inches(1)).table
    for position, text in enumerate(("项目", "金额", "培训", "3万元")):
        table.cell(position // 2, position % 2).text = text
    group = third.shapes.add_group_shape()
    group.shapes.add_textbox(Inches(1), Inches(5), Inches(2), Inches(1)).text_frame.text = "组里的文字"
    return saved(presentation)


def epub(**members: str | bytes) -> bytes:
    """Return a book of two chapters, the second without a heading of its own."""
    first = (
        XHTML
        % "<h1>第一回</h1><p>话说天下大势，分久必合，合久必分。</p><script>x()</script><h2>桃园</h2><p>三人结义。</p>"
    )
    return archive(
        {
            "mimetype": "application/epub+zip",
            "META-INF/container.xml": CONTAINER,
            "OEBPS/book.opf": OPF,
            "OEBPS/toc.ncx": NCX,
            "OEBPS/nav.xhtml": XHTML % "<nav><a href='text/1.xhtml'>目录里的第一回</a></nav>",
            "OEBPS/text/1.xhtml": first,
            "OEBPS/text/2 b.xhtml": XHTML % "<p>张翼德怒鞭督邮。</p><p>何国舅谋诛宦竖。</p>",
            "OEBPS/p.png": b"\x89PNG",
            **members,
        }
    )


def mail() -> EmailMessage:
    """Return a message in two forms with an attachment."""
    message = EmailMessage()
    message["From"] = "王芳 <wang@example.org>"
    message["To"] = "li@example.org"
    message["Subject"] = "关于十月会议的通知"
    message["Date"] = "Mon, 06 May 2024 10:00:00 +0800"
    message["Message-ID"] = "<1@example.org>"
    message.set_content("会议定在十月八日上午九点。\n请准时参加。\n")
    message.add_alternative("<html><body><p>会议的网页形式。</p></body></html>", subtype="html")
    message.add_attachment(b"%PDF-1.4", maintype="application", subtype="pdf", filename="议程.pdf")
    return message
