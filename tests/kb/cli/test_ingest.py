"""`kb ingest`: what went in, what did not and why, and the exit code."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from kb.settings import load_settings
from kb.wiring import Application
from tests.kb.cli.conftest import Run


class QuietFiles(SimpleHTTPRequestHandler):
    """Serves a folder without writing a log."""

    def log_message(self, format: str, *arguments: object) -> None:
        """Keep the test's output quiet."""


def test_documents_go_in_and_stay_where_nothing_changed(run: Run, documents: Path, kb_home: Path) -> None:
    """The first run creates the knowledge base; the second reads nothing and keeps the version."""
    first = run("ingest", str(documents), "--json")
    assert first.code == 0, first.err
    assert (first.json["added"], first.json["failed"], first.json["version"]) == (2, [], 1)
    assert first.json["chunks"] == first.json["embedded"] >= 2
    assert (kb_home / "default" / "kb.sqlite").is_file()
    second = run("ingest", str(documents), "--json")
    assert (second.code, second.json["unchanged"], second.json["embedded"], second.json["version"]) == (0, 2, 0, 1)


def test_progress_is_told_on_standard_error(run: Run, documents: Path) -> None:
    """Standard output holds the summary alone; `--quiet` leaves standard error empty."""
    loud = run("ingest", str(documents))
    assert loud.out.startswith("default, version 1: 2 added, 0 changed")
    assert "Reading" in loud.err
    assert run("ingest", str(documents), "--force", "--quiet").err == ""


def test_a_broken_document_is_named_and_the_rest_is_in(run: Run, documents: Path) -> None:
    """Exit code 3, the reason on standard error and in the result; `docs list --failed` shows it afterwards."""
    (documents / "broken.pdf").write_bytes(b"%PDF-1.7\nrubbish")
    result = run("ingest", str(documents), "--json")
    assert (result.code, result.json["added"]) == (3, 2)
    (failed,) = result.json["failed"]
    assert failed["uri"].endswith("/broken.pdf")
    assert failed["error"] in ("damaged", "empty")
    assert "broken.pdf" in result.err
    rows = run("docs", "list", "--failed", "--json").json["documents"]
    assert [(row["status"], row["uri"].rpartition("/")[2]) for row in rows] == [("failed", "broken.pdf")]
    assert run("status", "--json").json["failed"] == 1


def test_a_dry_run_changes_nothing(run: Run, documents: Path, kb_home: Path) -> None:
    """A dry run says what would happen, also where there is no knowledge base yet, and creates none."""
    result = run("ingest", str(documents), "--dry-run", "--json")
    assert (result.code, result.json["dry_run"], len(result.json["planned"])) == (0, True, 2)
    assert list(kb_home.iterdir()) == []
    assert run("ingest", str(documents)).code == 0
    (documents / "backup.txt").unlink()
    removed = run("ingest", str(documents), "--dry-run", "--prune")
    assert "remove\tfile://" in removed.out
    assert run("status", "--json").json["documents"] == 2


def test_prune_removes_what_is_gone_from_the_folder_named(run: Run, filled: Path) -> None:
    """Without `--prune` a document stays; with it, only those under the folder of the call go."""
    (filled / "other").mkdir()
    (filled / "backup.txt").unlink()
    assert run("ingest", str(filled), "--json").json["removed"] == 0
    assert run("ingest", str(filled / "other"), "--prune", "--json").json["removed"] == 0
    assert run("ingest", str(filled), "--prune", "--json").json["removed"] == 1
    assert run("status", "--json").json["documents"] == 1


def test_configured_sources_are_taken_where_nothing_is_named(run: Run, documents: Path) -> None:
    """`kb ingest` alone reads [[sources]], whose name can be filtered by."""
    Path("kb.toml").write_text('[[sources]]\nname = "handbook"\npaths = ["docs"]\n', encoding="utf-8")
    assert run("ingest", "--json").json["added"] == 2
    assert run("search", "年休假", "--filter", "source=handbook", "--json").json["hits"]
    assert run("search", "年休假", "--filter", "source=other", "--json").json["hits"] == []


def test_a_second_writer_is_exit_code_5(run: Run, filled: Path, kb_home: Path) -> None:
    """While one writer is at work another one ends at once, and readers go on."""
    application = Application(load_settings(None, {}, {"KB_HOME": str(kb_home)}))
    try:
        with application.store("default").writer():
            result = run("ingest", str(filled))
            assert run("search", "年休假").code == 0
    finally:
        application.close()
    assert result.code == 5
    assert result.err.splitlines()[-1].startswith("kb: ")


def test_another_embedder_is_refused_with_the_command_that_helps(
    run: Run, filled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither questions nor ingests mix embedders: exit code 2, naming `--force`, and the index stays as it was."""
    from indexes.embedders.hash import HashEmbedder

    monkeypatch.setattr("kb.wiring.make_embedder", lambda *_: HashEmbedder(256))
    for command in (("ingest", str(filled)), ("ask", "年休假几天？"), ("search", "年休假")):
        result = run(*command)
        assert result.code == 2, (command, result.err)
        assert "--force" in result.err
    assert run("status").code == 0
    again = run("ingest", str(filled), "--force", "--json")
    assert (again.code, again.json["embedded"]) == (0, again.json["chunks"])
    assert run("search", "年休假", "--json").json["hits"]


def test_a_page_goes_in_from_a_host_that_is_allowed(run: Run, documents: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page of a private address is refused, with the setting that allows it; then it is read and answers."""
    (documents / "page.html").write_text(
        "<html><head><title>门禁</title></head><body><article><h1>门禁</h1>"
        "<p>仓库的备用钥匙放在前台的红色柜子里，由值班人员保管。借用时须登记姓名和时间。</p></article></body></html>",
        encoding="utf-8",
    )
    handler = partial(QuietFiles, directory=str(documents))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            address = f"http://127.0.0.1:{server.server_port}/page.html"
            refused = run("ingest", address, "--json")
            monkeypatch.setenv("KB_INGEST__ALLOW_HOSTS", f"127.0.0.1:{server.server_port}")
            allowed = run("ingest", address, "--json")
        finally:
            server.shutdown()
            thread.join()
    assert (refused.code, refused.json["failed"][0]["error"]) == (3, "forbidden_address")
    assert "ingest.allow_hosts" in refused.json["failed"][0]["detail"]
    assert (allowed.code, allowed.json["added"]) == (0, 1), allowed.err
    answer = run("ask", "仓库的备用钥匙放在哪里？", "--json").json
    assert "红色柜子" in answer["answer"]
    assert answer["citations"][0]["uri"] == address


def test_an_interrupt_keeps_what_is_done(run: Run, documents: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that is stopped reports what it did, ends with 130, and the next one goes on from there."""

    @contextmanager
    def stopped_at_once(message: str, patience: float | None) -> Iterator[threading.Event]:
        event = threading.Event()
        event.set()
        yield event

    with monkeypatch.context() as patch:
        patch.setattr("kb.cli.signals.stop_event", stopped_at_once)
        assert run("ingest", str(documents)).code == 130
    assert run("verify").code == 0
    assert run("ingest", str(documents)).code == 0
    assert run("status", "--json").json["documents"] == 2
