"""Lines and server-sent events out of a stream of bytes, whatever the pieces are."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Final

from indexes.errors import EngineUnavailableError
from kb.engines.foreign_json import parse

LONGEST_LINE: Final = 1 << 20
_END: Final = re.compile(rb"[\r\n]")
_FIELD: Final = re.compile(r"(?:data|event|id|retry|error)?(?::|$)")
_SIGNS_OF_LIFE: Final = frozenset({"ping", "heartbeat", "keepalive", "keep-alive"})


def lines(pieces: Iterable[bytes]) -> Iterator[str]:
    """Yield the lines of a UTF-8 stream, ended by LF, CR LF or CR; an unfinished last line counts, a BOM does not.

    Only these end a line: U+2028 and U+0085, which `str.splitlines` cuts at, stand unescaped in the JSON of some
    servers. Raises EngineUnavailableError for a line over 1 MiB.
    """
    for place, line in enumerate(_lines(pieces)):
        text = line.decode("utf-8", "replace")
        yield text if place else text.removeprefix("\ufeff")


def _lines(pieces: Iterable[bytes]) -> Iterator[bytearray]:
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
            yield from complete
        if len(held) > LONGEST_LINE:
            raise EngineUnavailableError("the server sent a line of more than 1 MiB")
    if held:
        yield held.removesuffix(b"\r")


def events(stream: Iterable[str]) -> Iterator[str]:
    """Yield the data of each server-sent event: comments and other fields are skipped, several data lines are joined.

    An event that the end of the stream cut off is passed on too: some servers leave the last blank line out. The field
    `error`, by which older versions of llama.cpp report one, and events of that name are passed on as
    `{"error": ...}`; signs of life that have a name are left out.
    """
    data: list[str] = []
    name, size = "", 0
    for line in stream:
        if line.startswith("error:"):
            yield f'{{"error": {_as_json(line[6:].strip())}}}'
        elif not line:
            if data and name not in _SIGNS_OF_LIFE:
                yield _told(name, "\n".join(data))
            data, name, size = [], "", 0
        elif line.startswith("event:"):
            name = line[6:].strip().lower()
        elif line.startswith("data:"):
            value = line[5:].removeprefix(" ")
            data.append(value)
            size += len(value)
            if size > LONGEST_LINE:
                raise EngineUnavailableError("the server sent an event of more than 1 MiB")
    if data and name not in _SIGNS_OF_LIFE:
        yield _told(name, "\n".join(data))


def looks_like_events(line: str) -> bool:
    """Return whether this line may stand in a stream of server-sent events."""
    return _FIELD.match(line) is not None


def _told(name: str, data: str) -> str:
    if name != "error":
        return data
    try:
        value = parse(data)
    except ValueError:
        value = data or "unknown"
    return data if isinstance(value, dict) and "error" in value else json.dumps({"error": value})


def _as_json(value: str) -> str:
    try:
        parse(value)
    except ValueError:
        return json.dumps(value or "unknown")
    return value
