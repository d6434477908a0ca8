"""A model that is not whole yet: a hidden folder beside its place, kept when a download breaks off.

`.NAME.partial` holds whole files under their paths, and begun ones as `PATH.CHECKSUM.part`: since a part is named by
what the whole must be, one of another revision is never gone on with, and one that another hub began may be.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from indexes.errors import EngineUnavailableError
from indexes.models.hubs import RemoteFile

_BLOCK = 1 << 20


class PartialModel:
    """What is here of the model whose place is `target`."""

    def __init__(self, target: Path) -> None:
        self.target = target
        self.folder = target.with_name(f".{target.name}.partial")

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the model's lock, which the system frees when the holder dies.

        Raises EngineUnavailableError at once where another download of the model holds it, OSError where the folder
        cannot be written.
        """
        from filelock import FileLock, Timeout

        self.target.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.target.with_name(f".{self.target.name}.lock"), timeout=0)
        try:
            lock.acquire()
        except Timeout as error:
            raise EngineUnavailableError(
                f"another download of {self.target.name} to {self.target.parent} is running: wait for it"
            ) from error
        try:
            yield
        finally:
            lock.release()

    def whole(self, file: RemoteFile) -> Path:
        """Return where `file` lies once all of it is there."""
        return self.folder / file.path

    def part(self, file: RemoteFile) -> Path:
        """Return where the beginning of `file` lies."""
        checksum = f".{file.checksum.hexadecimal}" if file.checksum else ""
        return self.folder / f"{file.path}{checksum}.part"

    def begun(self, file: RemoteFile) -> int:
        """Return how many bytes of `file` are in its part; 0 where nothing vouches for them, or they are too many."""
        part = self.part(file)
        size = part.stat().st_size if part.is_file() else 0
        return size if file.checksum and size <= file.size else 0

    def holds(self, file: RemoteFile) -> bool:
        """Return whether all of `file` is there, to the last bit."""
        whole = self.whole(file)
        if file.checksum is None or not whole.is_file() or whole.stat().st_size != file.size:
            return False
        return matches(whole, file)

    def kept(self, files: Iterable[RemoteFile]) -> int:
        """Return how many bytes of `files` need not be fetched again, as far as sizes tell."""
        return sum(
            file.size
            if file.checksum and (whole := self.whole(file)).is_file() and whole.stat().st_size == file.size
            else self.begun(file)
            for file in files
        )

    def bytes(self) -> int:
        """Return the bytes of all that is there."""
        return sum(path.stat().st_size for path in self.folder.rglob("*") if path.is_file())

    def publish(self, files: Iterable[RemoteFile]) -> None:
        """Put the model in its place, with `files` and nothing else; what was there before goes."""
        wanted = {self.whole(file) for file in files}
        for path in sorted(self.folder.rglob("*"), reverse=True):
            if path.is_dir():
                if not any(path.iterdir()):
                    path.rmdir()
            elif path not in wanted:
                path.unlink()
        former = self.target.with_name(f".{self.target.name}.former")
        shutil.rmtree(former, ignore_errors=True)
        if self.target.exists():
            self.target.rename(former)
        self.folder.rename(self.target)
        _sync_folder(self.target.parent)
        # The new model stands; what cannot be removed of the former is tried again next time.
        shutil.rmtree(former, ignore_errors=True)


def matches(path: Path, file: RemoteFile) -> bool:
    """Return whether what lies at `path` is what the hub lists; by its size alone where that gives no checksum."""
    if file.checksum is None:
        return path.stat().st_size == file.size
    digest = file.checksum.digest(file.size)
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest() == file.checksum.hexadecimal


def _sync_folder(folder: Path) -> None:
    """Make the names in `folder` durable, where the system can."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
