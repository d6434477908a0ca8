"""docs/engines.md: its configurations are accepted, and it leaves no dialect out."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

from kb.engines.openai.dialects import DIALECTS, dialect_of
from kb.settings import load_settings
from kb.settings_models import Dialect
from tests.conftest import ROOT
from tests.kb.engines.dialect_servers.catalogue import SERVERS

PAGE = (ROOT / "docs" / "engines.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```toml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
SECTIONS = [section for section in re.split(r"^(?=##+ )", PAGE, flags=re.MULTILINE)[1:] if "What holds" not in section]
MARKS = ("tested here", "tested against a recorded dialect", "documented only")


@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_configurations_are_accepted(block: str, tmp_path: Path) -> None:
    """Each block is a whole kb.toml that the loader takes, and its dialect is one that the engine knows."""
    file = tmp_path / "kb.toml"
    file.write_text(block, encoding="utf-8")
    engine = load_settings(file, {}, {}).engine
    assert dialect_of(engine.dialect, engine.base_url or "http://host")


def test_every_dialect_has_a_section() -> None:
    """Each dialect stands in a configuration of the page and in its table, and can be chosen in the settings."""
    for name in set(DIALECTS) - {"openai"}:
        assert any(f'dialect = "{name}"' in block for block in BLOCKS), name
        assert f"`{name}`" in PAGE
    assert set(get_args(Dialect)) == set(DIALECTS) - {"openai"} | {"auto", "standard"}


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.splitlines()[0].lstrip("# "))
def test_sections_say_how_far_they_are_tested(section: str) -> None:
    """Each section carries one of the three marks, and the recorded dialects that it names are there."""
    assert any(f"*{mark}" in section.lower() for mark in MARKS)
    for name in re.findall(r"recorded dialect\* \(`(\w+\.py)`\)", section):
        assert (ROOT / "tests" / "kb" / "engines" / "dialect_servers" / name).is_file()


def rows_of(heading: str) -> dict[str, list[str]]:
    """Return the cells of the table whose heading row begins like this, by each of the names in the first cell."""
    table = PAGE.partition(heading)[2].partition("\n\n")[0]
    return {
        name: [cell.strip() for cell in row.split("|")[2:-1]]
        for row in table.splitlines()[2:]
        for name in re.findall(r"`([^`]+)`", row.split("|")[1])
    }


def test_what_the_table_says_of_thinking_is_what_is_tested() -> None:
    """Each dialect stands in it once, and a request says it where the recorded server reads that."""
    rows = rows_of("| dialect | how Qwen3 is kept from thinking |")
    assert set(rows) == set(DIALECTS) - {"openai", "qwen-openai-api"} | {"auto", "standard"}
    for server in SERVERS:
        if server.dialect in rows:
            said = rows[server.dialect][0]
            assert ("each request" in said or "the engine renders" in said) == server.switches_thinking, server


def test_what_the_table_says_is_what_is_tested() -> None:
    """The table of long prompts agrees with the dialects in code and with the recorded servers."""
    rows = rows_of("| dialect | tells its context |")
    assert set(rows) == set(DIALECTS) - {"openai"}
    for name, (context, count, usage, _) in rows.items():
        dialect = DIALECTS[name]
        assert (context == "yes") == (dialect.context is not DIALECTS["openai"].context), name
        assert (count == "yes") == (dialect.count is not DIALECTS["openai"].count), name
        assert all((usage == "yes") == server.tells_usage for server in SERVERS if server.dialect == name), name


@pytest.mark.parametrize("readme", ["README.md", "README.zh-CN.md"])
def test_the_page_is_found(readme: str) -> None:
    """Both READMEs lead to it."""
    assert "docs/engines.md" in (ROOT / readme).read_text(encoding="utf-8")
