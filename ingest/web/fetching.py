"""Fetching one page: from the public internet only, bounded in size, time, redirects and decompression."""

from __future__ import annotations

import re
import ssl
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urljoin

from indexes.errors import DocumentError, UsageError
from ingest.web.urls import normalise_url

if TYPE_CHECKING:
    import httpcore

    from ingest.web.pinned_network import Deadline

MAX_PAGE_BYTES = 20 * 1024 * 1024
MAX_REDIRECTS = 5
TOTAL_SECONDS = 30.0
USER_AGENT = "qwen-kb (knowledge-base indexing)"
# The word by which sites know us in robots.txt and in the wishes of pages.
AGENT = USER_AGENT.partition(" ")[0]

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_GONE = frozenset({404, 410})
_LOGIN = frozenset({401, 407})
_READABLE = re.compile(
    r"text/|message/rfc822|application/(?:pdf|xhtml\+xml|xml|rss\+xml|atom\+xml|json|markdown|octet-stream|x-pdf"
    r"|epub\+zip|vnd\.openxmlformats-officedocument\.[a-z.]+|vnd\.ms-(?:excel|powerpoint)\.[a-z.0-9]+)\b|$",
    re.IGNORECASE,
)
_CHARSET = re.compile(r"charset\s*=\s*[\"']?([A-Za-z0-9_:.-]{2,40})", re.IGNORECASE)
_BLOCK = 64 * 1024


@dataclass(frozen=True, slots=True)
class Fetched:
    """A page as the server gave it. `url` is where it came from in the end; `charset` is what the server said.

    With `not_modified` the page is as the caller has it, and `data` is empty. `robots` holds the X-Robots-Tag headers.
    """

    url: str
    data: bytes
    media_type: str
    charset: str | None
    etag: str
    last_modified: str
    not_modified: bool = False
    robots: tuple[str, ...] = ()


class StatusError(DocumentError):
    """The server answered with a status that brings no page; `status` is its number."""

    def __init__(self, reason: str, detail: str, status: int) -> None:
        super().__init__(reason, detail)
        self.status = status


class RedirectError(DocumentError):
    """The server redirects once more than is followed: to `location`, which nothing was fetched from."""

    def __init__(self, location: str, limit: int) -> None:
        super().__init__("fetch_failed", f"more than {limit} redirects")
        self.location = location


def fetch(
    url: str,
    *,
    allow_hosts: Sequence[str] = (),
    max_bytes: int = MAX_PAGE_BYTES,
    seconds: float = TOTAL_SECONDS,
    max_redirects: int = MAX_REDIRECTS,
    etag: str = "",
    last_modified: str = "",
    any_type: bool = False,
) -> Fetched:
    """Fetch one page. With `etag` or `last_modified`, the server may answer that it has not changed.

    With `any_type`, what the server calls the page does not matter. One redirect too many is a RedirectError.

    Every address, that of a redirect too, is resolved once, checked, and connected to as checked; hosts and
    networks in `allow_hosts` may be private. `seconds` bounds everything together. Raise DocumentError:
    `forbidden_address`, `fetch_failed`, `timeout`, `too_large`, `unsupported`, `vanished` or `login_required`;
    UsageError where `url` is no http(s) address.
    """
    import httpcore

    from ingest.web.pinned_network import Deadline

    deadline = Deadline(seconds)
    current = normalise_url(url)
    conditions = [(b"If-None-Match", etag), (b"If-Modified-Since", last_modified)]
    headers = [(name, value.encode("latin-1", "ignore")) for name, value in conditions if value]
    try:
        for _ in range(max_redirects + 1):
            found = _request(current, headers, allow_hosts, max_bytes, deadline, any_type)
            if isinstance(found, Fetched):
                return found
            current = _redirected(current, found)
    except httpcore.TimeoutException as error:
        raise DocumentError("timeout", f"the page did not come within {seconds:.0f} seconds") from error
    except ssl.SSLError as error:
        raise DocumentError("fetch_failed", f"no secure connection: {error.reason or error}") from error
    except (httpcore.NetworkError, httpcore.ProtocolError, OSError, UnicodeError) as error:
        detail = " ".join(str(error).split())[:200] or type(error).__name__
        raise DocumentError("fetch_failed", f"the page could not be fetched: {detail}") from error
    raise RedirectError(current, max_redirects)


def _request(
    url: str,
    headers: list[tuple[bytes, bytes]],
    allow_hosts: Sequence[str],
    max_bytes: int,
    deadline: Deadline,
    any_type: bool,
) -> Fetched | str:
    """Return the page at `url`, or the address that it redirects to."""
    import httpcore

    from ingest.web.pinned_network import PinnedBackend

    asked = [
        (b"User-Agent", USER_AGENT.encode()),
        (b"Accept", b"text/html, application/xhtml+xml, application/pdf, text/*;q=0.9, */*;q=0.1"),
        (b"Accept-Encoding", b"identity"),
        *headers,
    ]
    backend = PinnedBackend(allow_hosts, deadline)
    with (
        httpcore.ConnectionPool(ssl_context=_tls(), network_backend=backend, max_connections=1) as pool,
        pool.stream("GET", url, headers=asked) as response,
    ):
        answer = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers}
        if response.status in _REDIRECTS and answer.get("location"):
            return answer["location"]
        _check_status(response.status, (200, 203, 304) if headers else (200, 203))
        described = answer.get("content-type", "")
        media_type = described.partition(";")[0].strip().lower()
        charset = _CHARSET.search(described)
        facts = (answer.get("etag", ""), answer.get("last-modified", ""))
        robots = tuple(value.decode("latin-1") for name, value in response.headers if name.lower() == b"x-robots-tag")
        if response.status == 304:
            return Fetched(url, b"", media_type, None, *facts, not_modified=True, robots=robots)
        if not any_type and not _READABLE.match(media_type):
            raise DocumentError("unsupported", f"the page is {media_type[:80]!r}, not a document that can be read")
        data = _body(response, answer, max_bytes)
        return Fetched(url, data, media_type, charset.group(1) if charset else None, *facts, robots=robots)


def _check_status(status: int, accepted: tuple[int, ...]) -> None:
    if status in _GONE:
        raise StatusError("vanished", f"the server answers {status}: there is no such page", status)
    if status in _LOGIN:
        raise StatusError("login_required", f"the server answers {status}: the page asks for a login", status)
    if status not in accepted:
        raise StatusError("fetch_failed", f"the server answers {status}", status)


def _redirected(current: str, location: str) -> str:
    """Return the address that a redirect leads to. Raise DocumentError where it is none that is fetched."""
    try:
        return normalise_url(urljoin(current, location.strip()))
    except (UsageError, ValueError) as error:
        raise DocumentError("forbidden_address", f"redirected to what is not fetched: {location[:200]!r}") from error


def _body(response: httpcore.Response, answer: dict[str, str], max_bytes: int) -> bytes:
    """Return the whole body, unpacked. Raise DocumentError("too_large") as soon as it is known."""
    announced = answer.get("content-length", "")
    if announced.isascii() and announced.isdigit() and int(announced[:20]) > max_bytes:
        raise DocumentError("too_large", f"the page has {announced[:20]} bytes; the limit is {max_bytes}")
    encoding = answer.get("content-encoding", "identity").strip().lower()
    blocks = response.iter_stream()
    if encoding in ("gzip", "x-gzip", "deflate"):
        blocks = _unpacked(blocks, encoding)
    elif encoding not in ("", "identity"):
        raise DocumentError("unsupported", f"the page is packed as {encoding[:40]!r}, which was not asked for")
    parts: list[bytes] = []
    total = 0
    for block in blocks:
        total += len(block)
        if total > max_bytes:
            raise DocumentError("too_large", f"the page has more than {max_bytes} bytes, the limit")
        parts.append(block)
    return b"".join(parts)


def _unpacked(blocks: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    """Unpack block by block, so that a bomb is noticed before it has gone off."""
    unpacker = zlib.decompressobj(zlib.MAX_WBITS | (32 if encoding != "deflate" else 0))
    try:
        for block in blocks:
            rest = block
            while rest:
                yield unpacker.decompress(rest, _BLOCK)
                if rest == unpacker.unconsumed_tail:
                    break
                rest = unpacker.unconsumed_tail
        yield unpacker.flush()
    except zlib.error as error:
        raise DocumentError("damaged", f"the page cannot be unpacked: {error}") from error


def _tls() -> ssl.SSLContext:
    """Return the settings of secure connections: the system's authorities, and certifi's."""
    import certifi

    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return context
