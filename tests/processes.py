"""The processes that a process has started, for tests that watch them start and end."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


def children_of(process: int | None = None) -> set[int]:
    """Return the ids of the running children of a process (this one), ended ones aside; skip without /proc.

    Found by the parent that each process names: what the kernel lists under `task/*/children` may miss some while
    others come and go.
    """
    if not Path("/proc/self/stat").exists():
        pytest.skip("needs /proc")
    parent = os.getpid() if process is None else process
    return {int(path.name) for path in Path("/proc").glob("[0-9]*") if _parent_and_state(path)[0] == parent}


def is_running(process: int) -> bool:
    """Return whether a process is there and has not ended."""
    return _parent_and_state(Path(f"/proc/{process}"))[1] not in ("", "Z")


def _parent_and_state(folder: Path) -> tuple[int, str]:
    try:
        state, parent = (folder / "stat").read_text(errors="replace").rpartition(")")[2].split()[:2]
    except (FileNotFoundError, ProcessLookupError):
        return 0, ""
    return (0, state) if state == "Z" else (int(parent), state)
