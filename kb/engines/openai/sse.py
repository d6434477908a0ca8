"""Lines and server-sent events out of a stream of bytes, whatever the pieces are."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Final

from indexes.errors import EngineUnavailableError
from kb.engines.foreign_json import parse

LONGEST_LINE: Final = 1 << 20
_END = re.compile(rb"[\r\n]")


def lines(pieces: Iterable[bytes]) -> Iterator[str]:
    """Yield the lines of a UTF-8 stream, ended by LF, CR LF or CR; an unfinished last line counts.

    Only these end a line: U+2028 and U+0085, which `str.splitlines` cuts at, stand unescaped in the JSON of some
    servers. Raises EngineUnavailableError for a line over 1 MiB.
    """
    held = bytearray()
    for piece in pieces:
        # A CR at the very end may be half of a CR LF, and waits for the next piece.
        torn = held.endswith(b"\r")
        held += piece
        if torn or _END.search(piece):
            tail = b"\r" if held.endswith(b"\r") else b""
            ready = held[: len(held) - len(tail)]
            *complete, rest = ready.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
            held = rest + tail
            for line in complete:
                yield line.decode("utf-8", "replace")
        if len(held) > LONGEST_LINE:
            raise EngineUnavailableError("the server sent a line of more than 1 MiB")
    if held:
        yield held.removesuffix(b"\r").decode("utf-8", "replace")


def events(stream: Iterable[str]) -> Iterator[str]:
    """Yield the data of each server-sent event: comments and other fields are skipped, several data lines are joined.

    An event that the end of the stream cut off is passed on too: some servers leave the last blank line out. The field
    `error`, by which older versions of llama.cpp report one, is passed on as `{"error": ...}`.
    """
    data: list[str] = []
    size = 0
    for line in stream:
        if line.startswith("error:"):
            yield f'{{"error": {_as_json(line[6:].strip())}}}'
        elif not line:
            if data:
                yield "\n".join(data)
            data, size = [], 0
        elif line.startswith("data:"):
            value = line[5:].removeprefix(" ")
            data.append(value)
            size += len(value)
            if size > LONGEST_LINE:
                raise EngineUnavailableError("the server sent an event of more than 1 MiB")
    if data:
        yield "\n".join(data)


def _as_json(value: str) -> str:
    try:
        parse(value)
    except ValueError:
        return json.dumps(value or "unknown")
    return value
