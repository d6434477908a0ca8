"""Loading a model and its tokenizer from a directory onto a device. Needs the `local` extra."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, GenerationConfig
from transformers.utils.logging import disable_progress_bar

from indexes.errors import EngineUnavailableError
from kb.engines.qwen.chat_template import first_line
from kb.engines.qwen.model_folder import ModelFolder
from kb.engines.qwen.placing import Placing
from kb.engines.qwen.quantised import quantisation

_LOG = logging.getLogger(__name__)
# Weights of a layer; what else a directory may hold beside, such as heads for guessing ahead, is not needed.
_OF_A_LAYER: Final = re.compile(r"(?:^|\.)layers\.\d+\..*\.(?:weight|bias)")


def load_tokenizer(path: Path) -> Any:
    """Return the tokenizer in `path`."""
    try:
        return AutoTokenizer.from_pretrained(path, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # damaged files end in errors of many libraries
        raise EngineUnavailableError(f"the tokenizer in {path} cannot be loaded: {first_line(error)}") from error


def load_model(folder: ModelFolder, placing: Placing, tokenizer: Any) -> Any:
    """Load the weights; raise EngineUnavailableError where they do not fit, cannot be read or are another model's."""
    begin = time.perf_counter()
    _LOG.info("%s: %s", folder.path.name, placing.plan.line())
    placing.require_memory(folder)
    disable_progress_bar()
    device = placing.device
    try:
        model, report = AutoModelForCausalLM.from_pretrained(
            folder.path,
            config=_config(folder, placing.yarn_factor),
            dtype=placing.dtype,
            device_map=placing.device_map,
            attn_implementation=placing.attention,
            use_safetensors=True,
            local_files_only=True,
            trust_remote_code=False,
            ignore_mismatched_sizes=True,
            output_loading_info=True,
        )
    except torch.OutOfMemoryError as error:
        raise EngineUnavailableError(f"{folder.path} does not fit into the memory of {device}") from error
    except Exception as error:  # damaged files and missing kernels end in errors of many libraries
        raise EngineUnavailableError(f"the model in {folder.path} cannot be loaded: {first_line(error)}") from error
    _require_match(folder, report)
    if placing.adapter is not None:
        model = placing.adapter.merged_into(model)
    ends = _end_tokens(model.generation_config, tokenizer)
    # Sampling values that the model ships would leak into every request and warn in greedy ones.
    model.generation_config = GenerationConfig(
        eos_token_id=ends, pad_token_id=_pad_token(tokenizer, ends), bos_token_id=None
    )
    seconds = time.perf_counter() - begin
    name = folder.path.name + (f" with the adapter {placing.adapter.name}" if placing.adapter else "")
    _LOG.info("loaded %s on %s as %s in %.1f s", name, device, model.dtype, seconds)
    return model.eval()


def _require_match(folder: ModelFolder, report: Mapping[str, Any]) -> None:
    """Raise where the weights are not those that config.json describes: the rest would be left to chance, or left out.

    transformers itself leaves tied weights out of its report. Quantised weights have other names; of those only
    weights that are missing under a plain name count.
    """
    quantised = quantisation(folder) is not None
    missing = sorted(name for name in report["missing_keys"] if not quantised or name.endswith(".weight"))
    surplus = [] if quantised else sorted(name for name in report["unexpected_keys"] if _OF_A_LAYER.search(name))
    misshapen = sorted(entry[0] for entry in report["mismatched_keys"])
    for names, what in ((missing, "is missing"), (misshapen, "is of another size"), (surplus, "has no place in it")):
        if names:
            raise EngineUnavailableError(
                f"the weights in {folder.path} are not those of its config.json (model_type "
                f"{folder.config.get('model_type')!r}): {names[0]} {what}, as of {len(names)} in all; copy the whole "
                "model directory again"
            )


def _config(folder: ModelFolder, yarn_factor: float | None) -> Any:
    """Return the model's configuration, with YaRN where it is asked for; its parameters are Qwen's own."""
    config = AutoConfig.from_pretrained(folder.path, local_files_only=True, trust_remote_code=False)
    if yarn_factor is not None:
        config.rope_parameters = {
            **config.rope_parameters,
            "rope_type": "yarn",
            "factor": yarn_factor,
            "original_max_position_embeddings": folder.window,
        }
    return config


def _end_tokens(config: Any, tokenizer: Any) -> list[int]:
    """Return the ids that end an answer: the model's, the tokenizer's, and ChatML's where the vocabulary has it."""
    configured = config.eos_token_id
    ends = list(configured) if isinstance(configured, list) else [configured]
    ends += [tokenizer.eos_token_id, tokenizer.get_vocab().get("<|im_end|>")]
    return sorted({int(token) for token in ends if token is not None})


def _pad_token(tokenizer: Any, ends: list[int]) -> int:
    if tokenizer.pad_token_id is not None:
        return int(tokenizer.pad_token_id)
    return ends[0] if ends else 0
