"""The reading processes of a pool: started when needed, used again, recycled, and all ended at once."""

from __future__ import annotations

import threading

from indexes.errors import DocumentError
from ingest.loaders.dispatch import MAX_CHARACTERS
from ingest.processes.worker_process import WorkerProcess

_RECYCLE_AFTER = 200  # documents; bounds what leaks in parsers can pile up


class ProcessStock:
    """Lends processes, each to one thread at a time. `memory_bytes` is what one document may take."""

    def __init__(self, memory_bytes: int) -> None:
        self.closed = False
        self._memory_bytes = memory_bytes
        self._lock = threading.Lock()
        self._idle: list[WorkerProcess] = []
        self._busy: set[WorkerProcess] = set()

    def borrow(self, *, fresh: bool = False) -> WorkerProcess:
        """Return a living process: an idle one if there is one, unless it must be `fresh`. Raise DocumentError."""
        with self._lock:
            if self.closed:
                raise DocumentError("interrupted", "reading was stopped")
            while self._idle and not fresh:
                process = self._idle.pop()
                if process.is_alive:
                    self._busy.add(process)
                    return process
                process.close()
            process = WorkerProcess(self._memory_bytes, 4 * MAX_CHARACTERS)
            self._busy.add(process)
            return process

    def give_back(self, process: WorkerProcess) -> None:
        """Take back a process, which is kept if it can take more documents."""
        with self._lock:
            self._busy.discard(process)
            keep = not self.closed and process.is_alive and process.documents < _RECYCLE_AFTER
            if keep:
                self._idle.append(process)
        if not keep:
            process.close()

    def kill_busy(self) -> None:
        """End the processes that are lent; who waits for them gets an error."""
        with self._lock:
            busy = list(self._busy)
        for process in busy:
            process.kill()

    def close(self) -> None:
        """End all processes, and lend none any more. May be called twice, and from any thread."""
        with self._lock:
            self.closed = True
            idle, self._idle = self._idle, []
        self.kill_busy()
        for process in idle:
            process.close()
