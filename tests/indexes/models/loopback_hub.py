"""A hub on loopback that speaks as ModelScope and as Hugging Face do, and breaks off when told to.

What is assumed: ModelScope lists `/api/v1/models/NAME/repo/files` with a SHA-256 for every file; Hugging Face lists
`/api/models/NAME/tree/REVISION` with git's object id, and with a SHA-256 under `lfs` for large files; both give the
files under `resolve/REVISION/` and go on within one by `Range`.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal

NAME = "BAAI/bge-small-zh-v1.5"
Speaks = Literal["ModelScope", "Hugging Face", "both"]
Ranges = Literal["kept", "ignored", "elsewhere", "refused"]


class LoopbackHub:
    """What the hub has and how it behaves; tests change it between two downloads."""

    def __init__(self) -> None:
        self.speaks: Speaks = "both"
        self.files: dict[str, bytes] = {
            "config.json": b"{}",
            "model.safetensors": b"weights" * 1000,
            "pytorch_model.bin": b"pickle",
            "a/b.json": b"[]",
        }
        # Of each of these files only so many bytes are sent, once; then the connection is closed.
        self.breaks: dict[str, int] = {}
        self.ranges: Ranges = "kept"
        self.damaged = False
        self.checksums = True
        # Of each of these files so many bytes are sent; then the hub sets `reached` and waits for `go_on`.
        self.waits: dict[str, int] = {}
        self.reached, self.go_on = threading.Event(), threading.Event()
        # Path and Range header of each request.
        self.asked: list[tuple[str, str | None]] = []
        self.address = ""

    def ranges_asked(self, path: str) -> list[str | None]:
        """Return the Range header of each request for the file `path`."""
        return [sent for asked, sent in self.asked if asked.endswith("/" + path)]

    def listing(self, path: str) -> object | None:
        """Return the answer to a request for the list of files, None where it is no such request."""
        if self.speaks != "Hugging Face" and path.startswith(f"/api/v1/models/{NAME}/repo/files?Revision="):
            entries: list[dict[str, Any]] = [{"Type": "tree", "Path": "a", "Size": 0}]
            for name, data in self.files.items():
                digest = hashlib.sha256(data).hexdigest() if self.checksums else ""
                entries.append({"Type": "blob", "Path": name, "Size": len(data), "Sha256": digest})
            return {"Data": {"Files": entries}}
        if self.speaks != "ModelScope" and path.startswith(f"/api/models/{NAME}/tree/"):
            return [{"type": "directory", "path": "a", "size": 0}, *map(self._tree_entry, self.files)]
        return None

    def _tree_entry(self, name: str) -> dict[str, Any]:
        data = self.files[name]
        entry: dict[str, Any] = {"type": "file", "path": name, "size": len(data)}
        if not self.checksums:
            return entry
        if name.endswith(".safetensors"):
            return entry | {"oid": "0" * 40, "lfs": {"oid": hashlib.sha256(data).hexdigest(), "size": len(data)}}
        return entry | {"oid": hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()}


class _Handler(BaseHTTPRequestHandler):
    hub: LoopbackHub

    def do_GET(self) -> None:
        self.hub.asked.append((self.path.partition("?")[0], self.headers.get("Range")))
        listing = self.hub.listing(self.path)
        name = self.path.partition("/resolve/")[2].partition("/")[2]
        if listing is not None:
            self._send(200, json.dumps(listing).encode())
        elif name in self.hub.files:
            self._send_file(name)
        else:
            self.send_error(404)

    def _send_file(self, name: str) -> None:
        data = self.hub.files[name]
        if self.hub.damaged:
            data = data[:-1] + b"!"
        wanted = self.headers.get("Range")
        if wanted is None or self.hub.ranges == "ignored":
            self._send(200, data, name)
            return
        begin = int(wanted.removeprefix("bytes=").removesuffix("-"))
        if self.hub.ranges == "refused" or begin >= len(data):
            self.send_error(416)
            return
        if self.hub.ranges == "elsewhere":
            begin = 0
        self._send(206, data[begin:], name, f"bytes {begin}-{len(data) - 1}/{len(data)}")

    def _send(self, status: int, body: bytes, name: str = "", content_range: str = "") -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        if content_range:
            self.send_header("Content-Range", content_range)
        self.end_headers()
        if name in self.hub.waits:
            self.wfile.write(body[: self.hub.waits[name]])
            self.wfile.flush()
            self.hub.reached.set()
            self.hub.go_on.wait(60)
            body = body[self.hub.waits[name] :]
        self.wfile.write(body[: self.hub.breaks.pop(name, len(body))])
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """Keep the test's output clean."""


@contextmanager
def running_hub() -> Iterator[LoopbackHub]:
    """Yield a hub that listens at its `address`."""
    hub = LoopbackHub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": hub}))
    server.daemon_threads = True
    hub.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        hub.go_on.set()
        server.shutdown()
        server.server_close()
        thread.join(5)
