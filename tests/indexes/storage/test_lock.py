"""There is one writer, and the system frees the lock of one that dies."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from indexes.errors import LockedError
from indexes.storage.lock import writer_lock
from tests.indexes.storage_samples import make_store

_HOLDER = """
import sys, time
from pathlib import Path
from indexes.storage.lock import writer_lock
with writer_lock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_second_writer_is_refused_at_once_and_let_in_after_the_first_died(tmp_path: Path) -> None:
    """A second writer is refused within a second, and let in once the first was killed without warning."""
    store = make_store(tmp_path / "kb")
    holder = subprocess.Popen([sys.executable, "-c", _HOLDER, str(store.path)], stdout=subprocess.PIPE)
    try:
        assert holder.stdout is not None and holder.stdout.readline() == b"held\n"
        for attempt in (store.writer, lambda: writer_lock(store.path)):
            begun = time.monotonic()
            with pytest.raises(LockedError, match="'kb'"), attempt():
                pass
            assert time.monotonic() - begun < 1.0
        with pytest.raises(LockedError):
            store.rollback(1)
        assert store.snapshot().version == 0, "readers do not wait"
    finally:
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    with store.writer() as writer:
        assert writer.publish() == 0
    if holder.stdout is not None:
        holder.stdout.close()


def test_the_lock_is_free_after_an_error(tmp_path: Path) -> None:
    """A writer that ends in an error leaves the lock to the next one, in the same process too."""
    store = make_store(tmp_path / "kb")
    with pytest.raises(ValueError, match="mine"), store.writer():
        raise ValueError("mine")
    with store.writer() as writer:
        assert writer.known() == {}
        with pytest.raises(LockedError), store.writer(timeout=0):
            pass
