"""A real web site on loopback: pages by path, with ETags, conditional answers, robots.txt, and a record of requests."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler

from tests.ingest.misbehaving_server import QuietServer


@dataclass(frozen=True)
class Answer:
    """What one path gives; with a `location` it redirects there. `etag` stands in place of one made of the body."""

    body: bytes = b""
    status: int = 200
    media_type: str = "text/html; charset=utf-8"
    location: str = ""
    marks: bool = True
    etag: str = ""
    robots: str = ""


@dataclass
class Site:
    """`pages` may be changed while it runs; `seen` holds (path, time, status) of each request."""

    address: str = ""
    pages: dict[str, Answer] = field(default_factory=dict)
    seen: list[tuple[str, float, int]] = field(default_factory=list)

    def put(self, path: str, body: str | bytes = b"", **facts: object) -> None:
        data = body.encode() if isinstance(body, str) else body
        self.pages[path] = Answer(data, **facts)  # type: ignore[arg-type]

    def page(self, path: str, text: str, *links: str) -> None:
        """Put a page with a text of its own and links."""
        body = "".join(f'<p><a href="{link}">{link}</a></p>' for link in links)
        article = f"<p>{text}每一条规定都写明了办理的期限和负责的部门，请各位同事遵照执行。</p>" * 2
        self.put(path, f"<html><head><title>{text}</title></head><body><h1>{text}</h1>{article}{body}</body></html>")

    def url(self, path: str) -> str:
        return self.address + path

    @property
    def host(self) -> str:
        return self.address.removeprefix("http://")

    def fetched(self, status: int | None = None) -> list[str]:
        """Return the paths asked for, in order, or those that were answered with `status`."""
        return [path for path, _, answered in self.seen if status in (None, answered)]


@contextmanager
def site() -> Iterator[Site]:
    """Run an empty site, which answers 404 to everything."""
    served = Site()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            answer = served.pages.get(self.path) or served.pages.get(self.path.partition("?")[0] + "?*")
            answer = answer or Answer(b"no such page", 404)
            mark = answer.etag or f'"{hashlib.sha256(answer.body).hexdigest()[:16]}"'
            status, body = answer.status, answer.body
            if status == 200 and answer.marks and self.headers.get("If-None-Match") == mark:
                status, body = 304, b""
            served.seen.append((self.path, time.monotonic(), status))
            self.send_response(status)
            self.send_header("Content-Type", answer.media_type)
            if status != 304:
                self.send_header("Content-Length", str(len(body)))
            if answer.marks and status in (200, 304):
                self.send_header("ETag", mark)
            if answer.robots:
                self.send_header("X-Robots-Tag", answer.robots)
            if answer.location:
                self.send_header("Location", answer.location)
            self.end_headers()
            self.wfile.write(body)
            self.close_connection = True

        def log_message(self, format: str, *args: object) -> None:
            pass

    with QuietServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        served.address = f"http://127.0.0.1:{server.server_address[1]}"
        try:
            yield served
        finally:
            server.shutdown()
