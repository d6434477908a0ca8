"""docs/engines.md: commands and configurations are whole and accepted, and no system or dialect is left out."""

from __future__ import annotations

import ast
import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import get_args

import pytest
import typer
import yaml  # type: ignore[import-untyped]

from kb.cli.main import app
from kb.engines.openai.dialects import DIALECTS, dialect_of
from kb.settings import load_settings
from kb.settings_models import Dialect
from tests.conftest import ROOT
from tests.kb.engines.dialect_servers.catalogue import SERVERS

PAGE = (ROOT / "docs" / "engines.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```toml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
SECTIONS = [section for section in re.split(r"^(?=##+ )", PAGE, flags=re.MULTILINE)[1:] if "What holds" not in section]
MARKS = ("tested here", "tested against a recorded dialect", "documented only")
# What stands behind each *tested here*: a file of tests, and a word of it.
TESTED_HERE = {
    "In this process: Transformers": ("kb/engines/qwen/test_engine.py", "QwenEngine"),
    "ModelScope": ("indexes/models/test_files.py", "MODELSCOPE"),
    "llama-cpp-python": ("kb/engines/openai/test_llama_cpp_python.py", "llama_cpp.server"),
    "transformers serve": ("kb/engines/openai/test_transformers_serve.py", "serve"),
    "A smaller key-value cache": ("kb/engines/qwen/test_placing.py", "fp8"),
    "LoRA adapters by LLaMA-Factory or SWIFT": ("kb/engines/qwen/test_adapter.py", "adapter_model.safetensors"),
    "English bge": ("indexes/embedders/test_bge.py", "ENGLISH_PREFIX"),
    "text2vec": ("indexes/embedders/test_text2vec.py", "pooling_mode_mean_tokens"),
    "Contexts beyond 32k: YaRN": ("kb/engines/qwen/test_placing.py", "yarn_factor"),
    "Tool calling and JSON output": ("kb/cli/test_ask.py", '"--json"'),
}
# Every system that people come from has a section of its own.
SYSTEMS = [
    "Transformers",
    "ModelScope",
    "vLLM",
    "SGLang",
    "TGI",
    "native route",
    "llama.cpp",
    "llama-cpp-python",
    "Ollama",
    "LM Studio",
    "AutoGen Studio",
    "llamafile",
    "text-generation-webui",
    "transformers serve",
    "openai_api.py",
    "qwen.cpp",
    "GPTQ",
    "AWQ",
    "GGUF",
    "key-value cache",
    "LLaMA-Factory",
    "SWIFT",
    "Qwen-Agent",
    "English bge",
    "text2vec",
    "Several cards",
    "Flash attention",
    "YaRN",
    "Speculative decoding",
    "Tool calling",
    "JSON output",
    "Windows",
]


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
    """Each section carries one of the three marks; the tests and recorded dialects that it stands on are there."""
    assert any(f"*{mark}" in section.lower() for mark in MARKS)
    assert ("*tested here*" in section.lower()) == (title(section) in TESTED_HERE)
    if title(section) in TESTED_HERE:
        file, word = TESTED_HERE[title(section)]
        assert word in (ROOT / "tests" / file).read_text(encoding="utf-8")
    for name in re.findall(r"recorded dialect\* \(`(\w+\.py)`\)", section):
        assert (ROOT / "tests" / "kb" / "engines" / "dialect_servers" / name).is_file()


def title(section: str) -> str:
    return section.splitlines()[0].lstrip("# ")


def blocks(section: str, language: str) -> list[str]:
    """Return the fenced blocks of one language; "" stands for commands."""
    return [block for kind, block in re.findall(r"^```(\w*)\n(.*?)^```", section, re.M | re.S) if kind == language]


def commands(section: str) -> list[str]:
    """Return the command lines, continued ones joined."""
    joined = "\n".join(blocks(section, "")).replace("\\\n", " ")
    return [line.strip() for line in joined.splitlines()]


def test_every_system_has_a_section() -> None:
    """Each stands in a heading."""
    headings = "\n".join(title(section) for section in SECTIONS).lower()
    assert [name for name in SYSTEMS if name.lower() not in headings] == []


@pytest.mark.parametrize("section", SECTIONS, ids=title)
def test_sections_are_whole(section: str) -> None:
    """Each has commands and a configuration; nothing is left to be filled in; files that are named are shown."""
    assert blocks(section, "")
    assert blocks(section, "toml")
    for language in ("", "toml", "yaml", "json", "python"):
        for block in blocks(section, language):
            assert not re.search(r"\.\.\.|…|<[a-z_ -]+>", block), block
    named = {
        word
        for line in commands(section)
        for word in line.split()
        if re.fullmatch(r"\w+\.(py|yaml)", word) and "git clone" not in section
    }
    shown = set(re.findall(r"^# (\w+\.(?:py|yaml))", section, re.MULTILINE))
    assert named <= shown


def test_blocks_can_be_parsed() -> None:
    """Commands are what a shell takes, programs are Python, and the data are YAML and JSON."""
    for block in blocks(PAGE, "python"):
        ast.parse(block)
    for block in blocks(PAGE, "yaml"):
        assert isinstance(yaml.safe_load(block), dict)
    for block in blocks(PAGE, "json"):
        json.loads(block)
    shell = shutil.which("bash")
    if shell is None:
        pytest.skip("the commands are for bash, which is not here")
    for block in blocks(PAGE, ""):
        checked = subprocess.run([shell, "-n"], input=block, text=True, capture_output=True, check=False)
        assert checked.returncode == 0, f"{block}\n{checked.stderr}"


def test_our_own_commands_exist() -> None:
    """Each `kb …` line names a command and options that there are."""
    told = [line for section in SECTIONS for line in commands(section) if line.startswith("kb ")]
    assert len(told) > 8
    for line in (shlex.split(line) for line in told):
        command = typer.main.get_command(app)
        words = line[1:]
        while words and words[0] in getattr(command, "commands", {}):
            command = command.commands[words.pop(0)]  # type: ignore[attr-defined]  # a group has commands
        assert not hasattr(command, "commands"), line
        known = {option for parameter in command.params for option in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= known, line


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
