"""bge embedding models: CLS pooling, unit vectors, a prefix for questions; run by torch or by onnxruntime."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from indexes.embedders.bge_choice import check_setting, choose_runtime, foresee_runtime
from indexes.embedders.bge_directory import BgeDirectory
from indexes.embedders.bge_runtime import Runtime, RuntimeName, RuntimeSetting, TokenIds, embed_tokens, missing_extra
from indexes.embedding import Vectors
from indexes.errors import EngineUnavailableError, UsageError
from indexes.models.files import resolve_model
from indexes.models.folders import default_models_folder
from indexes.records import EmbeddingIdentity

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from indexes.models.listening import DownloadListener


class BgeEmbedder:
    """Embeds with a bge model. Nothing is read before it is needed, and the weights not before the first embedding.

    Whatever runs the model, the identity is the same: the vectors of two paths differ by no more than preparation
    allows (`bge_prepare`). Safe to share between threads; forward passes run one at a time.
    """

    def __init__(
        self,
        model: str,
        revision: str = "",
        device: str | None = None,
        batch_size: int = 32,
        *,
        offline: bool = True,
        models_folder: Path | None = None,
        runtime: RuntimeSetting = "auto",
        on_download: DownloadListener | None = None,
    ) -> None:
        """`model` is a name on the hubs or a directory; `device` None chooses; `batch_size` texts a pass on a GPU.

        Only with `offline` False is a missing model downloaded; `on_download` is told of it, or else the log.

        `runtime` is described at `bge_choice.choose_runtime`; what it prepares is kept under `models_folder`. Raises
        ConfigurationError where it contradicts `device`.
        """
        check_setting(runtime, device)
        self._model_name = model
        self._revision = revision
        self._device = device
        self._batch_size = batch_size
        self._offline = offline
        self._models_folder = models_folder
        self._on_download = on_download
        self._lock = threading.Lock()
        self._setting = runtime
        self._loaded: Runtime | None = None

    @cached_property
    def identity(self) -> EmbeddingIdentity:
        """What the manifest records. The same for one model, wherever its directory lies."""
        directory = self._directory
        return EmbeddingIdentity(
            name="bge",
            model=self._name,
            revision=directory.revision,
            dimension=directory.dimension,
            pooling="cls",
            query_prefix=directory.query_prefix,
            max_tokens=directory.max_tokens,
        )

    @property
    def fusion_weight(self) -> float:
        """How much of the fused score dense search may have, in [0, 1]."""
        return 0.5

    @property
    def runtime(self) -> RuntimeName:
        """What runs the model; loads it, and prepares it where that was not done before."""
        return self._runtime().name

    @property
    def foreseen_runtime(self) -> str:
        """A line on what will run the model and why, without loading or preparing it."""
        models_folder = self._models_folder or default_models_folder()
        return foresee_runtime(self._setting, self._directory, models_folder, device=self._device)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Return the number of tokens of each text by the model's tokenizer, [CLS] and [SEP] included."""
        return [len(encoding.ids) for encoding in self._tokenizer.encode_batch(list(texts))]

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        """Return unit vectors of shape (len(texts), dimension). UsageError for a text over the model's length."""
        limit = self.identity.max_tokens
        token_ids = [encoding.ids for encoding in self._tokenizer.encode_batch(list(texts))]
        for number, ids in enumerate(token_ids):
            if len(ids) > limit:
                raise UsageError(f"text {number} has {len(ids)} tokens; {self._name} takes at most {limit}")
        if not token_ids:
            return np.empty((0, self.identity.dimension), dtype=np.float32)
        return self._embed(token_ids)

    def embed_query(self, text: str) -> Vectors:
        """Return the unit vector (dimension,) of a question behind the model's prefix; its end is cut if too long."""
        limit = self.identity.max_tokens
        ids = self._tokenizer.encode(self.identity.query_prefix + text).ids
        if len(ids) > limit:
            ids = [*ids[: limit - 1], ids[-1]]  # the last one is [SEP]
        vector: Vectors = self._embed([ids])[0]
        return vector

    @property
    def _name(self) -> str:
        # The last part alone, so that a directory and a name on a hub mean the same model.
        return Path(self._model_name.rstrip("/\\")).name

    @cached_property
    def _directory(self) -> BgeDirectory:
        path = resolve_model(
            self._model_name,
            "embedding",
            self._offline,
            revision=self._revision,
            models_folder=self._models_folder,
            on_download=self._on_download,
        )
        return BgeDirectory.read(path, self._name)

    @cached_property
    def _tokenizer(self) -> Tokenizer:
        try:
            from tokenizers import Tokenizer
        except ImportError as error:
            raise missing_extra() from error
        file = self._directory.path / "tokenizer.json"
        if not file.is_file():
            raise EngineUnavailableError(f"{file} is missing: the model is incomplete")
        tokenizer = Tokenizer.from_file(str(file))
        tokenizer.no_truncation()
        tokenizer.no_padding()
        return tokenizer

    def _embed(self, token_ids: TokenIds) -> Vectors:
        runtime = self._runtime()
        with self._lock:
            return embed_tokens(runtime, token_ids)

    def _runtime(self) -> Runtime:
        with self._lock:
            if self._loaded is None:
                self._loaded = choose_runtime(
                    self._setting,
                    self._directory,
                    self._tokenizer,
                    self._models_folder or default_models_folder(),
                    device=self._device,
                    batch_size=self._batch_size,
                )
            return self._loaded
