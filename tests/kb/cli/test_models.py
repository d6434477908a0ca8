"""`kb models`: list, pull from a hub on loopback, check a model by using it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.indexes.models.test_files import NAME, Hub, caches, hub  # noqa: F401 - fixtures
from tests.kb.cli.conftest import Run


@pytest.mark.usefixtures("caches", "hub")
def test_a_pulled_model_is_listed_where_it_is(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the pull the model is not here; afterwards it is in the configured folder, and every file was named."""
    monkeypatch.setenv("KB_MODELS__FOLDER", str(tmp_path / "models"))
    before = {model["name"]: model["path"] for model in run("models", "list", "--json").json["models"]}
    assert before[NAME] is None
    pulled = run("models", "pull", NAME)
    assert pulled.code == 0, pulled.err
    assert "model.safetensors" in pulled.err
    after = {model["name"]: model["path"] for model in run("models", "list", "--json").json["models"]}
    assert after[NAME] == str(tmp_path / "models" / "BAAI" / "bge-small-zh-v1.5")


@pytest.mark.usefixtures("caches", "hub")
def test_a_damaged_download_is_exit_code_6(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hub that sends other bytes than it announced ends in one line and leaves nothing."""
    monkeypatch.setattr(Hub, "damaged", True)
    result = run("models", "pull", NAME)
    assert (result.code, result.out) == (6, "")
    assert "checksum" in result.err


@pytest.mark.parametrize("name", ["../../etc", "a/b/c", "just-a-name", "a/.."])
def test_only_names_of_hubs_are_pulled(run: Run, name: str) -> None:
    """A name that is no organisation/model is wrong usage, and cannot lead out of the folder."""
    assert run("models", "pull", name).code == 2


@pytest.mark.models
def test_check_uses_the_model(run: Run, tmp_path: Path) -> None:
    """A bge directory embeds one sentence, a Qwen directory writes some tokens; a missing one is exit code 6."""
    from tests.tiny_bge import make_tiny_bge
    from tests.tiny_qwen import make_tiny_qwen

    bge = run("models", "check", str(make_tiny_bge(tmp_path / "bge-tiny")))
    assert bge.code == 0, bge.err
    assert "32 dimensions" in bge.out
    qwen = run("models", "check", str(make_tiny_qwen(tmp_path / "qwen-tiny")), "--json")
    assert qwen.code == 0, qwen.err
    assert (qwen.json["kind"], "wrote" in qwen.json["result"]) == ("engine", True)
    assert run("models", "check", str(tmp_path / "nothing")).code == 6
