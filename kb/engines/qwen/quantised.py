"""Quantised weights: what torch and transformers load as they are pinned, and where the rest is served."""

from __future__ import annotations

import importlib.util
from typing import Final

from indexes.errors import EngineUnavailableError
from kb.engines.qwen.model_folder import ModelFolder

# What transformers itself imports to load each kind, beyond the `local` extra. FP8 needs nothing: a CPU, and a GPU
# without FP8 units, gets its weights converted to BF16.
_PACKAGES: Final = {
    "gptq": ("optimum", "gptqmodel"),
    "awq": ("gptqmodel",),
    "bitsandbytes": ("bitsandbytes",),
    "compressed-tensors": ("compressed_tensors",),
    "fp8": (),
    "hqq": ("hqq",),
    "quanto": ("optimum.quanto",),
    "torchao": ("torchao",),
}
_ON_GPU_ONLY: Final = ("hqq",)


def quantisation(folder: ModelFolder) -> str | None:
    """Return how the weights are quantised ("gptq", "fp8", ...), None where they are not."""
    described = folder.config.get("quantization_config")
    if described is None:
        return None
    method = described.get("quant_method") if isinstance(described, dict) else None
    if isinstance(method, str):
        return method.lower()
    if isinstance(described, dict) and (described.get("load_in_4bit") or described.get("load_in_8bit")):
        return "bitsandbytes"
    raise EngineUnavailableError(f"{folder.path}/config.json has a quantization_config without a quant_method")


def require_loadable(folder: ModelFolder, on_gpu: bool) -> None:
    """Raise EngineUnavailableError where this installation cannot load the quantised weights of `folder`."""
    method = quantisation(folder)
    if method is None:
        return
    if method not in _PACKAGES:
        raise EngineUnavailableError(f"{folder.path.name} is quantised with {method}, {_elsewhere(folder)}")
    if method in _ON_GPU_ONLY and not on_gpu:
        raise EngineUnavailableError(f"{folder.path.name} is quantised with {method}, which needs a GPU here")
    missing = [name for name in _PACKAGES[method] if not _installed(name)]
    if missing:
        raise EngineUnavailableError(
            f"{folder.path.name} is quantised with {method}, which needs {' and '.join(missing)} beside the extra "
            f"'local' (it may ask for another torch than ours), {_elsewhere(folder)}"
        )


def converted_bytes(folder: ModelFolder, on_gpu: bool) -> int | None:
    """Return the bytes that an 8-bit float takes once loaded: 2 where it is converted, None where it stays."""
    return 2 if quantisation(folder) == "fp8" and not on_gpu else None


def _elsewhere(folder: ModelFolder) -> str:
    return (
        f'and is best served by vLLM: vllm serve "{folder.path}" --served-model-name {folder.path.name}, then set '
        f'engine.name = "openai", engine.base_url = "http://127.0.0.1:8000/v1", engine.model = "{folder.path.name}"'
    )


def _installed(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False
