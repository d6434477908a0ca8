"""A device that is named but not here is a clear error; one that is left to choose falls back, and says so once."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from indexes.embedders.bge import BgeEmbedder
from indexes.errors import ConfigurationError, EngineUnavailableError
from indexes.models import devices
from indexes.rerankers.bge import BgeReranker

pytestmark = pytest.mark.models
FALLBACK = "no CUDA device: running on the CPU"


@pytest.fixture
def no_card(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let torch see no GPU, whatever there is."""
    import torch

    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: False)
    devices.state_fallback.cache_clear()


@pytest.mark.usefixtures("no_card")
def test_a_missing_device_is_named_with_what_to_set() -> None:
    """`cuda` without a card tells the setting and its values; the processor and the free choice are always there."""
    devices.require_device(None, "embedding.device")
    devices.require_device("cpu", "embedding.device")
    for name in ("cuda", "cuda:1"):
        with pytest.raises(EngineUnavailableError, match=rf"engine\.device is '{name}'.*no CUDA.*\"auto\" or \"cpu\""):
            devices.require_device(name, "engine.device")


def test_a_card_beyond_the_last_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """With two cards `cuda:1` is one and `cuda:2` is none."""
    import torch

    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    devices.require_device("cuda:1", "embedding.device")
    with pytest.raises(EngineUnavailableError, match=r"the last CUDA device here is cuda:1"):
        devices.require_device("cuda:2", "embedding.device")


@pytest.mark.parametrize("name", ["gpu", "cuda:x", "", "cuda:-1"])
def test_what_is_no_device_is_a_wrong_setting(name: str) -> None:
    """A word that torch does not know is a configuration error, not an unexpected one."""
    with pytest.raises(ConfigurationError, match=r"embedding\.device"):
        devices.require_device(name, "embedding.device")


@pytest.mark.usefixtures("no_card")
def test_the_embedder_refuses_a_missing_device_before_and_at_loading(tmp_path: Path) -> None:
    """Neither the line for `kb doctor` nor the first embedding takes the device for granted."""
    from tests.tiny_bge import make_tiny_bge

    folder = str(make_tiny_bge(tmp_path / "bge-tiny-zh"))
    embedder = BgeEmbedder(folder, device="cuda", models_folder=tmp_path)
    with pytest.raises(EngineUnavailableError, match=r"embedding\.device is 'cuda'"):
        _ = embedder.foreseen_runtime
    with pytest.raises(EngineUnavailableError, match=r"embedding\.device is 'cuda'"):
        embedder.embed_query("好")


@pytest.mark.usefixtures("no_card")
def test_the_reranker_refuses_a_missing_device(tmp_path: Path) -> None:
    """It runs where the embedder does, and says so in the same words."""
    from tests.tiny_reranker import make_tiny_reranker

    reranker = BgeReranker(str(make_tiny_reranker(tmp_path / "reranker", steps=0)), device="cuda")
    with pytest.raises(EngineUnavailableError, match=r"embedding\.device is 'cuda'"):
        reranker.scores("问", ["答"])


@pytest.mark.usefixtures("no_card")
def test_the_fallback_is_stated_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Embedder, reranker and engine on `auto` say together once that they run on the processor."""
    from kb.engines.qwen.placing import _device
    from tests.tiny_bge import make_tiny_bge
    from tests.tiny_reranker import make_tiny_reranker

    with caplog.at_level(logging.WARNING):
        BgeEmbedder(str(make_tiny_bge(tmp_path / "bge-tiny-zh")), runtime="torch").embed_query("好")
        BgeReranker(str(make_tiny_reranker(tmp_path / "reranker", steps=0))).scores("问", ["答"])
        assert _device("auto").type == "cpu"
    assert [record.message for record in caplog.records].count(FALLBACK) == 1


@pytest.mark.usefixtures("no_card")
def test_a_chosen_processor_is_not_commented_on(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Who sets `cpu` knows it."""
    from tests.tiny_bge import make_tiny_bge

    BgeEmbedder(str(make_tiny_bge(tmp_path / "bge-tiny-zh")), device="cpu", runtime="torch").embed_query("好")
    assert FALLBACK not in caplog.text
