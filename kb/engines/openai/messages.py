"""The messages of a response in whatever form it has: events, lines of JSON, or one body of JSON.

The form is told by how it begins: the type that its header states is wrong at some servers, and behind some proxies.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Final, Protocol

from kb.engines.openai.sse import events, lines, looks_like_events

_LONGEST_BODY: Final = 4 << 20


class Refuse(Protocol):
    """Makes an error of words, and of what the server said."""

    def __call__(self, said: str, quoted: str = "") -> Exception:
        """Return the error: `said` is ours, `quoted` the server's, not yet fit to be shown."""
        ...


def messages(pieces: Iterable[bytes], is_lines: bool, refuse: Refuse) -> Iterator[str]:
    """Yield messages that are not blank; `is_lines`: each line is one. Raises what `refuse` makes of a response."""
    text = lines(pieces)
    first = next((line for line in text if line.strip()), "")
    begins = first.lstrip()[:1]
    if is_lines and begins != "<":
        yield from (line for line in chain([first], text) if line.strip())
    elif looks_like_events(first):
        yield from (message for message in events(chain([first], text)) if message.strip())
    elif begins in ("{", "["):
        yield _whole(first, text, refuse)
    elif begins == "<":
        raise refuse("it sent a web page: is engine.base_url the address of the API?")
    else:
        raise refuse("it sent no answer but ", first)


def _whole(first: str, text: Iterable[str], refuse: Refuse) -> str:
    held, size = [first], len(first)
    for line in text:
        held.append(line)
        size += len(line)
        if size > _LONGEST_BODY:
            raise refuse("it sent an answer of more than 4 MiB")
    return "\n".join(held)
