"""What preparing a model left in the cache: a graph, and the record of how it was chosen. Whole or not there."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from indexes.embedders.bge_directory import BgeDirectory
from indexes.embedders.bge_runtime import RuntimeName, missing_extra
from indexes.errors import DamagedError

# Counts up when graphs are written or chosen in another way: older ones are made anew.
_FORMAT = 1
_RECORD, _GRAPH = "record.json", "model.onnx"


@dataclass(frozen=True, slots=True)
class Prepared:
    """How a model runs best on this processor.

    `runtime` is the ONNX path that was accepted, or "torch" where there is none; `reason` says why in a few words.
    `cosines` holds, for each path tried, the least cosine to torch's vectors over the fixed texts; `speeds` the tokens
    embedded in a second. `sha256` is that of the graph, "" where there is none.
    """

    runtime: RuntimeName
    reason: str
    cosines: Mapping[str, float]
    speeds: Mapping[str, float]
    sha256: str
    onnxruntime: str
    format: int = _FORMAT

    @property
    def torch_is_faster(self) -> bool:
        """Whether torch embeds so much faster that it is worth the seconds that importing it takes."""
        return self.runtime == "torch" or self.speeds["torch"] > 1.2 * self.speeds[self.runtime]


def prepared_folder(models_folder: Path, directory: BgeDirectory) -> Path:
    """Return where the preparation of these weights for this processor lies.

    The processor belongs to the key, because it decides what 8-bit arithmetic gains, and on some how exact it is.
    """
    return models_folder / ".prepared" / f"{directory.revision}-{_processor()}"


def graph_file(folder: Path) -> Path:
    """Return the graph of a preparation."""
    return folder / _GRAPH


def read_prepared(folder: Path) -> Prepared | None:
    """Return the record in `folder`, or None where there is none of this version of onnxruntime and of ours.

    Raises DamagedError where the record or the graph is not what was written.
    """
    try:
        content: dict[str, Any] = json.loads((folder / _RECORD).read_bytes())
        checksum = content.pop("checksum")
        prepared = Prepared(**content)
    except FileNotFoundError:
        if folder.exists():
            raise DamagedError(f"{folder} has no {_RECORD}") from None
        return None
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise DamagedError(f"{folder / _RECORD} cannot be read") from error
    if checksum != _checksum(content):
        raise DamagedError(f"{folder / _RECORD} does not match its checksum")
    if prepared.format != _FORMAT or prepared.onnxruntime != onnxruntime_version():
        return None
    if prepared.sha256 and (not graph_file(folder).is_file() or file_hash(graph_file(folder)) != prepared.sha256):
        raise DamagedError(f"{graph_file(folder)} does not match its checksum")
    return prepared


def write_prepared(folder: Path, fill: Callable[[Path], Prepared]) -> Prepared:
    """Put what `fill` makes in an empty folder in the place of `folder`, all at once, and return its record.

    `fill` leaves the graph under `graph_file` where its record names one; other files are removed.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    filling = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        prepared = fill(filling)
        content = asdict(prepared)
        with (filling / _RECORD).open("w", encoding="utf-8") as stream:
            json.dump({**content, "checksum": _checksum(content)}, stream, indent=1)
        for file in list(filling.iterdir()):
            if file.name not in (_RECORD, _GRAPH):
                file.unlink()
            else:
                _sync(file)
        _sync(filling)
        if folder.exists():
            # Aside first: a reader finds the old folder whole, none, or the new one whole.
            folder.rename(filling.with_name(filling.name + "-old"))
        filling.rename(folder)
        _sync(folder.parent)
    finally:
        for left in (filling, filling.with_name(filling.name + "-old")):
            shutil.rmtree(left, ignore_errors=True)
    return prepared


def file_hash(file: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def onnxruntime_version() -> str:
    """Return the version in use; EngineUnavailableError where onnxruntime is not installed."""
    try:
        import onnxruntime
    except ImportError as error:
        raise missing_extra() from error
    return str(onnxruntime.__version__)


def _checksum(content: Mapping[str, object]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _sync(path: Path) -> None:
    """Write a file or a folder through to the disk; folders only where the system opens them."""
    if path.is_dir() and os.name == "nt":
        return
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@cache
def _processor() -> str:
    """Return 8 hexadecimal digits that stand for the kind of processor and what it can do."""
    described = [platform.machine(), platform.processor()]
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        seen: dict[str, str] = {}
        for line in cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines():
            key, _, value = line.partition(":")
            seen.setdefault(key.strip(), value.strip())
        described += [seen.get(key, "") for key in ("model name", "CPU part", "flags", "Features")]
    return hashlib.sha256("\n".join(described).encode()).hexdigest()[:8]
