"""What the engine's benchmark found, part by part: kept as it goes, so that a later failure loses nothing."""

from __future__ import annotations

import json
import os
import platform
import time
from pathlib import Path
from typing import Any, Final

import torch
import transformers

RESULTS: Final = Path(__file__).parent / "results" / "engine.json"


class Results:
    """The parts found so far; with a `file` they are there too, beside parts of earlier runs that this one left out."""

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._found: dict[str, Any] = {}

    def keep(self, part: str, found: dict[str, Any]) -> None:
        """Keep a part, or what there is of it by now, with what its figures depend on."""
        self._found[part] = {"environment": environment(), **found}
        if self._file is not None:
            before = json.loads(self._file.read_text(encoding="utf-8")) if self._file.is_file() else {}
            self._file.write_text(_text({**before, **self._found}), encoding="utf-8")

    def text(self) -> str:
        """Return the parts of this run as JSON."""
        return _text(self._found)


def environment() -> dict[str, Any]:
    """Return what figures depend on."""
    return {
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "load_1m": round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None,
        "date": time.strftime("%Y-%m-%d"),
    }


def _text(parts: dict[str, Any]) -> str:
    return json.dumps(parts, ensure_ascii=False, indent=1) + "\n"
