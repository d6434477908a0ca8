"""One reading process, seen from the parent: started, asked under a deadline, and killed when it does not answer."""

from __future__ import annotations

import os
import resource
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from indexes.errors import DocumentError, KBError
from ingest.processes.framing import LENGTHS, MAX_HEADER_BYTES, addresses_of, frame, header_of, loaded_of
from ingest.records import Loaded, PageLinks

_START_SECONDS = 60.0
_WATCH_SECONDS = 0.1
_BLOCK = 1 << 18
_ROOT = Path(__file__).resolve().parent.parent.parent
# The child needs none of the parent's secrets: only what finds libraries, fonts and temporary files.
_KEPT_VARIABLES = (
    "PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "PYTHONPATH", "VIRTUAL_ENV",
    "SYSTEMROOT",
)  # fmt: skip
_FIXED_VARIABLES = {"MALLOC_ARENA_MAX": "2", "OMP_NUM_THREADS": "1", "PYTHONUTF8": "1"}
_TIME_SIGNALS = (signal.SIGXCPU, signal.SIGALRM)
# The system kills what takes too much, and C and C++ libraries abort where they are given no more.
_MEMORY_SIGNALS = (signal.SIGKILL, signal.SIGABRT)
# Of the memory allowed: a process that died holding so much died of it. A buffer that grows by doubling holds a
# third of the memory when the next doubling fails.
_NEAR_THE_LIMIT = 0.3


class WorkerProcess:
    """A reading process that takes one document at a time. Not safe for use by several threads, except `kill`.

    `program` is the module whose `run` serves. The process gets of the `environment` what it needs, or all of one that
    is given. `watch` is called ten times a second while an answer is awaited, and may raise to give it up.
    """

    def __init__(
        self,
        memory_bytes: int,
        max_answer_bytes: int,
        *,
        program: str = "ingest.processes.worker_main",
        environment: Mapping[str, str] | None = None,
        watch: Callable[[], None] | None = None,
    ) -> None:
        self.documents = 0
        self._memory_bytes = memory_bytes
        self._max_answer_bytes = max_answer_bytes
        self._complaints: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed by close()
        self._killed = False
        # A child's peak counts what its parent held when it was started: less than that tells nothing about the child.
        self._inherited_bytes = _peak_bytes(resource.getrusage(resource.RUSAGE_SELF))
        self._watch = watch
        code = f"import sys; sys.path.append({str(_ROOT)!r}); from {program} import run; run({int(memory_bytes)})"
        if environment is None:
            environment = {key: os.environ[key] for key in _KEPT_VARIABLES if key in os.environ}
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", code],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._complaints,
            bufsize=0,
            env={**environment, **_FIXED_VARIABLES},
            process_group=0,  # Ctrl-C is for the parent, which ends its children in order
        )
        assert self._process.stdin is not None and self._process.stdout is not None
        self._stdin, self._stdout = self._process.stdin, self._process.stdout
        for stream in (self._stdin, self._stdout):
            os.set_blocking(stream.fileno(), False)
        self._ready = False

    @property
    def is_alive(self) -> bool:
        """Whether the process can take a document."""
        return not self._killed and self._process.poll() is None

    def load(self, request: Mapping[str, object], data: bytes, seconds: float) -> Loaded:
        """Let the process read one document.

        Raise DocumentError: the reading process's own reason, or `timeout`, `memory`, `crashed` or `too_large`
        where it had to be killed or died. Raise KBError where the process cannot even start.
        """
        return loaded_of(*self.ask({**request, "task": "document"}, data, seconds))

    def addresses(self, request: Mapping[str, object], data: bytes, seconds: float) -> PageLinks:
        """Let the process find the addresses in a page or sitemap, as `request["task"]` says. Raise as `load`."""
        return addresses_of(*self.ask(request, data, seconds))

    def ask(self, request: Mapping[str, object], data: bytes, seconds: float) -> tuple[dict[str, Any], bytes]:
        """Return the answer to a request as it came. Raise as `load` where none came."""
        if not self._ready:
            self._begin()
        self.documents += 1
        try:
            return self._exchange(frame({**request, "seconds": seconds}, data), seconds)
        except DocumentError:
            self.kill()
            self._reap()
            raise

    def kill(self) -> None:
        """End the process at once; the thread that waits for its answer gets an error. May be called twice."""
        self._killed = True
        if self._process.returncode is None:
            with suppress(ProcessLookupError, PermissionError):  # it has just ended
                os.killpg(self._process.pid, signal.SIGKILL)  # with what it may have started itself

    def close(self) -> None:
        """End the process and free what it held."""
        self.kill()
        self._reap()
        self._stdin.close()
        self._stdout.close()
        self._complaints.close()

    def _begin(self) -> None:
        """Wait until the process has started."""
        try:
            header, _ = self._exchange([], _START_SECONDS)
        except DocumentError as error:
            self.kill()
            self._reap()
            if error.reason == "interrupted":
                raise
            raise KBError(f"a reading process cannot be started: {self._last_complaint() or error.detail}") from error
        self._ready = header.get("ready") is True

    def _exchange(self, pieces: list[bytes], seconds: float) -> tuple[dict[str, Any], bytes]:
        """Write one frame and read one, both at once, within `seconds`."""
        deadline = time.monotonic() + seconds
        unsent = [memoryview(piece) for piece in pieces if piece]
        received = bytearray()
        with selectors.DefaultSelector() as selector:
            selector.register(self._stdout, selectors.EVENT_READ)
            if unsent:
                selector.register(self._stdin, selectors.EVENT_WRITE)
            while (total := self._expected(received)) is None or len(received) < total:
                remaining = deadline - time.monotonic()
                if remaining <= 0:
                    raise DocumentError(
                        "timeout", f"reading it took longer than {seconds:.0f} seconds (ingest.seconds)"
                    )
                if self._watch is not None:
                    self._watch()
                    remaining = min(remaining, _WATCH_SECONDS)
                for key, _ in selector.select(remaining):
                    if key.fileobj is self._stdout:
                        self._receive(received)
                    elif not self._send(unsent):
                        selector.unregister(self._stdin)
        header_bytes, _ = LENGTHS.unpack_from(received)
        start = LENGTHS.size
        try:
            header = header_of(bytes(received[start : start + header_bytes]))
        except ValueError as error:
            raise DocumentError("crashed", "the reading process answered nonsense") from error
        return header, bytes(memoryview(received)[start + header_bytes :])

    def _expected(self, received: bytearray) -> int | None:
        """Return the length of the frame that is coming in, or None where it is not known yet."""
        if len(received) < LENGTHS.size:
            return None
        header_bytes, body_bytes = LENGTHS.unpack_from(received)
        if header_bytes > MAX_HEADER_BYTES or body_bytes > self._max_answer_bytes:
            raise DocumentError("too_large", f"more than {self._max_answer_bytes} bytes of text came out of it")
        return LENGTHS.size + int(header_bytes) + int(body_bytes)

    def _receive(self, received: bytearray) -> None:
        block = self._stdout.read(_BLOCK)
        if block is None:  # nothing there after all
            return
        if not block:
            raise self._death()
        received += block

    def _send(self, unsent: list[memoryview]) -> bool:
        """Write as much as the pipe takes; False when all is written."""
        try:
            written = self._stdin.write(unsent[0][:_BLOCK])
        except BlockingIOError:
            return True
        except BrokenPipeError:
            return False  # the end of the other pipe tells why
        unsent[0] = unsent[0][written or 0 :]
        if not unsent[0]:
            unsent.pop(0)
        return bool(unsent)

    def _death(self) -> DocumentError:
        """Return why the process is gone."""
        if self._killed:
            return DocumentError("interrupted", "reading was stopped")
        resident = self._reap()
        code = self._process.returncode
        if -code in _TIME_SIGNALS:
            return DocumentError("timeout", "reading it took more processor time than allowed")
        near = max(_NEAR_THE_LIMIT * self._memory_bytes, self._inherited_bytes)
        if resident > near or -code in _MEMORY_SIGNALS:
            return DocumentError("memory", "reading it takes more memory than allowed")
        why = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        return DocumentError("crashed", f"the reading process died of it ({why})")

    def _reap(self) -> int:
        """Wait for the dead process and return the bytes of memory that it had at most."""
        if self._process.returncode is not None:
            return 0
        try:
            _, status, usage = os.wait4(self._process.pid, 0)
        except ChildProcessError:
            self._process.returncode = -signal.SIGKILL
            return 0
        self._process.returncode = os.waitstatus_to_exitcode(status)
        return _peak_bytes(usage)

    def _last_complaint(self) -> str:
        """Return the last line that the process wrote on its standard error."""
        self._complaints.seek(0)
        lines = self._complaints.read(1 << 16).decode("utf-8", "replace").strip().splitlines()
        return lines[-1][:300] if lines else ""


def _peak_bytes(usage: resource.struct_rusage) -> int:
    return usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
