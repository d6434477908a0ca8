"""The models that `kb models list` knows: what each is for, and what it takes. Any other name works as well."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Kind = Literal["embedding", "engine", "reranker"]

# What `memory` counts for one request: tokens of prompt and answer, and the bytes that the engine leaves free.
MEMORY_TOKENS: Final = 8192
_RESERVE: Final = 1 << 30
_MIT, _APACHE = "MIT", "Apache-2.0"
_TONGYI, _TONGYI_RESEARCH = "Tongyi Qianwen", "Tongyi Qianwen Research"


@dataclass(frozen=True, slots=True)
class KnownModel:
    """A model by its name on the hubs.

    `billions` are its parameters; `gigabytes` the weights to download, as published (bge and its rerankers: float32;
    Qwen: BF16, in some small ones with a second copy of the embedding). `cache_kibibytes` is the memory of the BF16
    key-value cache per token of context, 0 for embedders and rerankers: 4 bytes times layers, heads of keys and their
    width, from the model's config.json. `suggested` says that it may be offered in the place of one that does not fit.
    """

    name: str
    kind: Kind
    billions: float
    gigabytes: float
    cache_kibibytes: int
    licence: str
    note: str
    suggested: bool = True

    @property
    def memory(self) -> float:
        """Memory of a GPU in GB: weights, for an engine also the cache of MEMORY_TOKENS tokens and what stays free.

        On a CPU an engine takes twice the weights and the cache, as float32 (`engine.dtype`).
        """
        if self.kind != "engine":
            return self.gigabytes
        return self.gigabytes + (self.cache_kibibytes * 1024 * MEMORY_TOKENS + _RESERVE) / 1e9


def _bge(name: str, billions: float, gigabytes: float, note: str) -> KnownModel:
    return KnownModel(f"BAAI/{name}", "embedding", billions, gigabytes, 0, _MIT, note)


def _reranker(name: str, billions: float, gigabytes: float, licence: str, note: str) -> KnownModel:
    return KnownModel(f"BAAI/{name}", "reranker", billions, gigabytes, 0, licence, note)


def _qwen(name: str, billions: float, gigabytes: float, cache: int, licence: str, note: str = "") -> KnownModel:
    current = name.startswith(("Qwen2.5-", "Qwen3-"))
    return KnownModel(f"Qwen/{name}", "engine", billions, gigabytes, cache, licence, note, current)


_ON_CPU = "runs on a CPU"
_SLOWLY = "runs on a CPU, slowly"
_SEVERAL = "several GPUs: use a server such as vLLM"

KNOWN_MODELS: Final = (
    _bge("bge-small-zh-v1.5", 0.024, 0.1, "Chinese, 512 dimensions; the default of the profiles"),
    _bge("bge-base-zh-v1.5", 0.102, 0.41, "Chinese, 768 dimensions"),
    _bge("bge-large-zh-v1.5", 0.326, 1.3, "Chinese, 1024 dimensions; a GPU is advised"),
    _bge("bge-small-en-v1.5", 0.033, 0.13, "English, 384 dimensions"),
    _bge("bge-base-en-v1.5", 0.109, 0.44, "English, 768 dimensions"),
    _bge("bge-large-en-v1.5", 0.335, 1.34, "English, 1024 dimensions; a GPU is advised"),
    _bge(
        "bge-m3", 0.568, 2.27, "many languages, 1024 dimensions; published as a pickle: convert it to safetensors first"
    ),
    _reranker("bge-reranker-base", 0.278, 1.11, _MIT, "Chinese and English; `retrieval.reranker`"),
    _reranker("bge-reranker-large", 0.560, 2.24, _MIT, "Chinese and English; a GPU is advised"),
    _reranker("bge-reranker-v2-m3", 0.568, 2.27, _APACHE, "many languages; a GPU is advised"),
    _qwen("Qwen3-0.6B", 0.6, 1.5, 112, _APACHE, _ON_CPU),
    _qwen("Qwen3-1.7B", 1.7, 4.06, 112, _APACHE, _SLOWLY),
    _qwen("Qwen3-4B", 4.0, 8.04, 144, _APACHE),
    _qwen("Qwen3-4B-Instruct-2507", 4.0, 8.04, 144, _APACHE, "never thinks"),
    _qwen("Qwen3-8B", 8.2, 16.4, 144, _APACHE),
    _qwen("Qwen3-14B", 14.8, 29.5, 160, _APACHE),
    _qwen("Qwen3-32B", 32.8, 65.5, 256, _APACHE),
    _qwen("Qwen2.5-0.5B-Instruct", 0.5, 1.0, 12, _APACHE, _ON_CPU),
    _qwen("Qwen2.5-1.5B-Instruct", 1.5, 3.1, 28, _APACHE, _SLOWLY),
    _qwen("Qwen2.5-3B-Instruct", 3.1, 6.2, 36, "Qwen Research", "not for commercial use"),
    _qwen("Qwen2.5-7B-Instruct", 7.6, 15.2, 56, _APACHE, "the engine of the gpu profile"),
    _qwen("Qwen2.5-14B-Instruct", 14.8, 29.5, 192, _APACHE),
    _qwen("Qwen2.5-32B-Instruct", 32.8, 65.5, 256, _APACHE),
    _qwen("Qwen2.5-72B-Instruct", 72.7, 145.4, 320, "Qwen", _SEVERAL),
    _qwen("Qwen2-0.5B-Instruct", 0.5, 1.0, 12, _APACHE, _ON_CPU),
    _qwen("Qwen2-1.5B-Instruct", 1.5, 3.1, 28, _APACHE, _SLOWLY),
    _qwen("Qwen2-7B-Instruct", 7.6, 15.2, 56, _APACHE),
    _qwen("Qwen2-72B-Instruct", 72.7, 145.4, 320, _TONGYI, _SEVERAL),
    _qwen("Qwen1.5-0.5B-Chat", 0.6, 1.24, 96, _TONGYI_RESEARCH, _ON_CPU),
    _qwen("Qwen1.5-1.8B-Chat", 1.8, 3.67, 192, _TONGYI_RESEARCH, _SLOWLY),
    _qwen("Qwen1.5-4B-Chat", 4.0, 7.9, 400, _TONGYI_RESEARCH),
    _qwen("Qwen1.5-7B-Chat", 7.7, 15.4, 512, _TONGYI),
    _qwen("Qwen1.5-14B-Chat", 14.2, 28.3, 800, _TONGYI),
    _qwen("Qwen1.5-72B-Chat", 72.3, 144.6, 2560, _TONGYI, _SEVERAL),
)


def kind_of(name: str) -> Kind:
    """Return what a model is for: "reranker" and "embedding" for bge and its like, "engine" otherwise."""
    for model in KNOWN_MODELS:
        if model.name == name:
            return model.kind
    if "rerank" in name.lower():
        return "reranker"
    return "embedding" if "bge" in name.lower() else "engine"
