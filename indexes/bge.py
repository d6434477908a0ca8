"""bge embedding models through sentence-transformers: CLS pooling, unit vectors, a prefix for questions."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from indexes.bge_directory import BgeDirectory
from indexes.embedding import Vectors
from indexes.errors import EngineUnavailableError, UsageError
from indexes.model_files import resolve_model
from indexes.records import EmbeddingIdentity

if TYPE_CHECKING:
    from tokenizers import Tokenizer

# Texts in one forward pass on a processor without a GPU: small batches of like lengths waste least on padding.
_CPU_BATCH = 8


class BgeEmbedder:
    """Embeds with a bge model. Nothing is read before it is needed, and the weights not before the first embedding.

    Safe to share between threads; forward passes run one at a time.
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
    ) -> None:
        """`model` is a name on the hubs or a directory; `device` None chooses; `batch_size` texts a pass on a GPU."""
        self._model_name = model
        self._revision = revision
        self._device = device
        self._batch_size = batch_size
        self._offline = offline
        self._models_folder = models_folder
        self._lock = threading.Lock()
        self._loaded: Any = None

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

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Return the number of tokens of each text by the model's tokenizer, [CLS] and [SEP] included."""
        return [len(encoding.ids) for encoding in self._tokenizer.encode_batch(list(texts))]

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        """Return unit vectors of shape (len(texts), dimension). UsageError for a text over the model's length."""
        limit = self.identity.max_tokens
        counts = self.count_tokens(texts)
        for number, count in enumerate(counts):
            if count > limit:
                raise UsageError(f"text {number} has {count} tokens; {self._name} takes at most {limit}")
        order = sorted(range(len(texts)), key=counts.__getitem__)
        vectors = np.empty((len(texts), self.identity.dimension), dtype=np.float32)
        model = self._model()
        batch = _CPU_BATCH if model.device.type == "cpu" else self._batch_size
        for begin in range(0, len(order), batch):
            chosen = order[begin : begin + batch]
            vectors[chosen] = self._encode([texts[number] for number in chosen])
        return vectors

    def embed_query(self, text: str) -> Vectors:
        """Return the unit vector (dimension,) of a question behind the model's prefix; its end is cut if too long."""
        limit = self.identity.max_tokens
        full = self.identity.query_prefix + text
        encoding = self._tokenizer.encode(full)
        if len(encoding.ids) > limit:
            # The last token kept before [SEP] ends here.
            full = full[: encoding.offsets[limit - 2][1]]
        vector: Vectors = self._encode([full])[0]
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
        )
        return BgeDirectory.read(path, self._name)

    @cached_property
    def _tokenizer(self) -> Tokenizer:
        try:
            from tokenizers import Tokenizer
        except ImportError as error:
            raise _missing_extra() from error
        file = self._directory.path / "tokenizer.json"
        if not file.is_file():
            raise EngineUnavailableError(f"{file} is missing: the model is incomplete")
        tokenizer = Tokenizer.from_file(str(file))
        tokenizer.no_truncation()
        tokenizer.no_padding()
        return tokenizer

    def _encode(self, texts: list[str]) -> Vectors:
        model = self._model()
        with self._lock:
            vectors = model.encode(texts, batch_size=len(texts), convert_to_numpy=True, show_progress_bar=False)
        vectors = np.asarray(vectors, dtype=np.float32)
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        if not np.isfinite(norms).all() or not norms.all():
            raise EngineUnavailableError(f"{self._name} gives vectors that are not finite: its weights are damaged")
        unit: Vectors = vectors / norms
        return unit

    def _model(self) -> Any:
        with self._lock:
            if self._loaded is None:
                self._loaded = self._load()
            return self._loaded

    def _load(self) -> Any:
        try:
            from safetensors import SafetensorError
            from sentence_transformers import SentenceTransformer
        except ImportError as error:
            raise _missing_extra() from error
        directory = self._directory
        try:
            model = SentenceTransformer(
                str(directory.path),
                device=self._device,
                trust_remote_code=False,
                local_files_only=True,
                model_kwargs={"use_safetensors": True},
            )
        except (OSError, ValueError, RuntimeError, KeyError, SafetensorError) as error:
            raise EngineUnavailableError(f"the model in {directory.path} cannot be loaded: {error}") from error
        model.max_seq_length = directory.max_tokens
        return model


def _missing_extra() -> EngineUnavailableError:
    return EngineUnavailableError("bge needs more packages: pip install 'qwen-kb[local]'")
