"""A folder that cannot be written is a wrong setting; a full disk is not."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from indexes.errors import ConfigurationError, KBError, unwritable
from indexes.storage.lock import LOCK_NAME, writer_lock
from indexes.store import Store


def test_a_home_that_is_no_folder_is_a_wrong_setting(tmp_path: Path) -> None:
    """Making a knowledge base below a file says which path is wrong and what sets it."""
    (tmp_path / "file").write_text("x")
    with pytest.raises(ConfigurationError, match="cannot be written: Not a directory; KB_HOME"):
        Store.open(tmp_path / "file" / "default", create=True)


def test_a_lock_that_cannot_be_opened_is_a_wrong_setting(tmp_path: Path) -> None:
    """Where the lock's file cannot be opened for writing, no writer waits for it."""
    (tmp_path / LOCK_NAME).mkdir()
    with pytest.raises(ConfigurationError, match="cannot be written"), writer_lock(tmp_path):
        pytest.fail("the lock was held")


def test_a_full_disk_is_no_wrong_setting(tmp_path: Path) -> None:
    """Without room the configuration stays right: the error is the plain one."""
    error = unwritable(tmp_path, OSError(errno.ENOSPC, "No space left on device"))
    assert type(error) is KBError
    assert str(error) == f"{tmp_path}: No space left on device"
