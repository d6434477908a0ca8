"""Every write, flush, rename and removal of the commit protocol, in one place, so that tests can fail each of them.

Callers use these as `files.rename(...)`, never by an imported name: a test replaces the attribute of this module.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import uuid
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

READ_BYTES = 1 << 20
SYNC_THREADS = 16
HIDDEN = ".tmp-"


def hidden_path(parent: Path) -> Path:
    """Return a new hidden path in `parent` on which no reader acts, and which gc removes if it is left behind."""
    return parent / f"{HIDDEN}{uuid.uuid4().hex}"


def make_folder(path: Path) -> None:
    """Make the folder `path` in a folder that exists; one that is there already is left alone."""
    path.mkdir(exist_ok=True)


def write_file(path: Path, content: bytes) -> None:
    """Write `content`; it is durable after `sync_file`."""
    with path.open("wb") as file:
        file.write(content)


def sync_file(path: Path) -> None:
    """Flush a written file to the disk."""
    descriptor = os.open(path, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_files(paths: Sequence[Path]) -> None:
    """Flush several files together: the system then waits for the disk once or twice, not once a file."""
    if len(paths) < 2:
        for path in paths:
            sync_file(path)
        return
    with ThreadPoolExecutor(min(len(paths), SYNC_THREADS)) as threads:
        list(threads.map(sync_file, paths))


def sync_folder(path: Path) -> None:
    """Flush the names in a folder to the disk, where the system can (Windows cannot open a folder, nor needs to)."""
    if os.name == "nt":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def rename(source: Path, target: Path) -> None:
    """Give a finished hidden file or folder its name; `target` does not exist."""
    source.rename(target)


def replace(source: Path, target: Path) -> None:
    """Put a finished file in the place of `target`, at once for every reader."""
    source.replace(target)


def remove_folder(path: Path) -> None:
    """Remove a folder so that no reader ever sees half of it: hidden first, then emptied."""
    doomed = path
    if not path.name.startswith(HIDDEN):
        doomed = hidden_path(path.parent)
        path.rename(doomed)
    shutil.rmtree(doomed)


def remove_file(path: Path) -> None:
    """Remove a file; one that is gone already is no error."""
    path.unlink(missing_ok=True)


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(READ_BYTES):
            digest.update(block)
    return digest.hexdigest()
