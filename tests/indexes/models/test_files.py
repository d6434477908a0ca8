"""Finding models on this machine, and downloading them only when told to."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from indexes.errors import EngineUnavailableError
from indexes.models.files import resolve_model
from tests.indexes.models.loopback_hub import NAME, LoopbackHub, running_hub


@pytest.fixture(autouse=True)
def caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Point every cache into an empty folder."""
    for name in ("HF_HUB_CACHE", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_ENDPOINT", "MODELSCOPE_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HF_HOME", "MODELSCOPE_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    return tmp_path


def model_at(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    return folder


def test_a_directory_is_taken_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An absolute or relative path of a directory with a config.json is the model."""
    folder = model_at(tmp_path / "Qwen2.5-7B")
    assert resolve_model(str(folder), "engine") == folder
    monkeypatch.chdir(tmp_path)
    assert resolve_model("./Qwen2.5-7B", "engine") == folder


@pytest.mark.parametrize(
    "place",
    [
        "xdg_cache_home/qwen-kb/models/BAAI/bge-small-zh-v1.5",
        "hf_home/hub/models--BAAI--bge-small-zh-v1.5/snapshots/abc",
        "modelscope_cache/hub/models/BAAI/bge-small-zh-v1___5",
        "modelscope_cache/hub/BAAI/bge-small-zh-v1___5",
        "modelscope_cache/models/BAAI/bge-small-zh-v1.5",
    ],
)
def test_models_in_the_caches_are_found(caches: Path, place: str) -> None:
    """Our own folder and the layouts of both hubs' caches, old and new, are searched."""
    folder = model_at(caches / place)
    assert resolve_model(NAME, "embedding") == folder


def test_the_reference_decides_between_snapshots(caches: Path) -> None:
    """With several snapshots in the cache, `refs/main` is the one, or the revision asked for."""
    repository = caches / "hf_home/hub/models--BAAI--bge-small-zh-v1.5"
    old, new = model_at(repository / "snapshots/old"), model_at(repository / "snapshots/new")
    (repository / "refs").mkdir()
    (repository / "refs/main").write_text("old\n")
    assert resolve_model(NAME, "embedding") == old
    assert resolve_model(NAME, "embedding", revision="new") == new
    with pytest.raises(EngineUnavailableError):
        resolve_model(NAME, "embedding", revision="newest")


@pytest.mark.parametrize("name", [NAME, "./no/such/folder", "/no/such/folder", "a/b/c", "..", ""])
def test_a_model_that_is_not_there_is_named_at_once_with_the_way_out(name: str) -> None:
    """Offline there is no waiting: the message names the command or the setting."""
    started = time.monotonic()
    with pytest.raises(EngineUnavailableError, match=r"kb models pull BAAI/bge-small-zh-v1.5|embedding\.model"):
        resolve_model(name, "embedding")
    assert time.monotonic() - started < 10


def test_a_folder_without_a_configuration_is_no_model(tmp_path: Path) -> None:
    """An existing but empty folder is not searched for elsewhere."""
    with pytest.raises(EngineUnavailableError, match=r"config\.json"):
        resolve_model(str(tmp_path), "engine")


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackHub]:
    """Yield a hub on loopback that stands for both."""
    with running_hub() as running:
        monkeypatch.setenv("MODELSCOPE_ENDPOINT", running.address)
        monkeypatch.setenv("HF_ENDPOINT", running.address)
        yield running


def test_a_download_brings_the_model_without_what_could_run_code(hub: LoopbackHub, tmp_path: Path) -> None:
    """Configuration and safetensors arrive, checked; pickled weights are not even asked for; then it is found."""
    folder = resolve_model(NAME, "embedding", offline=False, models_folder=tmp_path / "mine")
    assert folder == tmp_path / "mine" / "BAAI" / "bge-small-zh-v1.5"
    brought = {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    assert brought == {path: data for path, data in hub.files.items() if not path.endswith(".bin")}
    assert not any("pytorch_model" in path for path, _ in hub.asked)
    assert resolve_model(NAME, "embedding", models_folder=tmp_path / "mine") == folder


def test_an_offline_variable_forbids_the_download(hub: LoopbackHub, monkeypatch: pytest.MonkeyPatch) -> None:
    """HF_HUB_OFFLINE=1 wins over the permission to download: no hub is asked."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(EngineUnavailableError, match="kb models pull"):
        resolve_model(NAME, "embedding", offline=False)
    assert hub.asked == []


def test_hubs_out_of_reach_are_an_error_soon(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Two dead addresses end in one error that names both hubs."""
    monkeypatch.setenv("MODELSCOPE_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    started = time.monotonic()
    with pytest.raises(EngineUnavailableError, match=r"ModelScope.*Hugging Face"):
        resolve_model(NAME, "embedding", offline=False, models_folder=tmp_path)
    assert time.monotonic() - started < 60
