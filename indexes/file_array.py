"""One-dimensional arrays in files, read in parts as they are asked for: nothing of them stays mapped."""

from __future__ import annotations

import os
import weakref
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from indexes.errors import DamagedError


class FileArray:
    """`size` elements of `dtype` in the file at `path` from byte `begin` on. Safe to share between threads."""

    def __init__(self, path: Path, dtype: np.dtype[Any], begin: int, size: int) -> None:
        self.size = size
        self._dtype = dtype
        self._begin = begin
        self._path = path
        # Kept open, for gc may remove the name, and closed with this object.
        self._descriptor = os.open(path, os.O_RDONLY)
        weakref.finalize(self, os.close, self._descriptor)

    @classmethod
    def npy(cls, path: Path) -> FileArray:
        """Open a NumPy file. Raise OSError or ValueError where it is none."""
        mapped = np.load(path, mmap_mode="r", allow_pickle=False)
        return cls(path, mapped.dtype, int(mapped.offset), int(mapped.size))

    def parts(self, extents: Iterable[tuple[int, int]]) -> NDArray[Any]:
        """Return the elements of several extents [begin, end) behind each other.

        Raise DamagedError where the file has become shorter.
        """
        width, descriptor, offset = self._dtype.itemsize, self._descriptor, self._begin
        contents, wanted = [], 0
        for begin, end in extents:
            contents.append(os.pread(descriptor, (end - begin) * width, offset + begin * width))
            wanted += (end - begin) * width
        content = b"".join(contents)
        if len(content) != wanted:
            raise DamagedError(f"{self._path} is cut short: run `kb verify`")
        return np.frombuffer(content, dtype=self._dtype)
