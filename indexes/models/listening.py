"""Who is told of a download: where it comes from, how large it is, and how far it is."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Download:
    """A download that begins: `size` and `kept`, what is here of it from an earlier one, in bytes."""

    model: str
    revision: str
    hub: str
    address: str
    folder: Path
    size: int
    kept: int

    def line(self) -> str:
        """Return a line for people."""
        model = f"{self.model} at {self.revision}" if self.revision else self.model
        what = f"downloading {model} ({readable(self.size)})"
        if self.kept:
            what = f"resuming the download of {model} at {readable(self.kept)} of {readable(self.size)}"
        return f"{what} from {self.hub} ({self.address}) to {self.folder}"


class DownloadProgress(Protocol):
    """What one download tells; called by one thread at a time."""

    def advances(self, file: str, done: int, total: int) -> None:
        """Tell that of `file`, `total` bytes long, `done` bytes are here."""
        ...

    def ends(self) -> None:
        """Tell that nothing more comes from this hub, since all of it is here or it broke off."""
        ...


# Called where a hub has the model and its files are fetched from there; several downloads may run side by side.
DownloadListener = Callable[[Download], DownloadProgress]


class Unshown:
    """Keeps quiet on the way; a failure is an error of its own."""

    def advances(self, file: str, done: int, total: int) -> None:
        """Say nothing."""

    def ends(self) -> None:
        """Say nothing."""


def log_download(download: Download) -> DownloadProgress:
    """Put a line on the log where a download starts: it is never silent, also where nobody listens."""
    # A warning, since gigabytes are fetched; `models.offline` forbids it.
    logger.warning("%s", download.line())
    return Unshown()


def readable(size: int) -> str:
    """Return a number of bytes as hubs show it: 1.3 GB is 1.3 thousand million bytes."""
    value = float(size)
    for unit in ("B", "kB", "MB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.2f} GB"
