"""Fetching one file of a model, from where an earlier download broke off."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from indexes.models.hubs import RemoteFile
from indexes.models.partial import PartialModel, matches

if TYPE_CHECKING:
    import httpx

# `bytes 100-199/200`, or `*` where the server does not know the whole.
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")

Advance = Callable[[str, int, int], None]


def fetch(client: httpx.Client, file: RemoteFile, partial: PartialModel, advance: Advance) -> None:
    """Bring `file` whole and checked into `partial`.

    What is there of it is kept and the rest asked for. Where the hub does not go on there, or the whole does not match
    its checksum, it is fetched anew, once. `advance` is called with path, bytes done and bytes in all. Raises
    ValueError where the hub sends something else than it lists, httpx.HTTPError where it breaks off; what came is kept.
    """
    if partial.holds(file):
        advance(file.path, file.size, file.size)
        return
    partial.part(file).parent.mkdir(parents=True, exist_ok=True)
    begun = partial.begun(file)
    if begun < file.size or file.size == 0:
        begun = _receive(client, file, partial, begun, advance)
    if not matches(partial.part(file), file) and begun:
        _receive(client, file, partial, 0, advance)
        begun = 0
    if not matches(partial.part(file), file):
        partial.part(file).unlink()
        raise ValueError(f"{file.path} does not match its checksum")
    partial.part(file).replace(partial.whole(file))


def _receive(client: httpx.Client, file: RemoteFile, partial: PartialModel, begun: int, advance: Advance) -> int:
    """Write the part from `begun` on to the end, and return where it really began: 0 where the hub does not go on."""
    # Ranges are of the bytes as stored: a server must not compress them on the way.
    headers = {"Accept-Encoding": "identity"}
    if begun:
        headers["Range"] = f"bytes={begun}-"
    with client.stream("GET", file.url, headers=headers) as response:
        if begun and response.status_code in (206, 416) and not _goes_on(response, file, begun):
            response.close()
            return _receive(client, file, partial, 0, advance)
        response.raise_for_status()
        if response.status_code == 200:
            begun = 0
        elif not begun:
            raise ValueError(f"{file.path} is answered with status {response.status_code}")
        done = begun
        advance(file.path, done, file.size)
        with partial.part(file).open("ab" if begun else "wb") as output:
            for block in response.iter_bytes():
                done += len(block)
                if done > file.size:
                    break
                output.write(block)
                # Out of this process at once, so that a kill loses nothing that came.
                output.flush()
                advance(file.path, done, file.size)
            os.fsync(output.fileno())
    if done > file.size:
        partial.part(file).unlink()
        raise ValueError(f"{file.path} is larger than the hub lists")
    if done < file.size:
        raise ValueError(f"{file.path} ended at {done} of the {file.size} bytes that the hub lists")
    return begun


def _goes_on(response: httpx.Response, file: RemoteFile, begun: int) -> bool:
    """Return whether a partial answer is what was asked for: the bytes from `begun` on, of a file of this size."""
    found = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", "").strip())
    if response.status_code != 206 or found is None:
        return False
    plain = response.headers.get("Content-Encoding", "identity") == "identity"
    return plain and int(found[1]) == begun and found[3] in ("*", str(file.size))
