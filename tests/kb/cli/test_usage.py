"""Wrong usage ends in one line on standard error and exit code 2; a missing knowledge base in 4."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.kb.cli.conftest import Run

NEEDS_A_KB = [
    ("ask", "什么？"),
    ("search", "什么"),
    ("status",),
    ("docs", "list"),
    ("docs", "show", "x"),
    ("docs", "remove", "x"),
    ("versions",),
    ("rollback", "1"),
    ("verify",),
    ("gc",),
    ("serve", "--port", "0"),
    ("chat",),
]


@pytest.mark.parametrize("command", NEEDS_A_KB, ids=" ".join)
def test_a_missing_knowledge_base_is_exit_code_4(run: Run, kb_home: Path, command: tuple[str, ...]) -> None:
    """Every command but `ingest` and `init` answers 4, in one line, and creates nothing."""
    result = run(*command, "--kb", "nowhere")
    assert result.code == 4, result.err
    assert result.out == ""
    assert result.err.count("\n") == 1
    assert "nowhere" in result.err
    assert list(kb_home.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("askk",), "No such command"),
        (("keys", "list"), "No such command"),
        (("ingest", "--nope", "x"), "No such option"),
        (("ask",), "Missing argument"),
        (("rollback", "x"), "VERSION"),
        (("rollback", "0"), "VERSION"),
        (("ingest",), "name a file"),
        (("ingest", "no-such-path"), "no-such-path"),
        (("ask", " "), "empty"),
        (("ask", "a\x00b"), "control character"),
        (("ask", "\udce4"), "surrogate"),
        (("ask", "字" * 4001), "4,000"),
        (("ask", "x", "--top-k", "0"), "top_k"),
        (("ask", "x", "--filter", "source"), "KEY=VALUE"),
        (("ask", "x", "--engine", "gpt"), "engine.name"),
        (("search", "x", "--top-k", "1000"), "top_k"),
        (("status", "--kb", "../x"), "cannot name a knowledge base"),
        (("status", "--kb", ""), "cannot name a knowledge base"),
        (("--kb", "", "status"), "cannot name a knowledge base"),
        (("ingest", ".", "--kb", "jobs.sqlite"), "cannot name a knowledge base"),
        (("ingest", ".", "--kb", "Jobs.SQLite-wal"), "cannot name a knowledge base"),
        (("ask", "x", "--top-k", "many"), "integer. Try 'kb ask --help'."),
        (("status", "--config", "nope.toml"), "does not exist"),
        (("--config", "nope.toml", "status"), "does not exist"),
        (("init", "--profile", "huge"), "no profile 'huge'"),
        (("worker",), "[[jobs]]"),
        (("serve", "--port", "70000"), "serve.port"),
    ],
)
def test_wrong_usage_is_exit_code_2(run: Run, arguments: tuple[str, ...], said: str) -> None:
    """A wrong command line ends in one line that says what is wrong; standard output stays empty."""
    result = run(*arguments)
    assert result.code == 2, result.err
    assert said in result.err
    assert result.out == ""
    assert result.err.count("\n") == 1


def test_a_wrong_variable_is_exit_code_2(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unknown variable is named together with the nearest one."""
    monkeypatch.setenv("KB_ENGINE__NAM", "qwen")
    result = run("status")
    assert result.code == 2
    assert "KB_ENGINE__NAM" in result.err
    assert "KB_ENGINE__NAME" in result.err


def test_no_command_shows_the_help(run: Run) -> None:
    """`kb` alone lists the commands, on standard error, and is wrong usage."""
    result = run()
    assert result.code == 2
    assert "ingest" in result.err
    assert result.out == ""


def test_help_and_version_are_results(run: Run) -> None:
    """What was asked for is a result: standard output, exit code 0."""
    assert "Usage: kb" in run("--help").out
    assert "--dry-run" in run("ingest", "-h").out
    version = run("--version")
    assert (version.code, version.out.split()[0]) == (0, "kb")


def test_an_unexpected_error_is_one_line(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault of ours is exit code 1 and one line; the traceback comes with KB_DEBUG=1."""

    def broken(*_: object) -> None:
        raise RuntimeError("the\nreason")

    monkeypatch.setattr("kb.cli.session.settings", broken)
    result = run("config")
    assert (result.code, result.err.count("\n")) == (1, 1)
    assert "unexpected RuntimeError: the reason" in result.err
    monkeypatch.setenv("KB_DEBUG", "1")
    assert "Traceback" in run("config").err


def test_a_home_that_cannot_be_written_is_exit_code_2(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """KB_HOME below a file is a wrong setting, named in one line."""
    (tmp_path / "file").write_text("x")
    Path("a.txt").write_text("一句话。", encoding="utf-8")
    monkeypatch.setenv("KB_HOME", str(tmp_path / "file"))
    for command in (("ingest", "a.txt", "--quiet"), ("init",)):
        result = run(*command)
        assert (result.code, result.err.count("\n")) == (2, 1), result.err
        assert str(tmp_path / "file") in result.err
        assert "cannot be written" in result.err


def test_an_error_of_the_system_names_the_file(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the system refuses is told as file and reason, without the name of an exception."""

    def refused(*_: object) -> None:
        raise PermissionError(13, "Permission denied", "/data/kb.sqlite")

    monkeypatch.setattr("kb.cli.session.settings", refused)
    result = run("config")
    assert (result.code, result.err) == (1, "kb: /data/kb.sqlite: Permission denied (KB_DEBUG=1 shows where)\n")


def test_an_interrupt_is_exit_code_130(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C ends any command quietly."""

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("kb.cli.session.settings", interrupted)
    result = run("config")
    assert (result.code, result.err) == (130, "kb: interrupted\n")


def test_config_shows_values_and_origins(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """`kb config` says what holds and why, as a table and as JSON, and never shows the key."""
    Path("kb.toml").write_text("[retrieval]\ntop_k = 3\n", encoding="utf-8")
    monkeypatch.setenv("KB_SERVE__API_KEY", "hunter2")
    table = run("config").out
    rows = {line.split("\t")[0]: line.split("\t")[1:] for line in table.splitlines()}
    assert rows["retrieval.top_k"] == ["3", "kb.toml"]
    assert rows["serve.port"] == ["8000", "default"]
    found = run("config", "--json").json["settings"]
    assert found["serve.api_key"]["origin"] == "environment KB_SERVE__API_KEY"
    assert found["home"] == {"value": os.environ["KB_HOME"], "origin": "environment KB_HOME"}
    assert "hunter2" not in table + json.dumps(found)


def test_the_shared_options_may_stand_before_the_command(run: Run, tmp_path: Path) -> None:
    """`kb --config FILE --kb NAME command` is the same as the options after the command, which win."""
    for name, top_k in (("a", 3), ("b", 4)):
        (tmp_path / f"{name}.toml").write_text(f"[retrieval]\ntop_k = {top_k}\n", encoding="utf-8")
    first, second = str(tmp_path / "a.toml"), str(tmp_path / "b.toml")
    before = run("--config", first, "config", "--json").json["settings"]["retrieval.top_k"]
    both = run("--config", first, "config", "--json", "--config", second).json["settings"]["retrieval.top_k"]
    assert (before["value"], both["value"]) == (3, 4)
    assert "other" in run("--kb", "other", "status").err
