"""Office documents, books and messages: what is read of them, and what bad ones end in."""

from __future__ import annotations

import io
import struct
import sys
import time
import zipfile
from email.message import EmailMessage
from pathlib import Path

import pytest

from indexes.errors import DocumentError
from indexes.records import Heading
from ingest.loaders import archive, mail
from ingest.loaders.dispatch import load
from ingest.records import Loaded, SourceItem
from ingest.sources import walk
from ingest.workers import LoaderPool
from tests.ingest import office_files as files

for _package in ("docx", "openpyxl", "pptx"):
    pytest.importorskip(_package, reason="needs the office extra")

DTD = "<!DOCTYPE x [<!ENTITY a 'aaaaaaaaaa'><!ENTITY b '&a;&a;&a;'><!ENTITY f SYSTEM 'file:///etc/passwd'>]>"


def _headings(loaded: Loaded) -> list[tuple[int, str]]:
    for heading in loaded.headings:
        assert loaded.text.startswith(heading.title, heading.start)
    return [(heading.level, heading.title) for heading in loaded.headings]


def _pages(loaded: Loaded) -> dict[int, str]:
    return {page.number: loaded.text[page.start : page.end] for page in loaded.pages}


def _reason(data: bytes, name: str = "file") -> str:
    with pytest.raises(DocumentError) as caught:
        load(data, name)
    assert len(caught.value.detail) < 500
    return caught.value.reason


def test_word() -> None:
    """Headings, lists, tables, text boxes and content controls come in order; deletions and contents lists do not."""
    loaded = load(files.word(), "anything.bin")
    assert _headings(loaded) == [(1, "第一章 休假"), (2, "申请"), (1, "第二章 出差")]
    assert loaded.text.split("\n\n", 3)[:2] == ["第一章 休假", "每位员工每年有十五天年假。"]
    assert "先问主管\n再填表格" in loaded.text
    assert "姓名 | 张三\n部门 | 销售部" in loaded.text
    assert "城市; 标准\n城市: 上海; 标准: 500元" in loaded.text
    assert "报销期限为三十天" in loaded.text and "十天\n" not in loaded.text.replace("三十天", "")
    assert loaded.text.count("框里的提示。") == loaded.text.count("控件里的文字。") == 1
    assert loaded.text.count("第一章 休假") == 1
    assert (loaded.title, loaded.extractor) == ("员工手册", "python-docx")
    assert loaded.metadata == {"date": "2024-05-06", "tag": "制度, 休假"}


def test_headings_of_word_by_outline_and_by_inherited_style() -> None:
    """A heading is known by its outline level, or by a style based on one of a heading, whatever that is called."""
    import docx
    from docx.oxml import parse_xml
    from docx.oxml.ns import nsdecls

    document = docx.Document()
    style = document.styles.add_style("公司标题", 1)
    style.base_style = document.styles["Heading 2"]
    document.add_paragraph("按样式", style="公司标题")
    outlined = document.add_paragraph("按大纲")
    outlined._p.get_or_add_pPr().append(parse_xml(f"<w:outlineLvl {nsdecls('w')} w:val='2'/>"))
    document.add_paragraph("正文。")
    assert _headings(load(files.saved(document), "x.docx")) == [(2, "按样式"), (3, "按大纲")]


def test_notes_of_word_stand_under_their_paragraph() -> None:
    """A footnote is read where it is referred to; the lines that separate notes are not notes."""
    import docx
    from docx.oxml import parse_xml
    from docx.oxml.ns import nsdecls

    document = docx.Document()
    paragraph = document.add_paragraph("利率为百分之三。")
    paragraph._p.append(parse_xml(f"<w:r {nsdecls('w')}><w:footnoteReference w:id='2'/></w:r>"))
    document.add_paragraph("下一段。")
    data = files.saved(document)
    note = "<w:footnote w:id='%s'%s><w:p><w:r><w:t>%s</w:t></w:r></w:p></w:footnote>"
    both = note % (0, " w:type='separator'", "分隔线") + note % (2, "", "自明年起。")
    notes = f"<w:footnotes {nsdecls('w')}>{both}</w:footnotes>"
    kind = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/footnotes"
    relations = files.member(data, "word/_rels/document.xml.rels").replace(
        "</Relationships>", f"<Relationship Id='n1' Type='{kind}' Target='footnotes.xml'/></Relationships>"
    )
    data = files.with_members(data, {"word/footnotes.xml": notes, "word/_rels/document.xml.rels": relations})
    assert load(data, "x.docx").text == "利率为百分之三。\n自明年起。\n\n下一段。"


def test_spreadsheet() -> None:
    """Each sheet is a page under its name; rows read by themselves; hidden sheets are named in a warning."""
    loaded = load(files.spreadsheet(), "book.xlsx")
    assert _pages(loaded) == {
        1: "销售\n\n2024年销售情况\n城市; 金额; 占比; 日期\n"
        "城市: 上海; 金额: 1200; 占比: 25.5%; 日期: 2024-05-06\n"
        "城市: 北京; 金额: 800.5; 占比: 10%; 日期: 2024-05-07 08:30:00\n\n备注; 只含 国内",
        4: "人员\n\n姓名; 工号\n姓名: 张三; 工号: 7",
    }
    assert _headings(loaded) == [(1, "销售"), (1, "人员")]
    assert loaded.warnings == ("hidden sheets were not read: 内部",)
    assert loaded.title == "book.xlsx"


def test_a_workbook_of_another_program() -> None:
    """Texts that are stored apart from their cells, rich texts, and values of formulas, as Excel stores them."""
    import xlsxwriter

    target = io.BytesIO()
    workbook = xlsxwriter.Workbook(target, {"in_memory": True})
    sheet = workbook.add_worksheet("库存")
    for row, cells in enumerate((("品名", "数量", "合格"), ("螺丝", 12, True), ("螺母", 7.25, False))):
        sheet.write_row(row, 0, cells)
    sheet.write_rich_string(3, 0, "垫", workbook.add_format({"bold": True}), "圈")
    sheet.write_formula(3, 1, "=B2+B3", None, 19.25)
    workbook.close()
    assert "xl/sharedStrings.xml" in zipfile.ZipFile(target).namelist()
    assert load(target.getvalue(), "x.xlsx").text == (
        "库存\n\n品名; 数量; 合格\n品名: 螺丝; 数量: 12; 合格: TRUE\n品名: 螺母; 数量: 7.25; 合格: FALSE\n"
        "品名: 垫圈; 数量: 19.25"
    )


def test_a_cell_at_the_far_corner_costs_little() -> None:
    """A workbook with one cell at the last row and column of the format is read at once."""
    import openpyxl

    workbook = openpyxl.Workbook()
    sheet = workbook.active
    sheet["A1"] = "开头"
    sheet["XFD1048576"] = "角落"
    begun = time.monotonic()
    assert "开头" in load(files.saved(workbook), "x.xlsx").text
    assert time.monotonic() - begun < 10


def test_slides() -> None:
    """Each slide is a page with its title as heading; tables, groups and notes are read, empty slides count."""
    loaded = load(files.slides(), "x")
    assert _pages(loaded) == {
        1: "年度计划\n\n增加人手\n减少支出\n\n这里要讲得慢一些。",
        3: "预算\n\n项目 | 金额\n培训 | 3万元\n\n组里的文字",
    }
    assert _headings(loaded) == [(1, "年度计划"), (1, "预算")]
    assert loaded.title == "年度计划"


def test_epub() -> None:
    """Chapters come in the order of the spine, without the contents list; titles are taken from it where need be."""
    loaded = load(files.epub(), "x.epub")
    assert loaded.text == (
        "第一回\n\n话说天下大势，分久必合，合久必分。\n\n桃园\n\n三人结义。\n\n第二回\n\n张翼德怒鞭督邮。\n\n何国舅谋诛宦竖。"
    )
    assert _headings(loaded) == [(1, "第一回"), (2, "桃园"), (1, "第二回")]
    assert (loaded.title, dict(loaded.metadata)) == ("三国演义", {"date": "2001-05-06", "author": "罗贯中"})


def test_locked_and_broken_books() -> None:
    """A chapter under lock is told as such; scrambled fonts alone do not matter; missing parts are told."""
    lock = (
        "<encryption><EncryptedData><CipherData><CipherReference URI='%s'/></CipherData></EncryptedData></encryption>"
    )
    assert _reason(files.epub(**{"META-INF/encryption.xml": lock % "OEBPS/text/1.xhtml"})) == "encrypted"
    assert load(files.epub(**{"META-INF/encryption.xml": lock % "OEBPS/font.otf"}), "x").title == "三国演义"
    assert _reason(files.epub(**{"META-INF/container.xml": "<container/>"})) == "damaged"
    assert _reason(files.epub(**{"META-INF/container.xml": files.CONTAINER.replace("book.opf", "no.opf")})) == "damaged"
    entity = "<?xml version='1.0'?>" + DTD + "<html><body><p>开始&f;&b;结束</p></body></html>"
    text = load(files.epub(**{"OEBPS/text/1.xhtml": entity}), "x").text
    assert "root:" not in text and "aaaa" not in text and "结束" in text


def test_mail() -> None:
    """Sender, date and subject stand before the text; the plain form is taken; attachments are named."""
    loaded = load(files.mail().as_bytes(), "x.txt")
    assert loaded.headings == (Heading(0, 1, "关于十月会议的通知"),)
    assert loaded.text == (
        "关于十月会议的通知\n\nFrom: 王芳 <wang@example.org>\nTo: li@example.org\n"
        "Date: Mon, 06 May 2024 10:00:00 +0800\n"
        "Attachments: 议程.pdf\n\n会议定在十月八日上午九点。\n请准时参加。"
    )
    assert loaded.metadata == {"date": "2024-05-06"}
    assert len(loaded.warnings) == 1
    assert loaded.warnings[0].startswith("attachments were not read: 议程.pdf (damaged: ")


def _with_attachment(
    message: EmailMessage, name: str, data: bytes, media_type: str = "application/octet-stream"
) -> None:
    kind, _, form = media_type.partition("/")
    message.add_attachment(data, maintype=kind, subtype=form, filename=name)


def test_attachments_of_mail_are_part_of_its_text() -> None:
    """Readable attachments stand under their names, with their headings below; the others are named with the reason."""
    message = files.mail()
    _with_attachment(message, "手册.docx", files.word())
    _with_attachment(message, "名单.csv", "姓名,部门\n张三,研发\n".encode("gb18030"), "text/csv")
    _with_attachment(message, "photo.jpg", b"\xff\xd8\xff\xe0" + bytes(200), "image/jpeg")
    _with_attachment(message, "signature.asc", b"-----BEGIN PGP SIGNATURE-----", "application/pgp-signature")
    inner = files.mail()
    inner.replace_header("Subject", "转来的信")
    _with_attachment(inner, "附录.txt", "附录里的一句话。".encode())
    _with_attachment(message, "转发.eml", inner.as_bytes())
    loaded = load(message.as_bytes(), "x.eml")
    assert _headings(loaded) == [
        (1, "关于十月会议的通知"), (2, "手册.docx"), (3, "第一章 休假"), (4, "申请"), (3, "第二章 出差"),
        (2, "名单.csv"), (2, "转发.eml"), (3, "转来的信"), (4, "附录.txt"),
    ]  # fmt: skip
    assert "姓名: 张三; 部门: 研发" in loaded.text and "BEGIN PGP" not in loaded.text
    assert loaded.text.endswith("附录.txt\n\n附录里的一句话。")
    places = [
        loaded.text.index(part) for part in ("请准时参加。", "每位员工每年有十五天年假。", "姓名: 张三; 部门: 研发")
    ]
    assert places == sorted(places)
    assert any("photo.jpg (unsupported" in warning for warning in loaded.warnings)


def test_attachments_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Messages within messages are read a few deep, and no more than so many and so much is read of one."""
    message = EmailMessage()
    message["From"], message["Message-ID"], message["To"] = "a@example.org", "<1@example.org>", "b@example.org"
    message.set_content("最里面的一句话。")
    for number in range(6):
        outer = EmailMessage()
        outer["From"], outer["Message-ID"], outer["To"] = "a@example.org", "<1@example.org>", "b@example.org"
        outer.set_content(f"第{number}层的一句话。")
        _with_attachment(outer, "x.eml", message.as_bytes())
        message = outer
    loaded = load(message.as_bytes(), "x.eml")
    assert [number for number in range(6) if f"第{number}层" in loaded.text] == [2, 3, 4, 5]
    assert any("too_large" in warning for warning in loaded.warnings)
    monkeypatch.setattr(mail, "_MOST_ATTACHMENTS", 2)
    monkeypatch.setattr(mail, "_MOST_ATTACHED_BYTES", 1000)
    many = files.mail()
    for name, size in (("a.txt", 50), ("b.txt", 50)):
        _with_attachment(many, name, name.encode() * size)
    loaded = load(many.as_bytes(), "x.eml")
    assert "a.txt" * 50 in loaded.text and "b.txt" * 50 not in loaded.text


def test_a_message_of_nothing_but_an_attachment_is_no_empty_one() -> None:
    """Scanners and machines send files without a word."""
    message = EmailMessage()
    message["From"], message["To"], message["Message-ID"] = "a@example.org", "b@example.org", "<3@example.org>"
    _with_attachment(message, "报告.txt", "报告的正文。".encode())
    assert load(message.as_bytes(), "x.eml").text.endswith("报告.txt\n\n报告的正文。")


def test_mail_of_old_programs() -> None:
    """A header and text in the encoding of the system, undeclared or wrongly declared, come out right."""
    text = (
        "From: wang@example.org\r\nTo: li@example.org\r\nMIME-Version: 1.0\r\nSubject: 关于节假日安排的通知\r\n"
        "Content-Type: text/plain; charset=us-ascii\r\n\r\n各位同事：国庆节放假七天，请提前安排好手头的工作。\r\n"
    )
    loaded = load(text.encode("gb18030"), "x.eml")
    assert loaded.title == "关于节假日安排的通知" and "国庆节放假七天" in loaded.text


def test_mail_in_html_only_and_without_text() -> None:
    """The HTML form is read where there is no other; an encrypted or empty message says so."""
    message = EmailMessage()
    message["From"], message["To"], message["Message-ID"] = "a@example.org", "b@example.org", "<2@example.org>"
    message.set_content("<html><body><p>只有网页形式。</p></body></html>", subtype="html")
    assert load(message.as_bytes(), "x.eml").text.endswith("只有网页形式。")
    message.set_content(b"x", maintype="application", subtype="pkcs7-mime")
    assert _reason(message.as_bytes(), "x.eml") == "encrypted"
    message.set_content("")
    assert _reason(message.as_bytes(), "x.eml") == "empty"


@pytest.mark.parametrize(
    "text",
    [
        "From: 王芳\nTo: 全体\nSubject: 通知\n\n会议改期。",
        "Date: 2024\n这不是邮件。",
        "Note: a text\nwith a colon",
        "MIME-Version: 1.0 is a header of mail.\n\nThis article explains it.",
    ],
)
def test_texts_that_look_like_mail_stay_texts(text: str) -> None:
    """A memorandum with From and To, or an article about headers, is not taken for a message."""
    assert load(text.encode(), "x.txt").media_type != "message/rfc822"


def _ole(*streams: str) -> bytes:
    directory = b"".join(stream.encode("utf-16-le").ljust(64, b"\0") + bytes(64) for stream in ("Root Entry", *streams))
    return b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504) + directory


@pytest.mark.parametrize(
    ("data", "reason", "word"),
    [
        (_ole("WordDocument"), "unsupported", ".docx"),
        (_ole("Workbook"), "unsupported", ".xlsx"),
        (_ole("PowerPoint Document"), "unsupported", ".pptx"),
        (_ole("__substg1.0_0037001F"), "unsupported", ".eml"),
        (_ole("EncryptedPackage", "EncryptionInfo"), "encrypted", "password"),
        (_ole("Else"), "unsupported", "OLE"),
        (files.archive({"a.txt": "x"}), "unsupported", "ZIP"),
        (files.archive({"mimetype": "application/vnd.oasis.opendocument.text", "content.xml": "<x/>"}), "unsupported",
         "OpenDocument"),
        (files.archive({"[Content_Types].xml": "<Types/>", "word/document.xml": "<x/>"}), "damaged", "Word"),
        (files.archive({"[Content_Types].xml": "<Types/>", "xl/workbook.xml": "<x/>"}), "damaged", "workbook"),
        (files.archive({"[Content_Types].xml": "<Types/>", "ppt/presentation.xml": "<x/>"}), "damaged", "presentation"),
    ],
)  # fmt: skip
def test_other_and_older_formats_are_refused_clearly(data: bytes, reason: str, word: str) -> None:
    """Formats of old programs, protected documents, plain archives and empty shells: each says what it is."""
    with pytest.raises(DocumentError, match=word) as caught:
        load(data, "report.docx")
    assert caught.value.reason == reason


@pytest.mark.parametrize("make", [files.word, files.spreadsheet, files.slides, files.epub])
def test_cut_and_flipped_files_are_damaged(make: object) -> None:
    """A file cut anywhere, or with bytes changed, gives a typed error or the text, and nothing else."""
    assert callable(make)
    data = make()
    for share in (0.1, 0.5, 0.9, 0.999):
        assert _reason(data[: int(len(data) * share)]) in ("damaged", "unsupported")
    for position in range(40, len(data) - 40, len(data) // 12):
        flipped = bytearray(data)
        flipped[position : position + 8] = bytes(byte ^ 0xFF for byte in flipped[position : position + 8])
        try:
            assert load(bytes(flipped), "x").text
        except DocumentError as error:
            assert error.reason in ("damaged", "unsupported", "encrypted", "too_large", "empty")


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (files.word, "word/document.xml"),
        (files.spreadsheet, "xl/workbook.xml"),
        (files.spreadsheet, "xl/worksheets/sheet1.xml"),
        (files.slides, "ppt/slides/slide1.xml"),
    ],
)
@pytest.mark.parametrize("spelling", ["utf-8", "utf-16", "utf-7"])
def test_office_documents_that_declare_entities_are_refused(make: object, name: str, spelling: str) -> None:
    """Entities could read other files or grow without bound; office documents have none, in whatever encoding."""
    assert callable(make)
    data = make()
    xml = files.member(data, name)
    rest = xml.partition("?>")[2] if xml.startswith("<?xml") else xml
    declared = f"<?xml version='1.0' encoding='{spelling}'?>" + DTD + rest
    assert _reason(files.with_members(data, {name: declared.encode(spelling)})) == "damaged"


def test_archives_that_unpack_to_too_much_are_refused_before_unpacking(monkeypatch: pytest.MonkeyPatch) -> None:
    """Too many members, too many bytes, or packed as tightly as only bombs are: `too_large`, and at once."""
    begun = time.monotonic()
    bomb = files.with_members(files.word(), {"word/media/x.xml": bytes(200 << 20)})
    assert len(bomb) < 1 << 20
    assert _reason(bomb) == "too_large"
    monkeypatch.setattr(archive, "MAX_BYTES", 10_000)
    assert _reason(files.word()) == "too_large"
    monkeypatch.setattr(archive, "MAX_MEMBERS", 5)
    assert _reason(files.word()) == "too_large"
    assert time.monotonic() - begun < 10


def test_members_that_lie_about_their_size_are_not_read_beyond_it() -> None:
    """A directory that gives a small size for a large member ends in `damaged`, not in a full memory."""
    data = bytearray(files.with_members(files.epub(), {"OEBPS/text/1.xhtml": "<p>" + "x" * 5_000_000}))
    entry = data.rindex(b"OEBPS/text/1.xhtml") - 46
    assert data[entry : entry + 4] == b"PK\x01\x02"
    struct.pack_into("<I", data, entry + 24, 10)
    assert _reason(bytes(data)) == "damaged"


def test_protected_archives_and_twins_are_refused() -> None:
    """A member under a password, and two members of one name, of which programs read different ones."""
    data = bytearray(files.epub())
    entry = data.rindex(b"OEBPS/text/1.xhtml") - 46
    data[entry + 8] |= 1
    assert _reason(bytes(data)) == "encrypted"
    twins = io.BytesIO(files.epub())
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(twins, "a") as written:
        written.writestr("OEBPS/text/1.xhtml", "other")
    assert _reason(twins.getvalue()) == "damaged"


@pytest.mark.parametrize(
    ("make", "package"), [(files.word, "docx"), (files.spreadsheet, "openpyxl"), (files.slides, "pptx")]
)
def test_without_the_extra_the_error_names_it(make: object, package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the libraries are not installed, the error is the command that installs them."""
    assert callable(make)
    data = make()
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(DocumentError, match=r"pip install 'qwen-kb\[office\]'") as caught:
        load(data, "x")
    assert caught.value.reason == "unsupported"
    assert load(files.epub(), "x").text


def test_all_of_them_in_the_reading_processes(tmp_path: Path) -> None:
    """The limited processes read all five kinds, in a folder, beside a bomb that costs only itself."""
    made = {
        "a.docx": files.word(), "b.xlsx": files.spreadsheet(), "c.pptx": files.slides(), "d.epub": files.epub(),
        "e.eml": files.mail().as_bytes(), "f.docx": files.with_members(files.word(), {"word/x.xml": bytes(200 << 20)}),
    }  # fmt: skip
    for name, data in made.items():
        (tmp_path / name).write_bytes(data)
    items = [item for item in walk(tmp_path) if isinstance(item, SourceItem)]
    with LoaderPool(1) as pool:
        found = {outcome.item.uri.rpartition("/")[2]: outcome for outcome in pool.load_all(items)}
    failed = {name: outcome.error.reason for name, outcome in found.items() if outcome.error is not None}
    assert failed == {"f.docx": "too_large"}
    texts = {name: outcome.loaded.text for name, outcome in found.items() if outcome.loaded is not None}
    assert "年假" in texts["a.docx"] and "上海" in texts["b.xlsx"] and "预算" in texts["c.pptx"]
    assert "天下大势" in texts["d.epub"] and "十月八日" in texts["e.eml"]
