"""The bytes that came in, kept by content hash, so that a page can be shown or read again."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from indexes.errors import DamagedError
from indexes.storage import files

ORIGINALS_NAME = "originals"
_HASH = re.compile(r"[0-9a-f]{64}")


def original_path(root: Path, content_hash: str) -> Path:
    """Return where the bytes with that SHA-256 lie."""
    return root / ORIGINALS_NAME / content_hash


def write_originals(root: Path, contents: Mapping[str, bytes]) -> None:
    """Keep each content durably under its hash, all of them with few waits. What is there already is left alone."""
    folder = root / ORIGINALS_NAME
    missing = {
        original_path(root, content_hash): content
        for content_hash, content in contents.items()
        if not _is_kept(original_path(root, content_hash), content)
    }
    if not missing:
        return
    if not folder.is_dir():
        files.make_folder(folder)
        files.sync_folder(root)
    hidden = {files.hidden_path(folder): path for path in missing}
    try:
        for temporary, path in hidden.items():
            files.write_file(temporary, missing[path])
        files.sync_files(list(hidden))
        for temporary, path in hidden.items():
            files.replace(temporary, path)
    except BaseException:
        for temporary in hidden:
            files.remove_file(temporary)
        raise
    files.sync_folder(folder)


def _is_kept(path: Path, content: bytes) -> bool:
    return path.is_file() and path.stat().st_size == len(content) and path.read_bytes() == content


def read_original(root: Path, content_hash: str) -> bytes:
    """Return the bytes kept under that hash. Raise DamagedError where they cannot be read."""
    try:
        return original_path(root, content_hash).read_bytes()
    except OSError as error:
        raise DamagedError(f"the original {content_hash[:12]}… cannot be read: {error.strerror}") from error


def remove_original(root: Path, content_hash: str) -> None:
    """Remove the bytes with that hash, if they are there."""
    files.remove_file(original_path(root, content_hash))


def list_originals(root: Path) -> list[Path]:
    """Return the path of everything in originals/, left-over temporary files included."""
    folder = root / ORIGINALS_NAME
    return sorted(folder.iterdir()) if folder.is_dir() else []


def is_original(path: Path) -> bool:
    """Tell whether a path under originals/ has the name of kept bytes."""
    return _HASH.fullmatch(path.name) is not None
