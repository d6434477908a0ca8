"""What ModelScope and Hugging Face say of a model: its files, their sizes and checksums, and where they are."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

if TYPE_CHECKING:
    import httpx

# What a model is made of here. Weights as safetensors only: other formats can run code when they are loaded.
_WANTED = (".json", ".safetensors", ".txt", ".model", ".jinja", ".tiktoken")


@dataclass(frozen=True, slots=True)
class Checksum:
    """What the bytes of a file must give: `kind` "sha256", or "git" for the SHA-1 that git names a file by."""

    kind: str
    hexadecimal: str

    def digest(self, size: int) -> hashlib._Hash:
        """Return the digest to feed with the `size` bytes of the file."""
        if self.kind == "sha256":
            return hashlib.sha256()
        return hashlib.sha1(f"blob {size}\0".encode(), usedforsecurity=False)


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file of a model on a hub: `size` in bytes, `checksum` None where the hub gives none."""

    path: str
    size: int
    checksum: Checksum | None
    url: str

    def __post_init__(self) -> None:
        """Refuse a path that leads out of the model, and a size below 0; raises ValueError."""
        path = PurePosixPath(self.path)
        if not path.parts or path.is_absolute() or ".." in path.parts or "\0" in self.path or self.size < 0:
            raise ValueError(f"the hub lists a file outside of the model: {self.path!r}")


@dataclass(frozen=True, slots=True)
class Hub:
    """A hub: the variable that gives its address, the usual address and revision, and what lists a model's files."""

    name: str
    variable: str
    usual_address: str
    usual_revision: str
    list_files: Callable[[httpx.Client, str, str, str], list[RemoteFile]]

    @property
    def address(self) -> str:
        """Where it is asked."""
        return os.environ.get(self.variable, self.usual_address).rstrip("/")

    def files(self, client: httpx.Client, model: str, revision: str) -> list[RemoteFile]:
        """Return the files of `model` that are wanted, weights in safetensors among them.

        Raises httpx.HTTPError, or ValueError, KeyError and TypeError where the hub answers something else or has no
        such weights.
        """
        listed = self.list_files(client, self.address, model, revision or self.usual_revision)
        files = [file for file in listed if file.path.endswith(_WANTED)]
        if not any(file.path.endswith(".safetensors") for file in files):
            raise ValueError("has no safetensors weights of it")
        return files


def _modelscope_files(client: httpx.Client, address: str, model: str, revision: str) -> list[RemoteFile]:
    url = f"{address}/api/v1/models/{model}/repo/files"
    answer = _json(client, url, {"Revision": revision, "Recursive": "true"})
    return [
        RemoteFile(
            path=entry["Path"],
            size=int(entry["Size"]),
            checksum=_checksum("sha256", entry.get("Sha256")),
            url=f"{address}/models/{model}/resolve/{quote(revision)}/{quote(entry['Path'])}",
        )
        for entry in answer["Data"]["Files"]
        if entry.get("Type") == "blob"
    ]


def _hugging_face_files(client: httpx.Client, address: str, model: str, revision: str) -> list[RemoteFile]:
    quoted = quote(revision, safe="")
    entries = _json(client, f"{address}/api/models/{model}/tree/{quoted}", {"recursive": "true"})
    return [
        RemoteFile(
            path=entry["path"],
            size=int(entry["size"]),
            # A large file's own `oid` is that of the pointer that stands for it in git.
            checksum=_checksum("sha256", entry["lfs"].get("oid"))
            if entry.get("lfs")
            else _checksum("git", entry.get("oid")),
            url=f"{address}/{model}/resolve/{quoted}/{quote(entry['path'])}",
        )
        for entry in entries
        if entry["type"] == "file"
    ]


def _checksum(kind: str, hexadecimal: str | None) -> Checksum | None:
    """Return a checksum that may also be part of a file's name; None where the hub's is no such number."""
    length = 64 if kind == "sha256" else 40
    text = (hexadecimal or "").lower()
    return Checksum(kind, text) if len(text) == length and set(text) <= set("0123456789abcdef") else None


def _json(client: httpx.Client, url: str, parameters: dict[str, str]) -> Any:
    response = client.get(url, params=parameters)
    response.raise_for_status()
    return response.json()


# In the order of asking.
HUBS: Final = (
    Hub("ModelScope", "MODELSCOPE_ENDPOINT", "https://modelscope.cn", "master", _modelscope_files),
    Hub("Hugging Face", "HF_ENDPOINT", "https://huggingface.co", "main", _hugging_face_files),
)
