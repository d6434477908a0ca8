"""Running a bge model with torch, through sentence-transformers: on a GPU, or where nothing faster is at hand."""

from __future__ import annotations

from typing import Any

import numpy as np

from indexes.embedders.bge_directory import BgeDirectory
from indexes.embedders.bge_runtime import RuntimeName, TokenIds, missing_extra, padded
from indexes.embedding import Vectors
from indexes.errors import EngineUnavailableError

# Texts in one forward pass on a processor without a GPU: small batches of like lengths waste least on padding.
_CPU_BATCH = 8


class TorchRuntime:
    """A sentence-transformers model."""

    name: RuntimeName = "torch"

    def __init__(self, directory: BgeDirectory, device: str | None = None, batch_size: int = 32) -> None:
        """Load the model onto `device` (None: sentence-transformers chooses); `batch_size` is for GPUs.

        Raises EngineUnavailableError where packages are missing or the weights cannot be loaded.
        """
        try:
            from safetensors import SafetensorError
            from sentence_transformers import SentenceTransformer
            from transformers.utils.logging import disable_progress_bar
        except ImportError as error:
            raise missing_extra() from error
        disable_progress_bar()
        try:
            self.module: Any = SentenceTransformer(
                str(directory.path),
                device=device,
                trust_remote_code=False,
                local_files_only=True,
                model_kwargs={"use_safetensors": True},
            ).eval()
        # torch asserts that it was compiled for the device.
        except (OSError, ValueError, RuntimeError, KeyError, AssertionError, SafetensorError) as error:
            raise EngineUnavailableError(f"the model in {directory.path} cannot be loaded: {error}") from error
        _require_weights(directory, self.module[0].auto_model)
        self._pad_token = directory.pad_token
        self.device = self.module.device
        self.batch_size = _CPU_BATCH if self.device.type == "cpu" else batch_size

    def encode(self, token_ids: TokenIds) -> Vectors:
        """Return the sentence vectors (len(token_ids), dimension) of one batch."""
        import torch

        ids, mask = (torch.from_numpy(array).to(self.device) for array in padded(token_ids, self._pad_token))
        with torch.inference_mode():
            states = self.module({"input_ids": ids, "attention_mask": mask})["sentence_embedding"]
        return np.asarray(states.float().cpu().numpy(), dtype=np.float32)


def _require_weights(directory: BgeDirectory, model: Any) -> None:
    """Raise EngineUnavailableError where the files lack weights of the model: transformers would make them up.

    The pooler is not asked for: a bge vector is the state of the first token itself.
    """
    from safetensors import safe_open

    held: set[str] = set()
    for file in directory.path.glob("*.safetensors"):
        with safe_open(file, framework="numpy") as weights:
            held.update(weights.keys())
    prefix = f"{model.base_model_prefix}."
    held = {name.removeprefix(prefix) for name in held}
    # How weights were called when BERT was new.
    held |= {name.replace(".gamma", ".weight").replace(".beta", ".bias") for name in held}
    lacking = [name for name, _ in model.named_parameters() if name not in held and not name.startswith("pooler.")]
    if lacking:
        raise EngineUnavailableError(
            f"the weights in {directory.path} are not those of its config.json: {len(lacking)} are missing, "
            f"{lacking[0]} among them"
        )
