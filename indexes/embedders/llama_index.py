"""Any LlamaIndex embedding as an embedder, by its import path. Needs the `llama-index` extra.

An embedding runs in this process with the rights of the user: name only one that you trust.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import threading
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Protocol, cast

import numpy as np

from indexes.embedders.foreign_tokens import TokenCounter, Utf8Tokens, tokenizer_tokens
from indexes.embedding import Vectors
from indexes.errors import ConfigurationError, EngineUnavailableError, UsageError
from indexes.records import EmbeddingIdentity

# Arguments that change how fast or by whose leave vectors are made, but not which.
_NO_IDENTITY = frozenset(
    {
        "api_key",
        "token",
        "password",
        "embed_batch_size",
        "num_workers",
        "timeout",
        "request_timeout",
        "max_retries",
        "device",
        "cache_folder",
        "show_progress_bar",
        "parallel_process",
        "keep_alive",
    }
)
# Shorter arguments are words that errors are made of; keys are longer.
_SHORTEST_SECRET, _LONGEST_MESSAGE = 8, 300
_PROBE = "知识库 knowledge base"


class _Embedding(Protocol):
    """The part of a LlamaIndex embedding that is used."""

    model_name: str

    def get_text_embedding_batch(self, texts: list[str]) -> list[list[float]]: ...
    def get_query_embedding(self, query: str) -> list[float]: ...


class LlamaIndexEmbedder:
    """Embeds with a LlamaIndex embedding, made when it is first needed; its calls run one at a time.

    Vectors are scaled to length 1. The dimension is that of the vector of a probe text. A LlamaIndex embedding does
    not say how much it reads and cuts longer texts in silence, so `max_tokens` is what its maker states. Tokens are
    counted by the tokenizer given, or else as UTF-8 bytes: no usual tokenizer makes more of a text.
    """

    def __init__(
        self, embedder: str, arguments: Mapping[str, object], *, max_tokens: int, tokenizer: Path | None = None
    ) -> None:
        """`embedder` is an import path, `tokenizer` a tokenizer.json or the directory of one."""
        self._path = embedder
        self._arguments = dict(arguments)
        self._max_tokens = max_tokens
        self._tokenizer = tokenizer
        self._lock = threading.Lock()

    @cached_property
    def identity(self) -> EmbeddingIdentity:
        """What the manifest records: import path, model and arguments; keys, devices and batch sizes aside.

        Makes the embedding and embeds a probe text to learn the dimension.
        """
        shown = {name: value for name, value in self._arguments.items() if name not in _NO_IDENTITY}
        model = str(getattr(self._embedding, "model_name", "") or "unknown")
        described = json.dumps([self._path, model, shown], sort_keys=True, ensure_ascii=False, default=str)
        return EmbeddingIdentity(
            name="llama_index",
            model=f"{self._path.rpartition('.')[2]}:{model}",
            revision=hashlib.sha256(described.encode("utf-8", "surrogatepass")).hexdigest()[:16],
            dimension=int(self._call("get_text_embedding_batch", [_PROBE], 1).shape[1]),
            pooling="",
            query_prefix="",
            max_tokens=self._max_tokens,
        )

    @property
    def fusion_weight(self) -> float:
        """How much of the fused score dense search may have, in [0, 1]."""
        return 0.5

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Return the number of tokens of each text: those of the tokenizer given, or its UTF-8 bytes and two."""
        return self._counter.count(texts)

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        """Return unit vectors of shape (len(texts), dimension). UsageError for a text over the declared length."""
        for number, count in enumerate(self.count_tokens(texts)):
            if count > self._max_tokens:
                raise UsageError(f"text {number} has {count} tokens; {self._path} takes at most {self._max_tokens}")
        if not texts:
            return np.empty((0, self.identity.dimension), dtype=np.float32)
        return self._checked(self._call("get_text_embedding_batch", list(texts), len(texts)))

    def embed_query(self, text: str) -> Vectors:
        """Return the unit vector (dimension,) of a question; its end is cut where it is over the declared length."""
        vectors = self._call("get_query_embedding", self._counter.cut(text, self._max_tokens), None)
        vector: Vectors = self._checked(vectors)[0]
        return vector

    def _checked(self, vectors: Vectors) -> Vectors:
        if vectors.shape[1] != self.identity.dimension:
            raise EngineUnavailableError(
                f"{self._path} gave vectors of {vectors.shape[1]} dimensions after {self.identity.dimension} before"
            )
        return vectors

    def _call(self, method: str, argument: object, count: int | None) -> Vectors:
        """Return what a method of the embedding gives as unit vectors (count, d); None: one vector, not a list."""
        with self._lock:
            embedding = self._embedding
            try:
                found = getattr(embedding, method)(argument)
                vectors = np.array(found if count is not None else [found], dtype=np.float32)
            except Exception as error:  # whatever a foreign model or its server meets
                raise EngineUnavailableError(f"{self._path}: {self._told(error)}") from error
        if vectors.ndim != 2 or len(vectors) != (1 if count is None else count) or not vectors.shape[1]:
            raise EngineUnavailableError(f"{self._path} gave an array of shape {vectors.shape} for {count or 1} texts")
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        if not np.isfinite(norms).all() or not norms.all():
            raise EngineUnavailableError(f"{self._path} gave vectors that are zero or not finite")
        unit: Vectors = vectors / norms
        return unit

    def _told(self, error: Exception) -> str:
        """Return what a foreign error says, in one line and without the arguments: a server may repeat the key."""
        said = " ".join(f"{type(error).__name__}: {error}".split())
        for value in self._arguments.values():
            if isinstance(value, str) and len(value) >= _SHORTEST_SECRET:
                said = said.replace(value, "********")
        return said[:_LONGEST_MESSAGE]

    @cached_property
    def _embedding(self) -> _Embedding:
        module, _, name = self._path.rpartition(".")
        try:
            from llama_index.core.base.embeddings.base import BaseEmbedding

            kind = getattr(importlib.import_module(module), name) if module else None
        except (ImportError, AttributeError) as error:
            raise EngineUnavailableError(
                f"the embedding {self._path!r} cannot be imported ({error}); it needs "
                "`pip install 'qwen-kb[llama-index]'` and the package of the embedding"
            ) from error
        if not (isinstance(kind, type) and issubclass(kind, BaseEmbedding)):
            raise ConfigurationError(f"{self._path!r} is no LlamaIndex embedding")
        try:
            return cast("_Embedding", kind(**self._arguments))
        except Exception as error:  # whatever a foreign constructor meets
            # Without the message: pydantic repeats the arguments in it, a key among them.
            raise ConfigurationError(
                f"the embedding {self._path} cannot be made with the arguments {sorted(self._arguments)}: "
                f"{type(error).__name__}"
            ) from error

    @cached_property
    def _counter(self) -> TokenCounter:
        return Utf8Tokens() if self._tokenizer is None else tokenizer_tokens(self._tokenizer)
