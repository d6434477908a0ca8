"""The devices that models run on: which there are, which are asked for in vain, and the fallback to the processor."""

from __future__ import annotations

import logging
import sys
from functools import cache
from pathlib import Path

from indexes.errors import ConfigurationError, EngineUnavailableError

logger = logging.getLogger(__name__)

# On Linux no GPU works without one of these: NVIDIA, WSL, AMD, Intel and others.
_GPU_FILES = ("/dev/nvidiactl", "/dev/dxg", "/dev/kfd", "/dev/dri", "/dev/davinci_manager")
# Kinds of devices that torch can be asked for the number of; it has others, of which loading a model tells.
_COUNTED = ("cuda", "mps", "xpu")


def has_gpu() -> bool:
    """Return whether torch sees a GPU; torch takes seconds to import and is not asked where there can be none."""
    if sys.platform == "linux" and not any(Path(file).exists() for file in _GPU_FILES):
        return False
    try:
        import torch
    except ImportError:
        return False
    return bool(torch.accelerator.is_available())


def require_device(device: str | None, setting: str) -> None:
    """Raise unless the device that `setting` asks for is here; None and "cpu" always are, and import nothing.

    Raises ConfigurationError for what is no device, EngineUnavailableError for one that this machine, or its torch,
    lacks; the message says what to set.
    """
    if device in (None, "cpu"):
        return
    try:
        import torch
    except ImportError as error:
        raise EngineUnavailableError(
            f"{setting} is {device!r}, which needs torch: pip install 'qwen-kb[local]'"
        ) from error
    try:
        asked = torch.device(device)
    except RuntimeError as error:
        raise ConfigurationError(f"{setting} {device!r} is no device: use auto, cpu, cuda or cuda:N") from error
    if asked.type not in _COUNTED:
        return
    count = torch.get_device_module(asked.type).device_count()
    if not count:
        raise EngineUnavailableError(
            f"{setting} is {device!r}, but torch {torch.__version__} sees no {asked.type.upper()} device here:"
            f' set {setting} to "auto" or "cpu"'
        )
    if (asked.index or 0) >= count:
        raise EngineUnavailableError(
            f"{setting} is {device!r}, but the last {asked.type.upper()} device here is {asked.type}:{count - 1}"
        )


@cache
def state_fallback() -> None:
    """Say on the log, once in a process, that what was left to choose its device runs on the processor."""
    logger.warning("no CUDA device: running on the CPU")
