"""Quantised models load where this installation can, and are pointed to the right server where it cannot."""

from __future__ import annotations

import importlib.util
import json
import shutil
import threading
from pathlib import Path

import pytest

from indexes.errors import EngineUnavailableError
from kb.engines.base import GenerationOptions
from kb.engines.qwen.engine import QwenEngine
from kb.engines.qwen.model_folder import ModelFolder, refuse_gguf
from kb.engines.qwen.options import RunOptions
from kb.engines.qwen.quantised import quantisation, require_loadable
from kb.engines.qwen.sizes import weight_bytes
from kb.records import Message, Prompt
from tests.tiny_qwen import make_tiny_qwen

pytestmark = pytest.mark.models
PROMPT = Prompt((Message("user", "知识库问答系统"),), (), "知识库问答系统", "zh", "test")
GREEDY = GenerationOptions(max_new_tokens=16, temperature=0.0, repetition_penalty=1.0)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("transformers")
    return make_tiny_qwen(tmp_path_factory.mktemp("model") / "Tiny")


def marked(plain: Path, to: Path, described: object) -> ModelFolder:
    shutil.copytree(plain, to)
    config = json.loads((to / "config.json").read_text())
    (to / "config.json").write_text(json.dumps({**config, "quantization_config": described}))
    return ModelFolder(to)


@pytest.mark.parametrize(
    ("described", "kind"),
    [
        ({"quant_method": "gptq", "bits": 4}, "gptq"),
        ({"quant_method": "AWQ"}, "awq"),
        ({"load_in_4bit": True}, "bitsandbytes"),
        ({"quant_method": "compressed-tensors"}, "compressed-tensors"),
        ({"quant_method": "eetq"}, "eetq"),
    ],
)
def test_what_cannot_be_loaded_names_vllm(plain: Path, tmp_path: Path, described: object, kind: str) -> None:
    """GPTQ, AWQ and their like are recognised; where their packages are missing the way out is complete."""
    folder = marked(plain, tmp_path / "Quantised", described)
    assert quantisation(folder) == kind
    needed = {"gptq": "gptqmodel", "awq": "gptqmodel", "compressed-tensors": "compressed_tensors"}.get(kind, kind)
    if importlib.util.find_spec(needed):
        pytest.skip(f"{needed} is installed here")
    with pytest.raises(EngineUnavailableError) as refused:
        list(QwenEngine(str(folder.path), RunOptions(device="cpu")).stream(PROMPT, GREEDY, threading.Event()))
    for part in (kind, f'vllm serve "{folder.path}"', 'engine.name = "openai"', "http://127.0.0.1:8000/v1"):
        assert part in str(refused.value)


def test_what_needs_a_gpu_says_so(plain: Path, tmp_path: Path) -> None:
    """HQQ weights are refused on a CPU for that reason."""
    with pytest.raises(EngineUnavailableError, match="needs a GPU"):
        require_loadable(marked(plain, tmp_path / "hqq", {"quant_method": "hqq"}), on_gpu=False)


def test_a_description_without_a_method(plain: Path, tmp_path: Path) -> None:
    """A quantization_config that does not say how is refused; none at all is no quantisation."""
    with pytest.raises(EngineUnavailableError, match="without a quant_method"):
        quantisation(marked(plain, tmp_path / "odd", {"bits": 4}))
    assert quantisation(ModelFolder(plain)) is None


def test_gguf_is_llama_cpps(tmp_path: Path) -> None:
    """A GGUF file, or a directory of such, is pointed to llama-server with the command."""
    (tmp_path / "qwen-q4.gguf").write_bytes(b"GGUF")
    for name in (tmp_path, tmp_path / "qwen-q4.gguf"):
        with pytest.raises(EngineUnavailableError, match=r"llama-server -m .*qwen-q4\.gguf.*base_url"):
            _ = QwenEngine(str(name)).window
    refuse_gguf("Qwen/Qwen2.5-7B-Instruct")


def test_fp8_is_loaded(plain: Path, tmp_path: Path) -> None:
    """FP8 weights with their scales, as Qwen publishes them, answer on a CPU, converted, and the memory counts that."""
    torch = pytest.importorskip("torch")
    from safetensors.torch import load_file, save_file

    described = {"quant_method": "fp8", "activation_scheme": "dynamic", "weight_block_size": [32, 32]}
    folder = marked(plain, tmp_path / "Tiny-FP8", described)
    tensors = {}
    for name, weight in load_file(folder.weight_files[0]).items():
        if not name.endswith("proj.weight"):
            tensors[name] = weight
            continue
        rows, columns = weight.shape
        blocks = weight.reshape(rows // 32, 32, columns // 32, 32)
        scale = blocks.abs().amax((1, 3)) / torch.finfo(torch.float8_e4m3fn).max
        tensors[name] = (blocks / scale[:, None, :, None]).reshape(rows, columns).to(torch.float8_e4m3fn)
        tensors[f"{name}_scale_inv"] = scale
    save_file(tensors, folder.weight_files[0], metadata={"format": "pt"})
    engine = QwenEngine(str(folder.path), RunOptions(device="cpu"))
    answer = "".join(piece for piece in engine.stream(PROMPT, GREEDY, threading.Event()) if isinstance(piece, str))
    loaded = engine._loaded()._model._model  # type: ignore[attr-defined]  # of OneAtATime
    first = loaded.model.layers[0].mlp.up_proj.weight
    assert first.dtype != torch.float8_e4m3fn
    original = load_file(ModelFolder(plain).weight_files[0])["model.layers.0.mlp.up_proj.weight"]
    assert torch.allclose(first.float(), original.float(), atol=0.02)
    assert answer
    assert engine.check_memory().weights > weight_bytes(folder, 4)
