"""The identity of a file as a URI: readable, the same for both Unicode spellings of a name, and reversible."""

from __future__ import annotations

import os
import re
import unicodedata
from pathlib import Path
from urllib.parse import unquote_to_bytes

from indexes.errors import UsageError

_FILE = "file://"
# What cannot stand in a URI as it is: its own delimiters, control characters, and the marks that reorder or
# break a displayed line. Everything else, Chinese and spaces included, stays readable.
_ENCODED = re.compile(r"[%?#\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def file_uri(path: str | Path) -> str:
    """Return the URI of a file: absolute, NFC, links not resolved; undecodable bytes are percent-encoded."""
    absolute = unicodedata.normalize("NFC", os.path.abspath(path))  # noqa: PTH100 - resolve() would follow links
    return _FILE + _ENCODED.sub(_encode, absolute)


def path_of(uri: str) -> Path:
    """Return the path that a file URI names (in NFC). Raise UsageError where `uri` is not a file URI."""
    if not uri.startswith(_FILE + "/"):
        raise UsageError(f"not a file URI: {uri[:200]!r}")
    return Path(os.fsdecode(unquote_to_bytes(uri[len(_FILE) :])))


def is_under(uri: str, root: str) -> bool:
    """Tell whether `uri` is `root` itself or lies inside the folder `root`. A web page is no folder."""
    if root.startswith(("http://", "https://")):
        return uri == root
    return uri == root or uri.startswith(root if root.endswith("/") else root + "/")


def _encode(match: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in match.group().encode("utf-8", "surrogateescape"))
