"""Choosing what runs a bge model, and saying so on the log: torch on a GPU, otherwise what preparation found best."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from indexes.embedders.bge_directory import BgeDirectory
from indexes.embedders.bge_prepared import Prepared, graph_file, prepared_folder, read_prepared
from indexes.embedders.bge_runtime import Runtime, RuntimeSetting
from indexes.errors import ConfigurationError, DamagedError, EngineUnavailableError
from indexes.models.devices import has_gpu, require_device, state_fallback

if TYPE_CHECKING:
    from tokenizers import Tokenizer

logger = logging.getLogger(__name__)

# The setting that names the device, for messages.
DEVICE_SETTING = "embedding.device"


def check_setting(setting: RuntimeSetting, device: str | None) -> None:
    """Raise ConfigurationError where the runtime and the device contradict each other."""
    if setting == "onnx" and device not in (None, "cpu"):
        raise ConfigurationError(
            f"embedding.runtime is onnx, which runs on the processor, but embedding.device is {device}: use torch"
        )


def choose_runtime(
    setting: RuntimeSetting,
    directory: BgeDirectory,
    tokenizer: Tokenizer,
    models_folder: Path,
    *,
    device: str | None = None,
    batch_size: int = 32,
) -> Runtime:
    """Return the loaded model, and log once which path it takes and why.

    `auto` is torch where a GPU is at hand or named, and otherwise what preparing the model found best; where that
    cannot be done it is torch, with a warning. `onnx` is onnxruntime or EngineUnavailableError. Where the device was
    left to choose and there is no GPU, the log says so once; a device that is named but not here is an
    EngineUnavailableError.
    """
    require_device(device, DEVICE_SETTING)
    reason = _reason_for_torch(setting, device)
    if device is None and setting != "onnx" and not has_gpu():
        state_fallback()
    if reason:
        return _torch(directory, device, batch_size, reason)
    folder = prepared_folder(models_folder, directory)
    try:
        prepared = _prepared(directory, tokenizer, folder, again=setting == "onnx")
        if setting == "auto" and prepared.torch_is_faster:
            return _torch(directory, "cpu", batch_size, _why_torch(prepared))
        if prepared.runtime == "torch":
            raise EngineUnavailableError(f"embedding.runtime is onnx, but of this model there is {prepared.reason}")
        return _onnx(directory, folder, prepared)
    except OSError as error:
        if setting == "onnx":
            raise EngineUnavailableError(
                f"the model cannot be prepared for onnxruntime in {folder}: {error}"
            ) from error
        logger.warning("the model cannot be prepared for onnxruntime in %s: %s", folder, error)
    except EngineUnavailableError as error:
        if setting == "onnx":
            raise
        logger.warning("onnxruntime cannot run the model: %s", error)
    return _torch(directory, "cpu", batch_size, "onnxruntime could not be used")


def foresee_runtime(
    setting: RuntimeSetting, directory: BgeDirectory, models_folder: Path, *, device: str | None = None
) -> str:
    """Say in a line what `choose_runtime` would take and why; nothing is loaded or prepared for it.

    Raises EngineUnavailableError where the named device is not here.
    """
    require_device(device, DEVICE_SETTING)
    reason = _reason_for_torch(setting, device)
    if reason:
        return f"runs by torch: {reason}"
    try:
        prepared = read_prepared(prepared_folder(models_folder, directory))
    except (DamagedError, EngineUnavailableError) as error:
        return str(error)
    if prepared is None:
        return "not prepared for this processor yet: the first embedding does it"
    if setting == "auto" and prepared.torch_is_faster:
        return f"runs by torch: {_why_torch(prepared)}"
    return f"runs by {prepared.runtime}: {prepared.reason}"


def _reason_for_torch(setting: RuntimeSetting, device: str | None) -> str:
    """Return why it is torch before anything is prepared, or "" where preparation decides."""
    if setting == "torch":
        return "as configured"
    if setting == "auto" and device not in (None, "cpu"):
        return f"embedding.device is {device}"
    if setting == "auto" and device is None and has_gpu():
        return "there is a GPU"
    return ""


def _prepared(directory: BgeDirectory, tokenizer: Tokenizer, folder: Path, *, again: bool) -> Prepared:
    from indexes.embedders.bge_prepare import prepare_model

    return prepare_model(directory, tokenizer, folder, again=again)


def _onnx(directory: BgeDirectory, folder: Path, prepared: Prepared) -> Runtime:
    from indexes.embedders.bge_onnx import OnnxRuntime

    runtime = OnnxRuntime(prepared.runtime, graph_file(folder))
    logger.info("%s runs by %s: %s", directory.path.name, prepared.runtime, prepared.reason)
    return runtime


def _torch(directory: BgeDirectory, device: str | None, batch_size: int, reason: str) -> Runtime:
    from indexes.embedders.bge_torch import TorchRuntime

    runtime = TorchRuntime(directory, device, batch_size)
    logger.info("%s runs by torch on %s: %s", directory.path.name, runtime.device, reason)
    return runtime


def _why_torch(prepared: Prepared) -> str:
    if prepared.runtime == "torch":
        return prepared.reason
    gain = prepared.speeds["torch"] / prepared.speeds[prepared.runtime]
    return f"it is {gain:.1f} times as fast as {prepared.runtime}; {prepared.reason}"
