"""The lock of the one writer: held through the operating system, which frees it when the holder dies."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from indexes.errors import LockedError, unwritable

LOCK_NAME = "LOCK"


@contextmanager
def writer_lock(folder: Path, timeout: float = 0.5) -> Iterator[None]:
    """Hold the lock of the knowledge base in `folder`.

    Raise LockedError where another writer still holds it after `timeout` seconds, ConfigurationError where the folder
    is read-only.
    """
    from filelock import FileLock, Timeout  # costs 50 ms, and readers never lock

    lock = FileLock(folder / LOCK_NAME, timeout=timeout, poll_interval=0.05)
    try:
        lock.acquire()
    except Timeout as error:
        raise LockedError(
            f"another writer holds the knowledge base '{folder.name}'; wait until it ends and try again"
        ) from error
    except OSError as error:
        raise unwritable(folder, error) from error
    try:
        yield
    finally:
        lock.release()
