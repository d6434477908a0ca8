"""A real HTTP server on loopback that misbehaves in every way that the tests need, each under its own path."""

from __future__ import annotations

import gzip
import socket
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ARTICLE = (
    "<html><head><title>标题</title></head><body><h1>公告</h1>"
    + "<p>服务器在每天夜里两点自动重启，期间不能访问。</p>" * 3
    + "</body></html>"
)


class Misbehaving(BaseHTTPRequestHandler):
    """Answers by path; see the methods."""

    protocol_version = "HTTP/1.1"
    seen: list[tuple[str, dict[str, str]]]
    elsewhere: str

    def do_GET(self) -> None:
        self.seen.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
        getattr(self, "page_" + self.path.strip("/").partition("?")[0].replace("-", "_"), self.missing)()
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        pass

    def answer(self, body: bytes, status: int = 200, **headers: str) -> None:
        self.send_response(status)
        for name, value in {
            "Content_Type": "text/html; charset=utf-8",
            "Content_Length": str(len(body)),
            **headers,
        }.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def missing(self) -> None:
        self.answer(b"no such page", 404)

    def page_good(self) -> None:
        self.answer(ARTICLE.encode(), ETag='"v1"', Last_Modified="Mon, 06 May 2024 10:00:00 GMT")

    def page_gb(self) -> None:
        self.answer(ARTICLE.encode("gb18030"), Content_Type="text/html; charset=GBK")

    def page_conditional(self) -> None:
        if self.headers.get("If-None-Match") == '"v1"':
            self.send_response(304)
            self.send_header("ETag", '"v1"')
            self.end_headers()
        else:
            self.page_good()

    def page_image(self) -> None:
        self.answer(b"\x89PNG\r\n\x1a\n", Content_Type="image/png")

    def page_private(self) -> None:
        self.answer(b"", 401)

    def page_broken(self) -> None:
        self.answer(b"trouble", 500)

    def page_gzip(self) -> None:
        self.answer(gzip.compress(ARTICLE.encode()), Content_Encoding="gzip")

    def page_deflate(self) -> None:
        self.answer(zlib.compress(ARTICLE.encode()), Content_Encoding="deflate")

    def page_brotli(self) -> None:
        self.answer(b"\x0b\x02\x80", Content_Encoding="br")

    def page_bomb(self) -> None:
        packer = zlib.compressobj(9, zlib.DEFLATED, 31)
        block = bytes(1 << 20)
        self.answer(b"".join(packer.compress(block) for _ in range(200)) + packer.flush(), Content_Encoding="gzip")

    def page_huge(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "999999999999")
        self.end_headers()

    def page_endless(self) -> None:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        block = b"%x\r\n%b\r\n" % (1 << 16, bytes(1 << 16))
        self._until_gone(lambda: self.wfile.write(block))

    def page_drip(self) -> None:
        self.send_response(200)
        self.end_headers()
        self._until_gone(lambda: (self.wfile.write(b"."), time.sleep(0.05)))

    def page_drip_headers(self) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        self._until_gone(lambda: (self.wfile.write(b"."), time.sleep(0.05)))

    def page_silent(self) -> None:
        time.sleep(3)

    def page_cut(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self.wfile.write(b"<p>half a page")

    def page_rubbish(self) -> None:
        self.wfile.write(b"\x00\x01\x02 this is not HTTP\r\n\r\n")

    def page_loop(self) -> None:
        self._redirect("/loop")

    def page_moved(self) -> None:
        self._redirect("/good#part")

    def page_to_metadata(self) -> None:
        self._redirect("http://169.254.169.254/latest/meta-data/")

    def page_to_elsewhere(self) -> None:
        self._redirect(self.elsewhere)

    def page_to_file(self) -> None:
        self._redirect("file:///etc/passwd")

    def page_to_loopback_in_octal(self) -> None:
        self._redirect("http://0177.0.0.1:9/")

    def page_login(self) -> None:
        self.answer(b"<h1>Login</h1><form><input type=password></form>")

    def _redirect(self, location: str) -> None:
        self.answer(b"", 302, Location=location)

    def _until_gone(self, step: object) -> None:
        assert callable(step)
        end = time.monotonic() + 10
        while time.monotonic() < end:
            try:
                step()
            except OSError:
                return


class QuietServer(ThreadingHTTPServer):
    """Says nothing about clients that hang up; that is what they are here for."""

    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        pass


@contextmanager
def serving() -> Iterator[tuple[str, type[Misbehaving]]]:
    """Run the server; give its address (`http://127.0.0.1:port`) and the handler, which keeps what it saw."""
    handler = type("Handler", (Misbehaving,), {"seen": [], "elsewhere": ""})
    with QuietServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}", handler
        finally:
            server.shutdown()


def free_port() -> int:
    """Return a port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
