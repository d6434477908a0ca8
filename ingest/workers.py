"""Reading many documents in processes of their own: bounded in time and memory, one bad document costs only itself."""

from __future__ import annotations

import hashlib
import re
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import PurePosixPath
from types import TracebackType
from urllib.parse import unquote, urlsplit

from indexes.errors import ConfigurationError, DocumentError, KBError
from ingest.processes.process_stock import ProcessStock
from ingest.processes.reading_run import ReadingRun, weight_of
from ingest.processes.worker_process import WorkerProcess
from ingest.reading import MAX_FILE_BYTES, read_file
from ingest.records import Loaded, LoadOutcome, PageLinks, SourceItem
from ingest.web.fetching import Fetched, fetch

_OCR_MEMORY_BYTES = 1 << 30  # what the recogniser and its models take on top
_SECONDS_PER_MEBIBYTE = 2.0  # a large file is given more time
_OCR_SLOWNESS = 10.0  # pages of a scan take seconds each, and nobody knows beforehand how many are scans
_JOIN_SECONDS = 1.5


class LoaderPool:
    """Reading processes that are started when needed and used again, for `load_all`.

    `memory_bytes` and `seconds` bound the reading of one document (`seconds` grows with its size, and tenfold with
    `ocr`); `max_bytes` bounds a file. `allow_hosts` may be fetched from although their addresses are private.
    `passwords` are tried on encrypted documents; `ocr` reads pages that are only images, and raises
    ConfigurationError here where the extra for it is missing.
    """

    def __init__(
        self,
        workers: int,
        memory_bytes: int = 1 << 30,
        seconds: float = 60,
        *,
        max_bytes: int = MAX_FILE_BYTES,
        allow_hosts: Sequence[str] = (),
        passwords: Sequence[str] = (),
        ocr: bool = False,
    ) -> None:
        if ocr and find_spec("rapidocr_onnxruntime") is None:
            raise ConfigurationError("ingest.ocr is on, but the ocr extra is missing: pip install 'qwen-kb[ocr]'")
        self._workers = max(1, workers)
        self._stock = ProcessStock(memory_bytes + (_OCR_MEMORY_BYTES if ocr else 0))
        self._seconds = seconds
        self._max_bytes = max_bytes
        self._allow_hosts = tuple(allow_hosts)
        self._passwords = tuple(passwords)
        self._ocr = ocr

    def __enter__(self) -> LoaderPool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def load_all(
        self, items: Iterable[SourceItem], known_hashes: Mapping[str, str] | None = None
    ) -> Iterator[LoadOutcome]:
        """Yield what became of each item, as each is done, in no certain order.

        Items are taken from the iterable only as fast as outcomes are taken from here, and only so many bytes are
        held at once. An item whose content hash is the one in `known_hashes` (by URI) is read but not parsed.
        Ending the iteration early kills the processes at work. Raise KBError where the pool is closed meanwhile,
        or processes cannot be started.
        """
        run = ReadingRun(items, known_hashes or {})
        threads = [
            threading.Thread(target=self._serve, args=(run,), name=f"reader-{number}", daemon=True)
            for number in range(self._workers)
        ]
        for thread in threads:
            thread.start()
        finished = 0
        try:
            while finished < len(threads):
                found, weight = run.outcomes.get()
                if found is None:
                    finished += 1
                elif isinstance(found, BaseException):
                    raise found
                else:
                    yield found
                    del found
                    run.release(weight)
            if self._stock.closed:
                raise KBError("the reading processes were closed before all documents were read")
        finally:
            run.stop()
            if finished < len(threads):
                self._stock.kill_busy()
                deadline = time.monotonic() + _JOIN_SECONDS
                for thread in threads:
                    thread.join(max(0.0, deadline - time.monotonic()))

    @property
    def allow_hosts(self) -> tuple[str, ...]:
        """The hosts and networks that may be fetched from although their addresses are private."""
        return self._allow_hosts

    def addresses(self, request: Mapping[str, object], data: bytes) -> PageLinks:
        """Return the addresses in a page or sitemap, found by a reading process. Raise DocumentError as `load`."""
        process = self._stock.borrow()
        try:
            return process.addresses(request, data, self._seconds)
        finally:
            self._stock.give_back(process)

    def close(self) -> None:
        """Kill all processes. Documents being read are given up. May be called twice, and from any thread."""
        self._stock.close()

    def _serve(self, run: ReadingRun) -> None:
        """Read items until there are none left."""
        try:
            while not self._stock.closed:
                item = run.next_item()
                if item is None:
                    break
                weight = weight_of(item)
                if not run.acquire(weight):
                    break
                outcome = self._outcome(item, run)
                if outcome is None:
                    run.release(weight)
                else:
                    run.outcomes.put((outcome, weight))
        except BaseException as error:  # raised again where the outcomes are taken
            run.outcomes.put((error, 0))
        finally:
            run.outcomes.put((None, 0))

    def _outcome(self, item: SourceItem, run: ReadingRun) -> LoadOutcome | None:
        """Return what became of one item, or None where it was given up because nobody wants it any more."""
        begun = time.monotonic()
        content_hash, data = "", None
        try:
            item, data, page = self._bytes_of(item)
            if page is not None:
                item = replace(item, page=replace(page, data=b""))
            if page is not None and page.not_modified:
                if item.uri not in run.known_hashes:
                    raise DocumentError("fetch_failed", "the server says that the page has not changed, but it is new")
                content_hash = run.known_hashes[item.uri]
                return LoadOutcome(item, content_hash, None, None, None, time.monotonic() - begun, unchanged=True)
            content_hash = hashlib.sha256(data).hexdigest()
            if run.known_hashes.get(item.uri) == content_hash:
                return LoadOutcome(item, content_hash, None, None, data, time.monotonic() - begun, unchanged=True)
            loaded = self._parse(item, data, page, run)
        except DocumentError as error:
            if error.reason == "interrupted" and (run.stopped or self._stock.closed):
                return None
            return LoadOutcome(item, content_hash, None, error, data, time.monotonic() - begun)
        return LoadOutcome(item, content_hash, loaded, None, data, time.monotonic() - begun)

    def _bytes_of(self, item: SourceItem) -> tuple[SourceItem, bytes, Fetched | None]:
        """Return the bytes of an item, and the item with their true size and time."""
        if item.page is not None:
            data = read_file(item.path, self._max_bytes).data if item.path is not None else b""
            return item, data, item.page
        if item.kind == "web":
            page = fetch(item.uri, allow_hosts=self._allow_hosts, etag=item.etag, last_modified=item.last_modified)
            if page.not_modified:
                return item, b"", page
            return replace(item, size=len(page.data)), page.data, page
        if item.path is None:
            raise DocumentError("unreadable", "there is neither a file nor an address to read it from")
        file = read_file(item.path, self._max_bytes)
        return replace(item, size=len(file.data), mtime_ns=file.mtime_ns), file.data, None

    def _parse(self, item: SourceItem, data: bytes, page: Fetched | None, run: ReadingRun) -> Loaded:
        request = {
            "name": _name_of(item),
            "media_type": page.media_type if page else None,
            "charset": page.charset if page else None,
            "passwords": self._passwords,
            "ocr": self._ocr,
        }
        seconds = self._seconds + _SECONDS_PER_MEBIBYTE * len(data) / (1 << 20)
        if self._ocr:
            seconds *= _OCR_SLOWNESS
        try:
            loaded = self._ask(self._stock.borrow(), request, data, seconds, run)
        except _UsedProcessDied:
            loaded = self._ask(self._stock.borrow(fresh=True), request, data, seconds, run)
        if page is None:
            return loaded
        facts = {"etag": page.etag, "last_modified": page.last_modified}
        facts["url"] = page.url if page.url != item.uri else ""
        return replace(loaded, metadata={**loaded.metadata, **{key: value for key, value in facts.items() if value}})

    def _ask(
        self, process: WorkerProcess, request: Mapping[str, object], data: bytes, seconds: float, run: ReadingRun
    ) -> Loaded:
        """Let a process read a document, and give the process back. Raise DocumentError, or _UsedProcessDied."""
        used = process.documents > 0
        try:
            if run.stopped:
                raise DocumentError("interrupted", "reading was stopped")
            return process.load(request, data, seconds)
        except DocumentError as error:
            if error.reason in ("memory", "crashed"):
                process.kill()  # it may live, but not well
                if used:
                    raise _UsedProcessDied from error
            raise
        finally:
            self._stock.give_back(process)


class _UsedProcessDied(Exception):
    """A process that had read other documents died: they, not this document, may have weakened it. Try a fresh one."""


# How `%`, `?` and `#` stand in the URI of a file.
_URI_MARK = re.compile("%(25|3F|23)")


def _name_of(item: SourceItem) -> str:
    """Return the name that a document without a title gets.

    In names of files only the marks of URIs are decoded: bytes, control and reordering characters stay encoded.
    """
    if item.kind == "web":
        return PurePosixPath(unquote(urlsplit(item.uri).path)).name or urlsplit(item.uri).netloc
    return _URI_MARK.sub(lambda match: unquote(match.group()), PurePosixPath(item.uri).name)
