"""The reading process: takes documents one by one from its parent, and dies rather than exceed its limits."""

from __future__ import annotations

import logging
import math
import os
import queue
import resource
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from indexes.errors import DocumentError
from ingest.processes.framing import LENGTHS, answer_of, frame, header_of

_MAX_FILE_BYTES = 16 * 1024 * 1024  # nothing of ours writes files; libraries may want a small one
_USUAL_BASELINE = 256 * 1024 * 1024  # address space at the start, where the system does not tell
_GRACE_SECONDS = 5.0


def run(memory_bytes: int) -> None:
    """Serve the parent on the standard streams until it closes them. `memory_bytes` is what documents may take."""
    limit(memory_bytes, _MAX_FILE_BYTES)
    serve(_done)


def serve(done: Callable[[dict[str, Any], bytes], list[bytes]]) -> None:
    """Answer each request of the parent with what `done` makes of it, or why it makes nothing of it."""
    requests, answers = _private_streams()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides when to stop
    signal.signal(signal.SIGXCPU, signal.SIG_DFL)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)  # ends the process, even inside of a library
    logging.disable(logging.CRITICAL)  # libraries warn about each oddity of each file
    waiting: queue.Queue[tuple[dict[str, Any], bytes]] = queue.Queue(1)
    threading.Thread(target=_receive, args=(requests, waiting), daemon=True).start()
    _send(answers, frame({"ready": True}))
    while True:
        header, data = waiting.get()
        reply = _answer(done, header, data)
        del data
        _send(answers, reply)


def _private_streams() -> tuple[BinaryIO, BinaryIO]:
    """Move the pipes of the parent away from the standard streams, where libraries might read or print."""
    requests = os.fdopen(os.dup(0), "rb", buffering=1 << 20)
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)
    os.close(nothing)
    return requests, answers


def limit(memory_bytes: int, file_bytes: int) -> None:
    """Bound memory beyond what is in use, the files that are written, and core dumps, for good."""
    _lower(resource.RLIMIT_AS, _address_space() + memory_bytes)
    _lower(resource.RLIMIT_FSIZE, file_bytes)
    _lower(resource.RLIMIT_CORE, 0)


def _lower(kind: int, value: int) -> None:
    hard = resource.getrlimit(kind)[1]
    resource.setrlimit(kind, (value if hard == resource.RLIM_INFINITY else min(value, hard), hard))


def _address_space() -> int:
    """Return the bytes of address space in use."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    except (OSError, ValueError):
        return _USUAL_BASELINE
    return pages * resource.getpagesize()


def _receive(requests: BinaryIO, waiting: queue.Queue[tuple[dict[str, Any], bytes]]) -> None:
    """Take requests in; end the process as soon as the parent is gone, whatever the main thread is doing."""
    try:
        while True:
            lengths = requests.read(LENGTHS.size)
            if len(lengths) < LENGTHS.size:
                break
            header_bytes, body_bytes = LENGTHS.unpack(lengths)
            header = header_of(requests.read(header_bytes))
            waiting.put((header, requests.read(body_bytes)))
    finally:
        os._exit(0)


def _answer(done: Callable[[dict[str, Any], bytes], list[bytes]], header: dict[str, Any], data: bytes) -> list[bytes]:
    """Return the answer to one request; every error of a loader becomes a reason."""
    seconds = float(header["seconds"])
    usage = resource.getrusage(resource.RUSAGE_SELF)
    _lower(resource.RLIMIT_CPU, math.ceil(usage.ru_utime + usage.ru_stime + seconds))
    signal.setitimer(signal.ITIMER_REAL, seconds + _GRACE_SECONDS)  # should the parent be unable to
    try:
        return done(header, data)
    except DocumentError as error:
        return frame({"reason": error.reason, "detail": error.detail})
    except MemoryError:
        return frame({"reason": "memory", "detail": "reading it takes more memory than allowed"})
    except RecursionError:
        return frame({"reason": "damaged", "detail": "nested too deeply"})
    except Exception as error:  # whatever a parser does not expect, the document is to blame
        return frame({"reason": "damaged", "detail": f"not readable: {type(error).__name__}: {error}"[:300]})
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _done(header: dict[str, Any], data: bytes) -> list[bytes]:
    """Do what a request asks for: read a document, or find the addresses in a page or sitemap."""
    if header["task"] == "sitemap":
        from ingest.loaders.sitemap import sitemap_addresses

        return frame({}, "\n".join(sitemap_addresses(data)).encode("utf-8", "replace"))
    if header["task"] == "links":
        from ingest.loaders.links import page_links

        found = page_links(data, header["url"], header["agent"], header["media_type"], header["charset"])
        return frame({"index": found.index}, "\n".join(found.addresses).encode("utf-8", "replace"))
    from ingest.loaders.dispatch import load

    loaded = load(
        data,
        header["name"],
        header["media_type"],
        charset=header["charset"],
        passwords=tuple(header["passwords"]),
        ocr=header["ocr"],
    )
    return answer_of(loaded)


def _send(answers: BinaryIO, pieces: list[bytes]) -> None:
    for piece in pieces:
        view = memoryview(piece)
        while view:
            view = view[answers.write(view) :]


if __name__ == "__main__":
    run(int(sys.argv[1]))
