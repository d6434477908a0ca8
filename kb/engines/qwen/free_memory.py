"""How much memory is free: of a GPU, or of this machine within the limits that its container sets."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from indexes.errors import EngineUnavailableError

if TYPE_CHECKING:
    import torch

_MEMINFO = Path("/proc/meminfo")
_CGROUP = Path("/sys/fs/cgroup")


def free_memory(device: torch.device) -> int:
    """Return the free bytes of `device`; on a CPU, what programs can take without pushing others out."""
    if device.type == "cuda":
        import torch

        return int(torch.cuda.mem_get_info(device)[0])
    return min(_machine_memory(), _container_memory())


def _machine_memory() -> int:
    if sys.platform == "linux" and _MEMINFO.is_file():
        for line in _MEMINFO.read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    try:
        import psutil
    except ImportError as error:
        raise EngineUnavailableError("the engine 'qwen' needs psutil here: pip install 'qwen-kb[local]'") from error
    return int(psutil.virtual_memory().available)


def _container_memory() -> int:
    """Return what is left under the memory limit of this process's control group (version 2); unlimited: a lot."""
    try:
        limit = (_CGROUP / "memory.max").read_text(encoding="ascii").strip()
        used = int((_CGROUP / "memory.current").read_text(encoding="ascii"))
        statistics = (_CGROUP / "memory.stat").read_text(encoding="ascii")
    except (OSError, ValueError):
        return sys.maxsize
    if limit == "max":
        return sys.maxsize
    # Pages of files that were read long ago are given up before anything fails.
    reclaimable = sum(int(line.split()[1]) for line in statistics.splitlines() if line.startswith("inactive_file "))
    return max(0, int(limit) - used + reclaimable)
