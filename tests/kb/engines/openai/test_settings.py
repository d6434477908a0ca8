"""The engine `openai` is made from either form of the settings."""

from __future__ import annotations

from pathlib import Path

import pytest

from indexes.errors import ConfigurationError
from kb.making import make_engine, server_addresses
from kb.settings import Settings, load_settings

SEVERAL = """
[engine]
name = "openai"
model = "qwen"
dialect = "vllm"
api_key_env = "SHARED_KEY"
endpoints = [
    "http://gpu-1:8000/v1",
    {base_url = "http://gpu-2:30000", dialect = "sglang", model = "other", api_key_env = "OWN_KEY"},
]
"""


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHARED_KEY", "shared")
    monkeypatch.setenv("OWN_KEY", "own")


def settings_of(folder: Path, text: str, environment: dict[str, str] | None = None) -> Settings:
    file = folder / "kb.toml"
    file.write_text(text, encoding="utf-8")
    return load_settings(file, {}, environment or {})


@pytest.mark.usefixtures("keys")
def test_several_servers(tmp_path: Path) -> None:
    """What an endpoint does not say itself is as in `[engine]`; its key is its own."""
    engine = settings_of(tmp_path, SEVERAL).engine
    assert [(one.base_url, one.model, one.dialect, one.api_key) for one in server_addresses(engine)] == [
        ("http://gpu-1:8000/v1", "qwen", "vllm", "shared"),
        ("http://gpu-2:30000", "other", "sglang", "own"),
    ]


def test_several_servers_in_a_variable(tmp_path: Path) -> None:
    """A variable holds addresses, separated by commas."""
    environment = {"KB_ENGINE__NAME": "openai", "KB_ENGINE__ENDPOINTS": "http://a:8000/v1, http://b:8000/v1"}
    engine = settings_of(tmp_path, "", environment).engine
    assert [one.base_url for one in server_addresses(engine)] == ["http://a:8000/v1", "http://b:8000/v1"]


def test_one_server(tmp_path: Path) -> None:
    """The single address is one server, without a key where none is named."""
    engine = settings_of(tmp_path, '[engine]\nname = "openai"\nbase_url = "http://a/v1"\nmodel = "m"').engine
    (address,) = server_addresses(engine)
    assert (address.base_url, address.model, address.dialect, address.api_key) == ("http://a/v1", "m", "auto", None)


def test_a_missing_key_is_said(tmp_path: Path) -> None:
    """Each variable that should hold a key must be set."""
    text = '[engine]\nname = "openai"\nendpoints = [{base_url = "http://a/v1", api_key_env = "NO_SUCH_KEY"}]'
    with pytest.raises(ConfigurationError, match="NO_SUCH_KEY"):
        server_addresses(settings_of(tmp_path, text).engine)


def test_the_authority_is_found_beside_the_file(tmp_path: Path) -> None:
    """`ca_file` is relative to the configuration file, and looked at when the engine is made."""
    text = '[engine]\nname = "openai"\nbase_url = "https://a/v1"\nca_file = "authority.pem"'
    settings = settings_of(tmp_path, text)
    assert settings.engine.ca_file == str(tmp_path / "authority.pem")
    with pytest.raises(ConfigurationError, match=r"authority\.pem"):
        make_engine("openai", settings.engine, settings.models)
