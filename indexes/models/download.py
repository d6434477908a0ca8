"""Downloading a model from ModelScope or Hugging Face: whole or not at all, never waiting long for a dead hub."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote

import httpx

from indexes.errors import EngineUnavailableError
from indexes.models.folders import model_folder

# Seconds to connect, and without a byte, before a hub counts as out of reach.
_TIMEOUT = httpx.Timeout(15.0, connect=5.0)
# What a model is made of here. Weights as safetensors only: other formats can run code when they are loaded.
_WANTED = (".json", ".safetensors", ".txt", ".model", ".jinja", ".tiktoken")

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file of a model on a hub: `size` in bytes, `sha256` in hexadecimal or "" where the hub does not say."""

    path: str
    size: int
    sha256: str
    url: str


def download_model(name: str, revision: str, models_folder: Path, on_progress: Progress | None = None) -> Path:
    """Download the model `name` into `models_folder` and return its directory.

    Asks ModelScope (MODELSCOPE_ENDPOINT) first, then Hugging Face (HF_ENDPOINT). Every file is checked against its
    size, and its hash where the hub gives one. Nothing appears under the model's name before all of it is there.
    `on_progress` is called with file, bytes done and bytes in all. Raises EngineUnavailableError.
    """
    failures = []
    with httpx.Client(timeout=_TIMEOUT, follow_redirects=True) as client:
        for hub, list_files in (("ModelScope", _modelscope_files), ("Hugging Face", _hugging_face_files)):
            try:
                files = [file for file in list_files(client, name, revision) if file.path.endswith(_WANTED)]
                if not any(file.path.endswith(".safetensors") for file in files):
                    failures.append(f"{hub} has no safetensors weights of it")
                    continue
                with _filled_at_once(model_folder(models_folder, name)) as folder:
                    for file in files:
                        _fetch(client, file, folder, on_progress)
            except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError, KeyError, TypeError) as error:
                failures.append(f"{hub}: {type(error).__name__} {error}".strip())
            else:
                return model_folder(models_folder, name)
    raise EngineUnavailableError(f"the model {name} could not be downloaded ({'; '.join(failures)})")


def _modelscope_files(client: httpx.Client, name: str, revision: str) -> list[RemoteFile]:
    base = os.environ.get("MODELSCOPE_ENDPOINT", "https://modelscope.cn").rstrip("/")
    chosen = revision or "master"
    answer = _json(client, f"{base}/api/v1/models/{name}/repo/files", {"Revision": chosen, "Recursive": "true"})
    return [
        RemoteFile(
            path=entry["Path"],
            size=int(entry["Size"]),
            sha256=entry.get("Sha256") or "",
            url=f"{base}/models/{name}/resolve/{quote(chosen)}/{quote(entry['Path'])}",
        )
        for entry in answer["Data"]["Files"]
        if entry.get("Type") == "blob"
    ]


def _hugging_face_files(client: httpx.Client, name: str, revision: str) -> list[RemoteFile]:
    base = os.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")
    chosen = revision or "main"
    entries = _json(client, f"{base}/api/models/{name}/tree/{quote(chosen, safe='')}", {"recursive": "true"})
    return [
        RemoteFile(
            path=entry["path"],
            size=int(entry["size"]),
            sha256=(entry.get("lfs") or {}).get("oid", ""),
            url=f"{base}/{name}/resolve/{quote(chosen, safe='')}/{quote(entry['path'])}",
        )
        for entry in entries
        if entry["type"] == "file"
    ]


def _json(client: httpx.Client, url: str, parameters: dict[str, str]) -> Any:
    response = client.get(url, params=parameters)
    response.raise_for_status()
    return response.json()


def _fetch(client: httpx.Client, file: RemoteFile, folder: Path, on_progress: Progress | None) -> None:
    parts = PurePosixPath(file.path).parts
    if not parts or PurePosixPath(file.path).is_absolute() or ".." in parts:
        raise ValueError(f"the hub lists a file outside of the model: {file.path!r}")
    target = folder.joinpath(*parts)
    target.parent.mkdir(parents=True, exist_ok=True)
    digest, done = hashlib.sha256(), 0
    with client.stream("GET", file.url) as response, target.open("wb") as output:
        response.raise_for_status()
        for block in response.iter_bytes(1 << 20):
            done += len(block)
            if done > file.size:
                break
            digest.update(block)
            output.write(block)
            if on_progress is not None:
                on_progress(file.path, done, file.size)
    if done != file.size:
        raise ValueError(f"{file.path} has another size than the hub lists")
    if file.sha256 and digest.hexdigest() != file.sha256:
        raise ValueError(f"{file.path} does not match its checksum")


@contextmanager
def _filled_at_once(target: Path) -> Iterator[Path]:
    """Give a new folder that takes the place of `target` when the block ends well, and is removed when it does not."""
    target.parent.mkdir(parents=True, exist_ok=True)
    filling = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        yield filling
        if target.exists():
            shutil.rmtree(target)
        filling.rename(target)
    finally:
        shutil.rmtree(filling, ignore_errors=True)
