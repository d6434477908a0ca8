"""The models that `kb models list` knows: what each is for, and what it takes. Any other name works as well."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Kind = Literal["embedding", "engine", "reranker"]


@dataclass(frozen=True, slots=True)
class KnownModel:
    """A model by its name on the hubs.

    `gigabytes` is the size of its weights as published (bge and its rerankers: float32; Qwen2.5: BF16, from Qwen's own
    documentation). `cache_kibibytes` is the memory of the BF16 key-value cache per token of context, 0 for embedders
    and rerankers.
    """

    name: str
    kind: Kind
    gigabytes: float
    cache_kibibytes: int
    note: str


KNOWN_MODELS: Final = (
    KnownModel("BAAI/bge-small-zh-v1.5", "embedding", 0.1, 0, "Chinese, 512 dimensions; the default of the profiles"),
    KnownModel("BAAI/bge-base-zh-v1.5", "embedding", 0.4, 0, "Chinese, 768 dimensions"),
    KnownModel("BAAI/bge-large-zh-v1.5", "embedding", 1.3, 0, "Chinese, 1024 dimensions; a GPU is advised"),
    KnownModel("BAAI/bge-small-en-v1.5", "embedding", 0.13, 0, "English, 384 dimensions"),
    KnownModel("BAAI/bge-reranker-base", "reranker", 1.1, 0, "Chinese and English; `retrieval.reranker`"),
    KnownModel("BAAI/bge-reranker-large", "reranker", 2.2, 0, "Chinese and English; a GPU is advised"),
    KnownModel("BAAI/bge-reranker-v2-m3", "reranker", 2.3, 0, "many languages; a GPU is advised"),
    KnownModel("Qwen/Qwen2.5-0.5B-Instruct", "engine", 1.0, 12, "runs on a CPU"),
    KnownModel("Qwen/Qwen2.5-1.5B-Instruct", "engine", 3.1, 28, "runs on a CPU, slowly"),
    KnownModel("Qwen/Qwen2.5-3B-Instruct", "engine", 6.2, 36, "GPU with 8 GB or more; research licence"),
    KnownModel("Qwen/Qwen2.5-7B-Instruct", "engine", 15.2, 56, "GPU with 24 GB"),
    KnownModel("Qwen/Qwen2.5-14B-Instruct", "engine", 29.5, 192, "GPU with 40 GB"),
    KnownModel("Qwen/Qwen2.5-32B-Instruct", "engine", 65.5, 256, "GPU with 80 GB"),
    KnownModel("Qwen/Qwen2.5-72B-Instruct", "engine", 145.4, 320, "several GPUs: use a server such as vLLM"),
)


def kind_of(name: str) -> Kind:
    """Return what a model is for: "reranker" and "embedding" for bge and its like, "engine" otherwise."""
    for model in KNOWN_MODELS:
        if model.name == name:
            return model.kind
    if "rerank" in name.lower():
        return "reranker"
    return "embedding" if "bge" in name.lower() else "engine"
