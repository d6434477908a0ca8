"""Whether a model fits is worked out before it is loaded, from what its directory says."""

from __future__ import annotations

import json
import logging
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from indexes.errors import ConfigurationError, EngineUnavailableError
from kb.engines.base import GenerationOptions
from kb.engines.qwen import free_memory as qwen_free_memory
from kb.engines.qwen.engine import QwenEngine
from kb.engines.qwen.memory import MemoryPlan, plan_memory, require_memory
from kb.engines.qwen.model_folder import ModelFolder
from kb.engines.qwen.options import RunOptions
from kb.engines.qwen.sizes import weight_bytes
from kb.records import Message, Prompt
from tests.tiny_qwen import make_tiny_qwen

GIGABYTE = 10**9
QWEN_7B = {
    "model_type": "qwen2", "hidden_size": 3584, "num_hidden_layers": 28, "num_attention_heads": 28,
    "num_key_value_heads": 4, "max_position_embeddings": 32768, "torch_dtype": "bfloat16",
}  # fmt: skip


def described(folder: Path, config: dict[str, object], tensors: dict[str, tuple[str, list[int]]]) -> ModelFolder:
    """A directory that says what it holds without holding it: a header is all that is read before loading."""
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    (folder / "tokenizer.json").write_text("{}", encoding="utf-8")
    entries = {name: {"dtype": kind, "shape": shape, "data_offsets": [0, 0]} for name, (kind, shape) in tensors.items()}
    header = json.dumps({"__metadata__": {"format": "pt"}, **entries}).encode()
    (folder / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)
    return ModelFolder(folder)


@pytest.fixture
def seven(tmp_path: Path) -> ModelFolder:
    """The shape of Qwen2.5-7B with all 7.6 billion weights in one tensor."""
    return described(tmp_path / "Qwen2.5-7B-Instruct", QWEN_7B, {"w": ("BF16", [7_600, 1_000_000])})


def planned(folder: ModelFolder, free: float, slots: int | None = None, window: int = 32768) -> MemoryPlan:
    return plan_memory(
        folder, device="cuda", free=int(free * GIGABYTE), window=window, slots=slots, most_slots=32,
        reserve=GIGABYTE, element_bytes=None,
    )  # fmt: skip


def test_published_figures(seven: ModelFolder) -> None:
    """Weights and cache of Qwen2.5-7B come to 15.2 GB and 56 KiB a token, as published."""
    plan = planned(seven, 80, slots=4)
    assert plan.weights == 15_200_000_000
    assert plan.per_token == 56 * 1024
    assert plan.needed == 15_200_000_000 + 4 * 32768 * 56 * 1024 + GIGABYTE
    assert "4 slots x 32768 tokens x 56 KiB" in plan.line()


def test_slots_fill_what_is_free(seven: ModelFolder) -> None:
    """Without a number of slots as many are taken as fit, and no more than there are."""
    assert [planned(seven, free).slots for free in (18.1, 24.0, 300.0)] == [1, 4, 32]
    assert planned(seven, 24.0).fits
    assert not replace(planned(seven, 24.0), slots=5).fits


def test_refusals_say_what_would_fit(seven: ModelFolder) -> None:
    """Too many slots, too long a window, too large a model: each refusal names what would do, and that does."""
    with pytest.raises(EngineUnavailableError, match=r"does not fit.*engine\.slots = 4") as many:
        require_memory(planned(seven, 24, slots=16), seven, can_shrink_cache=True)
    assert 'engine.cache_dtype = "int8"' not in str(many.value)
    long = planned(seven, 17.5, slots=1)
    assert "engine.slots" not in " ".join(long.remedies(can_shrink_cache=True))
    window = int(next(text for text in long.remedies(False) if "window" in text).split()[-1])
    assert replace(long, window=window).fits
    assert not replace(long, window=window + 512).fits
    assert 'engine.cache_dtype = "int8"' in planned(seven, 17.5, slots=1).remedies(True)
    with pytest.raises(EngineUnavailableError, match=r"Qwen3-4B.*vLLM"):
        require_memory(planned(seven, 12), seven, can_shrink_cache=False)


def test_a_reserve_too_large_is_named(tmp_path: Path, seven: ModelFolder) -> None:
    """Where the reserve alone takes all, it is the setting that is named, with a value that fits, and nothing else."""
    small = described(tmp_path / "small", {**QWEN_7B, "num_hidden_layers": 2}, {"w": ("BF16", [100_000])})
    plan = replace(planned(small, 4, slots=1, window=2048), reserve=20 * GIGABYTE)
    with pytest.raises(EngineUnavailableError, match=r"What would: engine\.reserve_mb = \d+$") as refused:
        require_memory(plan, small, can_shrink_cache=False)
    megabytes = int(str(refused.value).split()[-1])
    assert replace(plan, reserve=megabytes << 20).fits
    assert not replace(plan, reserve=megabytes + 1 << 20).fits
    with pytest.raises(EngineUnavailableError, match="more memory is needed"):
        require_memory(planned(seven, 1), seven, can_shrink_cache=False)


def test_types_of_weights(tmp_path: Path) -> None:
    """Floats are counted as what they are converted to; packed integers and 8-bit floats as what they are."""
    tensors = {"a": ("BF16", [1000]), "b": ("I32", [1000]), "c": ("F8_E4M3", [10, 100]), "d": ("F32", [])}
    folder = described(tmp_path / "mixed", QWEN_7B, tensors)
    assert weight_bytes(folder, None) == 2000 + 4000 + 1000 + 4
    assert weight_bytes(folder, 4) == 4000 + 4000 + 1000 + 4


def test_quantised_caches_count_their_scales(seven: ModelFolder) -> None:
    """An 8-bit cache takes a little more than half of a BF16 one, a 4-bit one a little more than a quarter."""
    plan = planned(seven, 80, slots=1)
    shares = [replace(plan, cache_bits=bits).per_token / plan.per_token for bits in (8, 4)]
    assert shares == pytest.approx([0.53125, 0.28125])


@pytest.mark.parametrize(
    "content", [b"", b"\xff" * 8, (5).to_bytes(8, "little") + b"[1,2]", b"\x02" + b"\0" * 7 + b"{x"]
)
def test_broken_headers(tmp_path: Path, content: bytes) -> None:
    """Weights without a sound header are named, not guessed at."""
    folder = described(tmp_path / "broken", QWEN_7B, {"w": ("BF16", [1])})
    folder.weight_files[0].write_bytes(content)
    with pytest.raises(EngineUnavailableError, match=r"model\.safetensors is no safetensors file"):
        weight_bytes(folder, None)


def test_broken_shape(tmp_path: Path) -> None:
    """A config.json without a number that the arithmetic needs is refused by that name."""
    folder = described(tmp_path / "odd", {**QWEN_7B, "num_hidden_layers": "many"}, {"w": ("BF16", [1])})
    with pytest.raises(EngineUnavailableError, match="num_hidden_layers"):
        planned(folder, 80)


def test_container_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit of a container counts where it is lower than what the machine has; files read before do not."""
    for name, content in (
        ("memory.max", "1000"),
        ("memory.current", "700"),
        ("memory.stat", "anon 5\ninactive_file 90\n"),
    ):
        (tmp_path / name).write_text(content, encoding="ascii")
    monkeypatch.setattr(qwen_free_memory, "_CGROUP", tmp_path)
    assert qwen_free_memory._container_memory() == 390
    (tmp_path / "memory.max").write_text("max\n", encoding="ascii")
    assert qwen_free_memory._container_memory() > 2**60
    assert 0 < qwen_free_memory._machine_memory() < 2**60


def test_wrong_options() -> None:
    """Choices that no model could be run with are refused at once."""
    for wrong in ({"slots": 0}, {"reserve": -1}, {"window": 1}):
        with pytest.raises(ConfigurationError):
            RunOptions(**wrong)  # type: ignore[arg-type]  # one wrong number each


@pytest.mark.models
def test_the_engine_refuses_before_loading(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """An engine that would not fit answers no question and loads nothing; one that fits logs its arithmetic."""
    pytest.importorskip("torch")
    folder = str(make_tiny_qwen(tmp_path / "Tiny"))
    prompt = Prompt((Message("user", "你好"),), (), "你好", "zh", "test")
    options = GenerationOptions(max_new_tokens=2, temperature=0)
    greedy = QwenEngine(folder, RunOptions(device="cpu", reserve=2**60))
    with pytest.raises(EngineUnavailableError, match="Tiny does not fit"):
        list(greedy.stream(prompt, options, threading.Event()))
    assert greedy._runner is None
    with caplog.at_level(logging.INFO, logger="kb.engines.qwen.loading"):
        list(QwenEngine(folder, RunOptions(device="cpu", slots=1)).stream(prompt, options, threading.Event()))
    assert "1 slots x 2048 tokens x 0.5 KiB" in caplog.text
