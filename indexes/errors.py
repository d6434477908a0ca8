"""The one error tree. Each class carries the exit code of the command line and the status and code of HTTP."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import ClassVar


class KBError(Exception):
    """Base of every error that a user can meet. The message is one line and names what to do next."""

    exit_code: ClassVar[int] = 1
    http_status: ClassVar[int] = 500
    code: ClassVar[str] = "internal"


class UsageError(KBError):
    """A wrong argument, flag or request."""

    exit_code = 2
    http_status = 422
    code = "invalid_request"


class ConfigurationError(KBError):
    """A wrong or contradictory setting."""

    exit_code = 2
    http_status = 500
    code = "configuration"


class EmbeddingMismatchError(ConfigurationError):
    """The index was made by another embedder than the one configured."""

    http_status = 409
    code = "embedding_mismatch"


class NotFoundError(KBError):
    """No such knowledge base, version or document."""

    exit_code = 4
    http_status = 404
    code = "not_found"


class LockedError(KBError):
    """Another writer holds the knowledge base."""

    exit_code = 5
    http_status = 409
    code = "locked"


class EngineUnavailableError(KBError):
    """The engine or model cannot be loaded or reached."""

    exit_code = 6
    http_status = 503
    code = "engine_unavailable"


class DamagedError(KBError):
    """Stored data does not match its checksums or counts."""

    exit_code = 7
    http_status = 500
    code = "damaged"


class DocumentError(KBError):
    """One document could not be read; the others are unaffected. `reason` is a short stable word.

    Reasons: `encrypted`, `damaged`, `empty`, `too_large`, `timeout`, `memory`, `crashed`, `unsupported`,
    `undecodable`, `unreadable`, `vanished`, `changed`, `forbidden_address`, `fetch_failed`, `not_a_file`,
    `forbidden_link`, `duplicate_name`, `knowledge_base`, `interrupted`.
    """

    exit_code = 3
    http_status = 422
    code = "document"

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


def unwritable(path: Path, error: OSError) -> KBError:
    """Return the error of a folder that cannot be written: a wrong setting, unless the disk is only full."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return KBError(f"{path}: {error.strerror}")
    return ConfigurationError(f"{path} cannot be written: {error.strerror}; KB_HOME names the folder that is used")
