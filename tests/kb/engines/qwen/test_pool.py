"""The pool of pages that transformers makes is the one that was planned, and fits where the plan fits."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kb.engines.qwen.memory import plan_memory
from kb.engines.qwen.model_folder import ModelFolder

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
pytestmark = pytest.mark.models

GIBIBYTE = 1 << 30
# Bytes of the weights in BF16; hidden, intermediate, layers, heads, key-value heads, vocabulary; as published.
SHAPES = {
    "Qwen2.5-0.5B": (1.0e9, (896, 4864, 24, 14, 2, 151936)),
    "Qwen2.5-3B": (6.2e9, (2048, 11008, 36, 16, 2, 151936)),
    "Qwen2.5-7B": (15.23e9, (3584, 18944, 28, 28, 4, 152064)),
    "Qwen2.5-14B": (29.5e9, (5120, 13824, 48, 40, 8, 152064)),
    "Qwen2.5-32B": (65.5e9, (5120, 27648, 64, 40, 8, 152064)),
}
CARDS = {"RTX 3060": 11.9e9, "RTX 4090": 24.9e9, "A100": 41.5e9, "H100": 79.1e9, "H200": 149.5e9}


def described(folder: Path, weights: float, config: dict[str, Any]) -> ModelFolder:
    """A directory that says what it holds without holding it."""
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    (folder / "tokenizer.json").write_text("{}", encoding="utf-8")
    entry = {"dtype": "BF16", "shape": [int(weights) // 2], "data_offsets": [0, 0]}
    header = json.dumps({"w": entry}).encode()
    (folder / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)
    return ModelFolder(folder)


@pytest.mark.parametrize("attention", ["sdpa", "flash_attention_2"])
@pytest.mark.parametrize("shape", SHAPES)
def test_what_fits_by_the_plan_fits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shape: str, attention: str
) -> None:
    """Whatever the card, the model and the window: where the plan fits transformers makes its pool, as large as that.

    The pool is made on the device "meta", which has every size and no memory.
    """
    from transformers import Qwen2Config
    from transformers.generation.continuous_batching import cache
    from transformers.generation.continuous_batching.distributed import DistributedHelper

    from kb.engines.qwen.attention import FLASH, page_tokens, tokens_at_once
    from kb.engines.qwen.paged import batching_settings

    weights, (hidden, intermediate, layers, heads, kept, vocabulary) = SHAPES[shape]
    config = Qwen2Config(
        vocab_size=vocabulary, hidden_size=hidden, intermediate_size=intermediate, num_hidden_layers=layers,
        num_attention_heads=heads, num_key_value_heads=kept, dtype="bfloat16",
    )  # fmt: skip
    config._attn_implementation = attention
    folder = described(tmp_path / shape, weights, config.to_dict())
    masks = attention not in FLASH
    step_tokens = tokens_at_once(attention)
    helper = DistributedHelper(device_mesh=None, cpu_group_timeout=None, tp_plan={})
    made = 0
    for free in CARDS.values():
        for window in (2048, 4100, 8192, 16384, 32768):
            plan = plan_memory(
                folder, device="cuda", free=int(free), window=window, slots=None, most_slots=32, reserve=GIBIBYTE,
                element_bytes=None, step_tokens=step_tokens, masks=masks,
                page=page_tokens(attention),
            )  # fmt: skip
            if not plan.fits:
                continue
            breakdown = (torch.device("cuda"), int(free), int(weights), int(weights))
            monkeypatch.setattr(cache, "get_device_and_memory_breakdown", lambda found=breakdown: found)
            settings = batching_settings(attention, plan.slots, window, step_tokens)
            settings.use_async_batching = not masks
            pool = cache.PagedAttentionCache(config, settings, "meta", helper, torch.bfloat16, True)
            assert pool.num_blocks * settings.page_size == plan.slots * plan.tokens
            assert pool.max_decode_fast_path_length >= (0 if masks else window)
            made += 1
    assert made


def test_settings_by_attention() -> None:
    """Pages, their table and CUDA graphs are those that the attention can do; with masks only where asked for."""
    from kb.engines.qwen.paged import batching_settings

    flash = batching_settings("flash_attention_2", 4, 16384, 2048)
    assert (flash.page_size, flash.max_blocks_per_request, flash.num_blocks) == (256, 64, 256)
    masks = batching_settings("sdpa", 4, 16384, 512)
    assert (masks.page_size, masks.max_blocks_per_request, masks.num_blocks) == (16, None, 4096)
    assert flash.use_cuda_graph is masks.use_cuda_graph is None
    graphs = batching_settings("sdpa", 4, 16384, 512, graph_padding=2048)
    assert (graphs.use_cuda_graph, graphs.kv_padding_interval_size) == (True, 2048)
