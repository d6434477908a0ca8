"""Reading a file whole: only a regular file, only so much, and only if it held still meanwhile."""

from __future__ import annotations

import errno
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from indexes.errors import DocumentError

MAX_FILE_BYTES = 256 * 1024 * 1024
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class ReadFile:
    """The bytes of a file with its time of change in nanoseconds."""

    data: bytes
    mtime_ns: int


def read_file(path: Path, max_bytes: int = MAX_FILE_BYTES) -> ReadFile:
    """Read a regular file that does not change meanwhile; one second try is given.

    Raise DocumentError: `vanished`, `unreadable`, `not_a_file`, `too_large` or `changed`.
    """
    for _ in range(2):
        result = _read_once(path, max_bytes)
        if result is not None:
            return result
    raise DocumentError("changed", "the file changed while it was read, twice; it is tried again at the next run")


def _read_once(path: Path, max_bytes: int) -> ReadFile | None:
    """Return the file, or None where it changed while it was read."""
    try:
        # Without O_NONBLOCK, opening a FIFO that took the file's place would wait for a writer for ever.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        raise document_error(error) from error
    try:
        before = os.fstat(descriptor)
        if not stat.S_ISREG(before.st_mode):
            raise DocumentError("not_a_file", f"{kind_of(before.st_mode)}, not a regular file")
        if before.st_size > max_bytes:
            raise DocumentError("too_large", f"{before.st_size} bytes; the limit is {max_bytes}")
        data = _read_bounded(descriptor, before.st_size, max_bytes)
        after = os.fstat(descriptor)
        now = path.lstat()
    except OSError as error:
        raise document_error(error) from error
    finally:
        os.close(descriptor)
    if _state(before) == _state(after) == _state(now) and (len(data) == before.st_size or before.st_size == 0):
        return ReadFile(data, before.st_mtime_ns)
    return None


def _read_bounded(descriptor: int, size: int, max_bytes: int) -> bytes:
    """Read to the end; a file that grows without end is given up at the limit."""
    blocks: list[bytes] = []
    total = 0
    while block := os.read(descriptor, max(_BLOCK, size - total + 1)):
        blocks.append(block)
        total += len(block)
        if total > max_bytes:
            raise DocumentError("too_large", f"more than {max_bytes} bytes, the limit")
    return b"".join(blocks)


def _state(status: os.stat_result) -> tuple[int, int, int, int]:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def kind_of(mode: int) -> str:
    """Return what a file of this mode is, in words."""
    kinds = (
        (stat.S_ISDIR, "a folder"),
        (stat.S_ISFIFO, "a named pipe"),
        (stat.S_ISSOCK, "a socket"),
        (stat.S_ISCHR, "a character device"),
        (stat.S_ISBLK, "a block device"),
        (stat.S_ISLNK, "a symbolic link"),
    )
    return next((words for test, words in kinds if test(mode)), "a file of unknown kind")


def document_error(error: OSError) -> DocumentError:
    """Return the typed error for a failed file operation."""
    if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ESTALE):
        return DocumentError("vanished", "the file was there when the folder was listed and is gone now")
    if error.errno == errno.ELOOP:
        return DocumentError("not_a_file", "a symbolic link took the file's place")
    if error.errno in (errno.ENXIO, errno.ENODEV):
        return DocumentError("not_a_file", "a device or socket, not a regular file")
    return DocumentError("unreadable", error.strerror or type(error).__name__)
