"""`kb export` and `kb import` from one home to another."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kb.cli.conftest import Run

_ASK = ("ask", "年休假要提前多久申请？", "--json")


def test_a_knowledge_base_moves_to_another_home(
    run: Run, filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The imported one answers alike, is listed under its name alone, and takes the next ingest."""
    before = run(*_ASK).json
    exported = run("export", "base.kb", "--json")
    assert exported.code == 0, exported.err
    assert (exported.json["documents"], exported.json["version"]) == (2, 1)
    monkeypatch.setenv("KB_HOME", str(tmp_path / "elsewhere"))
    imported = run("import", "base.kb", "--json")
    assert imported.code == 0, imported.err
    assert imported.err == ""
    assert imported.json == {"kb": "default", "version": 1, "documents": 2, "originals": 2}
    after = run(*_ASK).json
    assert [after[key] for key in ("answer", "citations", "confidence")] == [
        before[key] for key in ("answer", "citations", "confidence")
    ]
    again = run("ingest", str(filled), "--json").json
    assert (again["unchanged"], again["version"]) == (2, 1)
    assert run("verify").code == 0


def test_exit_codes_tell_what_is_wrong(run: Run, filled: Path) -> None:
    """A taken or impossible name is 2, a damaged file 7, an unknown knowledge base 4."""
    assert run("export", "base.kb").code == 0
    assert run("import", "base.kb").code == 2
    assert run("import", "base.kb", "--kb", "../up").code == 2
    assert run("import", "missing.kb", "--kb", "copy").code == 2
    assert run("export", "none.kb", "--kb", "none").code == 4
    Path("damaged.kb").write_bytes(Path("base.kb").read_bytes()[:-7])
    result = run("import", "damaged.kb", "--kb", "copy")
    assert result.code == 7
    assert result.err.count("\n") == 1
    assert run("status", "--kb", "copy").code == 4
    assert run("import", "base.kb", "--kb", "副本").code == 0
    assert run("verify", "--kb", "副本").code == 0


def test_a_damaged_confidence_is_told_and_not_exported(run: Run, filled: Path, kb_home: Path) -> None:
    """Where the fitted confidence cannot be read no question can be judged: verify and export say so."""
    kept = kb_home / "default" / "confidence.json"
    kept.write_text('{"version": 1}', encoding="utf-8")
    checked = run("verify", "--json")
    assert checked.code == 7 and any("confidence.json" in problem for problem in checked.json["problems"])
    exported = run("export", "base.kb")
    assert exported.code == 7 and "confidence.json" in exported.err and not Path("base.kb").exists()
    kept.unlink()
    assert run("verify").code == 0
