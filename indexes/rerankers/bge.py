"""bge rerankers: a cross-encoder (XLM-RoBERTa or BERT) with one output, run by torch."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from indexes.embedders.bge_runtime import missing_extra
from indexes.errors import EngineUnavailableError
from indexes.models.devices import require_device, state_fallback
from indexes.models.files import resolve_model
from indexes.rerankers.base import Scores
from indexes.rerankers.directory import RerankerDirectory

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from indexes.models.listening import DownloadListener

# Pairs in one forward pass: small batches of like lengths waste least on padding; a GPU wants larger ones.
_CPU_BATCH, _GPU_BATCH = 8, 64
# Of the model's length at most this share is the question's; the rest is for the passage.
_QUESTION_SHARE = 0.5
# Neighbouring windows of a long passage share this part of a window.
_OVERLAP = 0.25


@dataclass(frozen=True, slots=True)
class _Pair:
    """A question with one window of the passage `owner`, as the model reads it."""

    owner: int
    ids: list[int]
    types: list[int]


class BgeReranker:
    """Scores passages with a bge reranker. Nothing is read before it is needed, and the weights not before a score.

    A score is the sigmoid of the model's output: in [0, 1], higher is better. A passage that does not fit beside the
    question is read in overlapping windows, of which the best counts, so that no part of it is passed over. Of a
    question longer than half of what the model reads the end is left out, as embedders do. Safe to share between
    threads; forward passes run one at a time.
    """

    def __init__(
        self,
        model: str,
        *,
        device: str | None = None,
        offline: bool = True,
        models_folder: Path | None = None,
        on_download: DownloadListener | None = None,
    ) -> None:
        """`model` is a name on the hubs or a directory; `device` None takes a GPU where there is one.

        Only with `offline` False is a missing model downloaded; `on_download` is told of it, or else the log.
        """
        self._model_name = model
        self._device = device
        self._offline = offline
        self._models_folder = models_folder
        self._on_download = on_download
        self._lock = threading.Lock()

    @property
    def identity(self) -> str:
        """Name and fingerprint: the same for one model, wherever its directory lies."""
        return f"{self.directory.path.name}@{self.directory.revision}"

    def require_device(self) -> None:
        """Raise EngineUnavailableError where the named device is not here; the weights are not read for it."""
        # There is no setting of its own: it runs where the embedder does.
        require_device(self._device, "embedding.device")

    @cached_property
    def directory(self) -> RerankerDirectory:
        """What the model's directory says of it. EngineUnavailableError where it is not here or no reranker."""
        path = resolve_model(
            self._model_name, "reranker", self._offline, self._models_folder, on_download=self._on_download
        )
        return RerankerDirectory.read(path)

    def scores(self, question: str, passages: Sequence[str]) -> Scores:
        """Return how well each passage answers the question (n,), in [0, 1], higher is better."""
        pairs = self._pairs(question, passages)
        pairs.sort(key=lambda pair: len(pair.ids))
        best = np.full(len(passages), -np.inf)
        with self._lock:
            module, size = self._module, self._batch_size
            for begin in range(0, len(pairs), size):
                batch = pairs[begin : begin + size]
                np.maximum.at(best, [pair.owner for pair in batch], self._outputs(module, batch))
        if np.isnan(best).any():
            raise EngineUnavailableError("the reranker gives scores that are no numbers: its weights are damaged")
        scores: Scores = 1.0 / (1.0 + np.exp(-best.clip(-60.0, 60.0)))
        return scores

    def _pairs(self, question: str, passages: Sequence[str]) -> list[_Pair]:
        """Return the question with each window of each passage, at most as long as the model reads."""
        tokenizer, limit = self._tokenizer, self.directory.max_tokens
        asked = tokenizer.encode(question, add_special_tokens=False)
        asked.truncate(int(_QUESTION_SHARE * limit))
        room = limit - len(asked.ids) - tokenizer.num_special_tokens_to_add(is_pair=True)
        pairs = []
        for owner, encoding in enumerate(tokenizer.encode_batch(list(passages), add_special_tokens=False)):
            encoding.truncate(room, stride=int(_OVERLAP * room))
            for window in (encoding, *encoding.overflowing):
                pair = tokenizer.post_process(asked, window)
                pairs.append(_Pair(owner, pair.ids, pair.type_ids))
        return pairs

    def _outputs(self, module: Any, batch: Sequence[_Pair]) -> Scores:
        import torch

        shape = (len(batch), max(len(pair.ids) for pair in batch))
        ids = np.full(shape, self.directory.pad_token, dtype=np.int64)
        mask, types = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.int64)
        for row, pair in enumerate(batch):
            ids[row, : len(pair.ids)], types[row, : len(pair.ids)] = pair.ids, pair.types
            mask[row, : len(pair.ids)] = 1
        inputs = {"input_ids": ids, "attention_mask": mask}
        if self.directory.has_types:
            inputs["token_type_ids"] = types
        with torch.inference_mode():
            given = {name: torch.from_numpy(array).to(module.device) for name, array in inputs.items()}
            return np.asarray(module(**given).logits[:, 0].double().cpu().numpy())

    @cached_property
    def _tokenizer(self) -> Tokenizer:
        try:
            from tokenizers import Tokenizer
        except ImportError as error:
            raise missing_extra() from error
        tokenizer = Tokenizer.from_file(str(self.directory.path / "tokenizer.json"))
        tokenizer.no_truncation()
        tokenizer.no_padding()
        return tokenizer

    @property
    def _batch_size(self) -> int:
        return _CPU_BATCH if self._module.device.type == "cpu" else _GPU_BATCH

    @cached_property
    def _module(self) -> Any:
        """The loaded model. EngineUnavailableError where packages or weights are missing: none is made up."""
        try:
            import torch
            from safetensors import SafetensorError
            from transformers import AutoModelForSequenceClassification
            from transformers.utils.logging import disable_progress_bar
        except ImportError as error:
            raise missing_extra() from error
        disable_progress_bar()
        path = self.directory.path
        self.require_device()
        device = self._device or ("cuda" if torch.cuda.is_available() else "cpu")
        if self._device is None and device == "cpu":
            state_fallback()
        try:
            module, info = AutoModelForSequenceClassification.from_pretrained(
                str(path),
                local_files_only=True,
                trust_remote_code=False,
                use_safetensors=True,
                dtype=torch.float32,
                output_loading_info=True,
            )
            module = module.to(device).eval()
        # torch asserts that it was compiled for the device.
        except (OSError, ValueError, RuntimeError, KeyError, AssertionError, SafetensorError) as error:
            raise EngineUnavailableError(f"the reranker in {path} cannot be loaded: {error}") from error
        missing = sorted(info["missing_keys"])
        if missing:
            # transformers would fill them with random numbers and only warn.
            raise EngineUnavailableError(f"{path} is no reranker: its weights lack {', '.join(missing[:3])}")
        return module
