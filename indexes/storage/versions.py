"""The commit protocol of versions, and reading them back.

A folder becomes visible whole: it is filled under a hidden name, its files and then the folder are flushed, it gets
its name, and the folder above is flushed. CURRENT is replaced by a flushed file. A reader therefore finds either the
old version or the new one, never half of one, whenever the writer dies.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from indexes.errors import DamagedError
from indexes.storage import files
from indexes.storage.manifest import MANIFEST_NAME, TOMBSTONES_NAME, FileEntry, Manifest, manifest_bytes, parse_manifest

VERSIONS_NAME = "versions"
SEGMENTS_NAME = "segments"
CURRENT_NAME = "CURRENT"

_CURRENT = re.compile(rb"[1-9][0-9]{0,17}\n")


def make_folders(root: Path) -> None:
    """Make the folders of a knowledge base where they are missing."""
    missing = [root / name for name in (VERSIONS_NAME, SEGMENTS_NAME) if not (root / name).is_dir()]
    for folder in missing:
        files.make_folder(folder)
    if missing:
        files.sync_folder(root)


def commit_folder(parent: Path, fill: Callable[[Path], str], keep: Callable[[Path], bool]) -> Path:
    """Let `fill` write into a hidden folder and return its name; make it durable and show it as `parent / name`.

    A folder of that name stays where `keep` says so (what was filled is dropped); otherwise it is put away. On an
    error nothing is shown, and the hidden folder is removed.
    """
    hidden = files.hidden_path(parent)
    files.make_folder(hidden)
    try:
        target = parent / fill(hidden)
        if target.exists():
            if keep(target):
                files.remove_folder(hidden)
                return target
            files.remove_folder(target)
        inside = sorted(hidden.rglob("*"))
        files.sync_files([path for path in inside if path.is_file()])
        for folder in (path for path in inside if path.is_dir()):
            files.sync_folder(folder)
        files.sync_folder(hidden)
        files.rename(hidden, target)
    except BaseException:
        if hidden.exists():
            files.remove_folder(hidden)
        raise
    files.sync_folder(parent)
    return target


def describe_files(folder: Path) -> dict[str, FileEntry]:
    """Return size and hash of every file under `folder`, by its path from there with forward slashes."""
    return {
        path.relative_to(folder).as_posix(): FileEntry(path.stat().st_size, files.sha256_of(path))
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def spell_tombstones(tombstones: Sequence[NDArray[np.int64]]) -> bytes:
    """Return the content of the tombstone file: positions of the rows not shown, segment after segment."""
    buffer = io.BytesIO()
    joined = np.concatenate([np.empty(0, np.int64), *tombstones]).astype("<u4")
    np.save(buffer, joined, allow_pickle=False)
    return buffer.getvalue()


def write_version(root: Path, manifest: Manifest, contents: Mapping[str, bytes]) -> None:
    """Make the folder of a version: the files in `contents`, which the manifest describes, and the manifest last.

    A folder of that number that was never committed (its writer died) is put away first.
    """

    def fill(folder: Path) -> str:
        for name, content in contents.items():
            files.write_file(folder / name, content)
        files.write_file(folder / MANIFEST_NAME, manifest_bytes(manifest))
        return str(manifest.version)

    commit_folder(root / VERSIONS_NAME, fill, keep=lambda _: False)


def read_manifest(root: Path, version: int) -> Manifest:
    """Return the manifest of a version. Raise DamagedError where it is missing or not as it was written."""
    path = root / VERSIONS_NAME / str(version) / MANIFEST_NAME
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DamagedError(f"the manifest of version {version} cannot be read: {error.strerror}") from error
    return parse_manifest(content, version)


def read_tombstones(root: Path, manifest: Manifest) -> list[NDArray[np.int64]]:
    """Return the positions of the rows not shown, one array a segment. Raise DamagedError on any mismatch."""
    entry = manifest.files.get(TOMBSTONES_NAME)
    if entry is None:
        joined = np.empty(0, np.int64)
    else:
        path = root / VERSIONS_NAME / str(manifest.version) / TOMBSTONES_NAME
        check_file(path, entry, hashed=True)
        joined = np.load(path, allow_pickle=False).astype(np.int64)
    sizes = [segment.tombstones for segment in manifest.segments]
    if joined.size != sum(sizes):
        raise DamagedError(f"version {manifest.version} has {joined.size} tombstones where {sum(sizes)} are listed")
    return np.split(joined, np.cumsum(sizes)[:-1]) if sizes else []


def check_file(path: Path, entry: FileEntry, *, hashed: bool) -> None:
    """Raise DamagedError where a file is missing, has another size, or (if `hashed`) another hash."""
    where = f"{path.parent.parent.name}/{path.parent.name}/{path.name}"
    try:
        size = path.stat().st_size
        if size != entry.bytes:
            raise DamagedError(f"{where} has {size} bytes instead of {entry.bytes}")
        if hashed and files.sha256_of(path) != entry.sha256:
            raise DamagedError(f"{where} does not match its hash")
    except OSError as error:
        raise DamagedError(f"{where} cannot be read: {error.strerror}") from error


def list_versions(root: Path) -> list[int]:
    """Return the numbers of the version folders on the disk, ascending, committed or not."""
    folder = root / VERSIONS_NAME
    if not folder.is_dir():
        return []
    return sorted(int(path.name) for path in folder.iterdir() if path.name.isascii() and path.name.isdigit())


def read_current(root: Path) -> int:
    """Return the number in CURRENT, 0 where nothing was published. Raise DamagedError where it is no number."""
    try:
        content = (root / CURRENT_NAME).read_bytes()
    except FileNotFoundError:
        return 0
    except OSError as error:
        raise DamagedError(f"{CURRENT_NAME} cannot be read: {error.strerror}") from error
    if not _CURRENT.fullmatch(content):
        raise DamagedError(f"{CURRENT_NAME} holds no version number; run `kb verify --repair`")
    return int(content)


def write_current(root: Path, version: int) -> None:
    """Make `version` the one that readers open next: flushed first, then replaced at once."""
    temporary = root / (CURRENT_NAME + ".tmp")
    files.write_file(temporary, b"%d\n" % version)
    files.sync_file(temporary)
    files.replace(temporary, root / CURRENT_NAME)
    files.sync_folder(root)
