"""The web page in a real browser over a real service."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from kb.api.dependencies import ServiceOptions
from tests.kb.api.serving import CHINESE, ENGLISH, UNANSWERABLE, RunningService, make_application

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Dialog, Page

pytestmark = pytest.mark.browser

CHROMIUM = Path("/usr/bin/chromium")
HOSTILE = "<img src=x onerror=alert(1)> & Ko"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Return Debian's chromium, or skip where it or Playwright is missing."""
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    if not CHROMIUM.exists():
        pytest.skip(f"no browser at {CHROMIUM} (apt-get install chromium)")
    with playwright.sync_playwright() as started:
        chromium = started.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """Return a service over documents of which one has markup in its name and text, and a character beyond 16 bits."""
    folder = tmp_path_factory.mktemp("page")
    (folder / "documents").mkdir()
    texts = {
        "备份.txt": "备份手册\n\n😀😀值班安排见附件。每天凌晨两点半开始备份。备份保留十四代。恢复请拨打运维电话。\n",
        "vacation.txt": "休假规定\n\n员工每年享有十五天带薪年假。年假须提前两周向直属主管申请。\n",
        "backup.txt": "Backup handbook\n\nThe nightly backup starts at 02:30 and keeps fourteen generations.\n",
        f"{HOSTILE}.txt": f"The password of the guest network is {HOSTILE}. It changes every Monday.\n",
    }
    for name, text in texts.items():
        (folder / "documents" / name.replace("/", "_")).write_text(text, encoding="utf-8")
    application = make_application(folder / "home")
    application.pipeline("default").ingest([str(folder / "documents")])
    service = RunningService(application, ServiceOptions())
    yield service
    service.stop()
    application.close()


@pytest.fixture
def open_page(browser: Browser, running: RunningService) -> Iterator[Page]:
    """Return the page in English; at the end it must have logged nothing and asked no other site for anything."""
    context = browser.new_context(locale="en-GB")
    page = context.new_page()
    problems: list[str] = []
    page.on("console", lambda message: problems.append(message.text))
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on(
        "request",
        lambda request: problems.append(request.url) if not request.url.startswith((running.url, "blob:")) else None,
    )
    page.goto(running.url)
    page.wait_for_selector("#version:not([hidden])")
    yield page
    context.close()
    assert problems == []


def ask(page: Page, question: str) -> None:
    turns = page.locator(".turn").count()
    page.fill("#question", question)
    page.keyboard.press("Enter")
    page.locator(".turn:not(.running)").nth(turns).wait_for()


def test_answer_leads_from_its_marks_to_the_quoted_span(open_page: Page, running: RunningService) -> None:
    """An answer's mark is a button that leads to its source, where exactly the quote is marked within the passage."""
    ask(open_page, "每天几点开始备份？")
    turn = open_page.locator(".turn").first
    assert "两点半" in turn.locator(".answer .text").inner_text()
    mark = turn.locator("button.mark").first
    source = turn.locator(".source").first
    mark.focus()
    open_page.keyboard.press("Enter")
    assert source.evaluate("element => document.activeElement === element")
    # Offsets count code points: the two emoji must not shift what is marked.
    citations = running.client.post("/ask", json={"question": "每天几点开始备份？"}).json()["citations"]
    assert source.locator("mark").first.text_content() == citations[0]["quote"]
    assert "两点半" in citations[0]["quote"]
    assert "备份.txt" in (source.locator("strong").get_attribute("title") or "")


def test_refusal_is_shown_plainly(open_page: Page) -> None:
    """A refusal says so, cites nothing, and offers the nearest passages as what they are."""
    ask(open_page, UNANSWERABLE)
    turn = open_page.locator(".turn").first
    assert "Not in the documents" in turn.inner_text()
    assert turn.locator("button.mark").count() == 0 and turn.locator(".sources h3").count() == 0


def test_text_of_documents_is_never_markup(open_page: Page) -> None:
    """Markup in a document's name or text is shown as it is and does nothing."""
    dialogs: list[str] = []

    def refuse(dialog: Dialog) -> None:
        dialogs.append(dialog.message)
        dialog.dismiss()

    open_page.on("dialog", refuse)
    ask(open_page, "What is the password of the guest network?")
    turn = open_page.locator(".turn").first
    assert HOSTILE in turn.inner_text()
    ask(open_page, HOSTILE)
    open_page.goto(open_page.url.split("#")[0] + "#documents")
    open_page.wait_for_selector("#documents tbody tr")
    assert HOSTILE in open_page.locator("#documents").inner_text()
    assert open_page.locator("img[src=x]").count() == 0 and dialogs == []


def test_document_opens_at_the_cited_place(open_page: Page) -> None:
    """ "Show in document" opens the whole text with the quote marked; Escape closes it."""
    ask(open_page, ENGLISH)
    turn = open_page.locator(".turn").first
    turn.locator(".source").first.get_by_role("button", name="Show in document").click()
    dialog = open_page.locator("#document[open]")
    dialog.wait_for()
    assert "02:30" in dialog.locator("mark").first.inner_text()
    assert "Backup handbook" in dialog.inner_text()
    open_page.keyboard.press("Escape")
    assert open_page.locator("#document[open]").count() == 0


def test_language_follows_the_browser_and_can_be_switched(browser: Browser, running: RunningService) -> None:
    """A Chinese browser gets Chinese; the switch changes every word and is remembered."""
    context = browser.new_context(locale="zh-CN", color_scheme="dark", viewport={"width": 360, "height": 740})
    page = context.new_page()
    page.goto(running.url)
    assert page.locator("#send").inner_text() == "提问"
    ask(page, CHINESE)
    assert "十五天" in page.locator(".turn .text").first.inner_text()
    assert page.evaluate("document.documentElement.lang") == "zh-CN"
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "no sideways scrolling on a telephone"
    page.click("#language")
    assert page.locator("#send").inner_text() == "Ask"
    visible = page.locator("header.top, .composer, .meta, .sources h3").all_inner_texts()
    assert not re.search(r"[\u4e00-\u9fff]", "".join(visible).replace("中文", ""))
    page.reload()
    assert page.locator("#send").inner_text() == "Ask"
    context.close()


def test_upload_appears_in_the_list_and_can_be_removed(open_page: Page, tmp_path: Path) -> None:
    """A chosen file is uploaded, read in and listed; removing it asks first and takes it out."""
    from playwright.sync_api import expect

    file = tmp_path / "邮件规范.md"
    file.write_text("# 邮件规范\n\n对外邮件须抄送档案室。附件不得超过十兆。\n", encoding="utf-8")
    open_page.click("a[data-view=documents]")
    open_page.wait_for_selector("#documents tbody tr")
    before = open_page.locator("#documents tbody tr").count()
    open_page.set_input_files("#files", str(file))
    open_page.locator("#uploads .good").wait_for(timeout=20_000)
    expect(open_page.locator("#documents tbody tr")).to_have_count(before + 1)
    row = open_page.locator("#documents tbody tr", has_text="邮件规范")
    with open_page.expect_download() as download:
        row.get_by_role("button", name="Original").click()
    assert Path(download.value.path()).read_bytes() == file.read_bytes()
    open_page.on("dialog", lambda dialog: dialog.accept())
    row.get_by_role("button", name="Remove").click()
    expect(open_page.locator("#documents tbody tr")).to_have_count(before)


def test_api_view_lists_operations_and_codes(open_page: Page) -> None:
    """The API view shows the operations and the table of error codes, from the service's own description."""
    open_page.click("a[data-view=api]")
    open_page.wait_for_selector("#view-api .operation")
    view = open_page.locator("#view-api").inner_text()
    assert "/v1/chat/completions" in view and "unsupported_media_type" in view
    open_page.goto(open_page.url.split("#")[0] + "docs")
    open_page.wait_for_selector("#api-page .operation")


def test_key_is_asked_for_and_used(browser: Browser, running: RunningService) -> None:
    """Where the service needs a key, the page asks for it, again if it was wrong, and keeps it out of the address."""
    guarded = RunningService(running.application, ServiceOptions(api_key="open-sesame"))
    context = browser.new_context(locale="en-GB")
    page = context.new_page()
    try:
        page.goto(guarded.url)
        for key in ("wrong", "open-sesame"):
            page.wait_for_selector("#key-dialog[open]")
            page.fill("#key", key)
            page.keyboard.press("Enter")
        page.wait_for_selector("#version:not([hidden])")
        ask(page, ENGLISH)
        assert "02:30" in page.locator(".turn .text").first.inner_text()
        assert "sesame" not in page.url
    finally:
        context.close()
        guarded.stop()
