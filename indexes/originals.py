"""The bytes that came in, kept by content hash, so that a page can be shown or read again."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from indexes import files

ORIGINALS_NAME = "originals"
_HASH = re.compile(r"[0-9a-f]{64}")


def original_path(root: Path, content_hash: str) -> Path:
    """Return where the bytes with that SHA-256 lie; two digits of it make a folder, so that none grows too large."""
    return root / ORIGINALS_NAME / content_hash[:2] / content_hash


def write_original(root: Path, content_hash: str, content: bytes) -> None:
    """Keep `content` durably under its hash. What is there with the same size is kept."""
    path = original_path(root, content_hash)
    if path.is_file() and path.stat().st_size == len(content):
        return
    for folder in (root / ORIGINALS_NAME, path.parent):
        if not folder.is_dir():
            files.make_folder(folder)
            files.sync_folder(folder.parent)
    temporary = files.hidden_path(path.parent)
    try:
        files.write_file(temporary, content)
        files.replace(temporary, path)
    except BaseException:
        files.remove_file(temporary)
        raise
    files.sync_folder(path.parent)


def remove_original(root: Path, content_hash: str) -> None:
    """Remove the bytes with that hash, if they are there."""
    files.remove_file(original_path(root, content_hash))


def list_originals(root: Path) -> Iterator[Path]:
    """Yield the path of everything under originals/, left-over temporary files included."""
    folder = root / ORIGINALS_NAME
    if folder.is_dir():
        for inner in sorted(folder.iterdir()):
            if inner.is_dir():
                yield from sorted(inner.iterdir())


def is_original(path: Path) -> bool:
    """Tell whether a path under originals/ has the name of kept bytes."""
    return _HASH.fullmatch(path.name) is not None
