"""Looking after a knowledge base: documents, versions, verify, gc, status, init."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kb.cli.conftest import BACKUP, LEAVE, Run


def test_init_writes_a_profile_and_an_empty_knowledge_base(run: Run, kb_home: Path) -> None:
    """The profile is copied to ./kb.toml, the knowledge base is there and empty, and the next step is named."""
    result = run("init", "--profile", "embedded", "--kb", "手册")
    assert result.code == 0, result.err
    assert "extractive" in Path("kb.toml").read_text(encoding="utf-8")
    assert "kb ingest --kb 手册" in result.out
    status = run("status", "--kb", "手册", "--json").json
    assert (status["version"], status["documents"]) == (0, 0)
    assert run("init", "--kb", "手册", "--json").json["created"] is False


def test_init_leaves_a_configuration_that_is_there(run: Run, kb_home: Path) -> None:
    """An existing kb.toml is never overwritten: exit code 2, nothing made."""
    Path("kb.toml").write_text("# mine\n", encoding="utf-8")
    result = run("init", "--profile", "gpu")
    assert result.code == 2
    assert Path("kb.toml").read_text(encoding="utf-8") == "# mine\n"
    assert list(kb_home.iterdir()) == []


def test_an_empty_knowledge_base_refuses_every_question(run: Run) -> None:
    """Nothing is in, so nothing can be answered: a refusal, not an error."""
    assert run("init").code == 0
    result = run("ask", "年休假几天？", "--json")
    assert (result.code, result.json["status"]) == (0, "refused"), result.err
    assert run("search", "年休假", "--json").json["hits"] == []
    assert run("verify").code == 0
    assert run("versions", "--json").json["versions"] == []


@pytest.mark.usefixtures("filled")
def test_documents_are_listed_shown_and_removed(run: Run) -> None:
    """`docs` gives what is in, one document whole, and takes documents out in a new version."""
    rows = run("docs", "list", "--json").json
    assert rows["next"] is None
    by_name = {row["uri"].rpartition("/")[2]: row for row in rows["documents"]}
    assert set(by_name) == {"员工手册.txt", "backup.txt"}
    identity = by_name["backup.txt"]["document_id"]
    shown = run("docs", "show", identity, "--json").json
    assert shown["text"] == BACKUP
    assert shown["chunks"][0]["start"] == 0
    assert run("docs", "show", identity).out.strip() == BACKUP
    assert run("docs", "show", "0" * 16).code == 4
    removed = run("docs", "remove", identity, "--json")
    assert (removed.code, removed.json["version"]) == (0, 2)
    assert run("docs", "show", identity).code == 4
    assert run("docs", "remove", identity).code == 4
    assert run("search", "nightly copies", "--json").json["version"] == 2
    table = run("docs", "list").out.splitlines()
    assert len(table) == 2
    assert "员工手册" in table[1]


def test_versions_can_be_rolled_back_to(run: Run, filled: Path) -> None:
    """Rolling back shows the earlier set as a new version; a version that is not kept is exit code 4."""
    (filled / "员工手册.txt").write_text(LEAVE.replace("十五天", "二十天"), encoding="utf-8")
    assert run("ingest", str(filled), "--json").json["version"] == 2
    assert "二十天" in run("ask", "工龄满十年的年休假是几天？").out
    result = run("rollback", "1", "--json")
    assert (result.code, result.json) == (0, {"version": 3, "restored_from": 1})
    assert "十五天" in run("ask", "工龄满十年的年休假是几天？").out
    versions = run("versions", "--json").json["versions"]
    assert [(row["version"], row["restored_from"], row["current"]) for row in versions] == [
        (3, 1, True),
        (2, None, False),
        (1, None, False),
    ]
    assert run("rollback", "99").code == 4
    assert "current" in run("versions").out.splitlines()[1]


def test_damage_is_exit_code_7(run: Run, filled: Path, kb_home: Path) -> None:
    """A flipped bit is found by `kb verify`, whose result is valid JSON all the same."""
    assert run("verify", "--json").json["problems"] == []
    victim = max((kb_home / "default" / "segments").rglob("*.faiss"), key=lambda path: path.stat().st_size)
    content = bytearray(victim.read_bytes())
    content[len(content) // 2] ^= 1
    victim.chmod(0o644)
    victim.write_bytes(content)
    result = run("verify", "--json")
    assert (result.code, len(result.json["problems"]) > 0) == (7, True)
    assert "problem: " in run("verify").out


@pytest.mark.usefixtures("filled")
def test_status_and_gc(run: Run) -> None:
    """`kb status` gives figures and what answers; `kb gc` finds nothing to remove in a new knowledge base."""
    status = run("status", "--json").json
    assert (status["kb"], status["version"], status["documents"], status["failed"]) == ("default", 1, 2, 0)
    assert status["bytes"] > 1000
    assert (status["embedding"]["name"], status["engine"]["name"]) == ("hash", "extractive")
    assert "passages\t" in run("status").out
    assert run("gc", "--json").json["versions"] == 0


@pytest.mark.usefixtures("filled")
def test_status_names_the_embedder_that_made_the_knowledge_base(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the configuration names now did not make the vectors that are there."""
    monkeypatch.setenv("KB_EMBEDDING__NAME", "bge")
    assert run("status", "--json").json["embedding"] == {"name": "hash", "model": None}
    assert "embedder\thash\n" in run("status").out


def test_init_needs_no_model(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A profile whose models are not here yet can be set up; the ingest then says how to get them: exit code 6."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", "no-such-cache")
    monkeypatch.setenv("MODELSCOPE_CACHE", "no-such-cache")
    assert run("init", "--profile", "cpu").code == 0
    Path("a.txt").write_text("一句话。", encoding="utf-8")
    result = run("ingest", "a.txt")
    assert result.code == 6
    assert "BAAI/bge-small-zh-v1.5" in result.err.splitlines()[-1]
