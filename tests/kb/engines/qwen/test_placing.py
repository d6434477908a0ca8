"""How a model is run: cache types, attention, YaRN, several GPUs; what contradicts is refused before loading."""

from __future__ import annotations

import importlib.util
import json
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from indexes.errors import ConfigurationError, EngineUnavailableError, UsageError
from kb.engines.base import GenerationOptions
from kb.engines.qwen.engine import QwenEngine
from kb.engines.qwen.model_folder import ModelFolder
from kb.engines.qwen.options import RunOptions
from kb.records import Message, Prompt
from tests.tiny_qwen import make_tiny_qwen

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
attention = pytest.importorskip("kb.engines.qwen.attention")
placing = pytest.importorskip("kb.engines.qwen.placing")
pytestmark = pytest.mark.models

GREEDY = GenerationOptions(max_new_tokens=16, temperature=0.0, repetition_penalty=1.0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_qwen(tmp_path_factory.mktemp("model") / "Tiny", window=512)


def said(folder: Path, text: str = "知识库问答系统", **choices: Any) -> str:
    engine = QwenEngine(str(folder), RunOptions(**{"device": "cpu", **choices}))
    prompt = Prompt((Message("user", text),), (), text, "zh", "test")
    return "".join(piece for piece in engine.stream(prompt, GREEDY, threading.Event()) if isinstance(piece, str))


def placed(folder: Path, **choices: Any) -> Any:
    from kb.engines.qwen.placing import place

    return place(ModelFolder(folder), RunOptions(**choices), 512)


def test_an_fp8_cache_answers_and_takes_less(folder: Path) -> None:
    """An FP8 cache needs no package: it is about half of a 16-bit one, a quarter of this, and answers every time."""
    assert said(folder, cache_dtype="fp8")
    engine = QwenEngine(str(folder), RunOptions(device="cpu", cache_dtype="fp8"))
    prompt = Prompt((Message("user", "问" * 50),), (), "问", "zh", "test")
    answers = [
        "".join(piece for piece in engine.stream(prompt, GREEDY, threading.Event()) if isinstance(piece, str))
        for _ in range(2)
    ]
    assert answers[0] == answers[1]
    full, small = (placed(folder, device="cpu", cache_dtype=kind).plan.per_token for kind in ("auto", "fp8"))
    assert small < full / 3


@pytest.mark.parametrize(("kind", "module"), [("int8", "hqq"), ("int4", "optimum.quanto")])
def test_integer_caches_name_their_packages(folder: Path, kind: str, module: str) -> None:
    """Where no package for an integer cache is installed the setting is refused by name, and never passed over."""
    try:
        found = importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        found = False
    if found:
        assert said(folder, cache_dtype=kind)
        return
    with pytest.raises(ConfigurationError, match=rf"{kind}.* needs a package: pip install .*(hqq|optimum-quanto).*fp8"):
        said(folder, cache_dtype=kind)


def test_batches_take_no_quantised_cache(folder: Path) -> None:
    """Continuous batching has a cache of its own; asked for together with another the setting is refused."""
    with pytest.raises(
        ConfigurationError, match=r'engine\.batching = "on" does not go with engine\.cache_dtype = "fp8"'
    ):
        said(folder, cache_dtype="fp8", batching="on")
    assert not placed(folder, device="cpu").batched
    assert placed(folder, device="cpu", batching="on").batched


def test_attention_is_chosen_and_checked(folder: Path) -> None:
    """Each attention of a CPU gives the same answer; flash attention without a GPU says what it needs."""
    assert said(folder, attention="eager") == said(folder, attention="sdpa") == said(folder)
    with pytest.raises(ConfigurationError, match=r"flash_attention_2.*flash-attn"):
        said(folder, attention="flash_attention_2")


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> None:
    """A card of the H100's kind with 10 GB, and the package flash-attn."""
    monkeypatch.setattr(placing, "_device", lambda name: torch.device("cuda", 0))
    monkeypatch.setattr(placing, "free_memory", lambda device: 10**10)
    monkeypatch.setattr(attention, "_capability", lambda device: (9, 0))
    monkeypatch.setattr(attention, "_flash_installed", lambda: True)


@pytest.mark.usefixtures("card")
def test_flash_attention_where_it_is(folder: Path) -> None:
    """On a GPU with the package it is the default for 16-bit weights, with longer steps, longer pages and no masks."""
    flash, masked = (placed(folder, dtype="bfloat16", attention=kind) for kind in ("auto", "sdpa"))
    assert (flash.attention, masked.attention) == ("flash_attention_2", "sdpa")
    assert flash.step_tokens > masked.step_tokens > 0
    assert flash.plan.per_token < masked.plan.per_token
    assert (flash.plan.page, masked.plan.page) == (256, 16)
    assert flash.plan.slots == 32
    assert "flash" not in flash.plan.line()
    assert masked.plan.line().endswith("(docs/local-engine.md)")
    assert "flash" not in placed(folder, dtype="bfloat16", attention="sdpa", batching="off").plan.line()


@pytest.mark.usefixtures("card")
def test_flash_attention_where_it_cannot_be(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights of 32 bits, chosen or stored, and cards before Ampere run without it; asking for it is refused."""
    assert placed(folder, dtype="float32").attention == "sdpa"
    assert placed(folder).attention == "sdpa"
    half = make_tiny_qwen(tmp_path / "Half")
    config = json.loads((half / "config.json").read_text())
    (half / "config.json").write_text(json.dumps({**config, "dtype": "bfloat16"}))
    assert placed(half).attention == "flash_attention_2"
    with pytest.raises(ConfigurationError, match="16-bit weights"):
        placed(folder, attention="flash_attention_2")
    monkeypatch.setattr(attention, "_capability", lambda device: (7, 5))
    assert placed(half).attention == "sdpa"
    with pytest.raises(ConfigurationError, match=r"compute capability 8\.0"):
        placed(half, attention="flash_attention_2")


def test_pages_are_counted_whole(folder: Path) -> None:
    """In batches a window takes whole pages, in the plan as in the pool."""
    from kb.engines.qwen.placing import place

    plan = place(ModelFolder(folder), RunOptions(device="cpu", batching="on", slots=3), 500).plan
    assert (plan.window, plan.page, plan.tokens) == (500, 16, 512)
    assert plan.cache == 3 * 512 * plan.per_token


def test_layers_spread_over_all_gpus(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """ "all" gives accelerate every GPU, counts their memory together, and runs one request at a time."""
    if not torch.cuda.is_available():
        with pytest.raises(EngineUnavailableError, match="no CUDA device"):
            placed(folder, device="all")
    monkeypatch.setattr(placing, "_device", lambda name: torch.device("cuda", 0))
    monkeypatch.setattr(placing, "_cards", lambda: [torch.device("cuda", 0), torch.device("cuda", 1)])
    monkeypatch.setattr(placing, "free_memory", lambda device: 3 * 10**9)
    monkeypatch.setattr(attention, "_capability", lambda device: (7, 5))
    spread = placed(folder, device="all")
    assert spread.device_map == "auto"
    assert spread.plan.free == 6 * 10**9
    assert spread.plan.reserve == 2 << 30
    assert not spread.batched
    with pytest.raises(ConfigurationError, match=r"engine\.device"):
        placed(folder, device="all", batching="on")
    assert placed(folder, device="cuda").device_map == {"": torch.device("cuda", 0)}


def test_yarn_stretches_the_window(folder: Path, tmp_path: Path) -> None:
    """With YaRN prompts beyond the model's own window are answered, as by a model that was published with it."""
    long = "长窗口。" * 150
    with pytest.raises(UsageError, match="window"):
        said(folder, long)
    stretched = said(folder, long, yarn_factor=4.0)
    published = make_tiny_qwen(tmp_path / "Published", window=512)
    config = json.loads((published / "config.json").read_text())
    config.pop("rope_parameters", None)
    config["rope_theta"] = 10000.0
    config["rope_scaling"] = {"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 512}
    (published / "config.json").write_text(json.dumps(config))
    assert QwenEngine(str(published)).window == 2048
    assert said(published, long) == stretched
    with pytest.raises(ConfigurationError, match="stretches its window itself already"):
        said(published, long, yarn_factor=2.0)


def test_windows_of_published_models(folder: Path, tmp_path: Path) -> None:
    """Qwen3's own advice for YaRN names the window that it was trained with: that one is stretched."""
    config = json.loads((folder / "config.json").read_text())
    other = make_tiny_qwen(tmp_path / "Other")
    config |= {"max_position_embeddings": 40960}
    config["rope_scaling"] = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32768}
    (other / "config.json").write_text(json.dumps(config))
    assert ModelFolder(other).window == 131072


def test_wrong_factors() -> None:
    """A factor that shrinks, or is absurd, is refused."""
    for factor in (0.5, 1.0, 33.0):
        with pytest.raises(ConfigurationError, match="yarn_factor"):
            replace(RunOptions(), yarn_factor=factor)
