"""What to read: a file, a folder, or a web address, as a stream of items and of problems with reasons."""

from __future__ import annotations

import filecmp
import os
import re
import stat
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from indexes.errors import DocumentError, UsageError
from indexes.storage.database import DATABASE_NAME
from ingest.reading import document_error, kind_of
from ingest.records import Problem, SourceItem
from ingest.uris import file_uri, is_under, path_of
from ingest.web.urls import normalise_url

__all__ = ["file_uri", "is_under", "path_of", "walk"]

_SCHEME = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]+)://")

# Leftovers of programs, passed over without a word, as hidden files are.
_JUNK = re.compile(
    r"(__pycache__|__MACOSX|node_modules|Thumbs\.db|desktop\.ini|~\$.*|.*~|.*\.(swp|tmp|part|crdownload))"
)

# Endings that are never documents of ours: a notice, not a failure. Anything else is judged by its content.
_NOT_DOCUMENTS = re.compile(
    r"""\.(
    png|jpe?g|jpe|gif|bmp|tiff?|webp|ico|svgz?|heic|avif|psd|ai|xcf|raw|cr2|nef|eps
    |mp3|m4a|aac|og[gav]|opus|flac|wav|wma|midi?|mp4|m4v|mkv|mov|avi|wmv|webm|mpe?g|flv
    |zip|tar|t?gz|t?bz2|tbz|t?xz|zst|lz4?|lzma|7z|rar|cab|iso|img|dmg|deb|rpm|apk|jar|war|whl|egg|crx|msi
    |exe|dll|so|dylib|o|obj|lib|ko|bin|elf|sys|py[cod]|class|wasm|dex
    |ttf|otf|ttc|woff2?|eot|pf[bm]|afm
    |sqlite3?|db3?|mdb|accdb|np[yz]|pth?|onnx|safetensors|gguf|ggml|h5|hdf5|parquet|arrow|feather|faiss|pkl|pickle
    )""",
    re.IGNORECASE | re.VERBOSE,
)

# Why a folder that holds a knowledge base is passed over: its files are copies of documents, and reading them would
# add copies of those at each ingest.
KNOWLEDGE_BASE = "knowledge_base"

# Deeper than any real tree; without a limit a made-up one would exhaust the interpreter's stack.
MAX_DEPTH = 200


def walk(target: str | Path, source: str = "") -> Iterator[SourceItem | Problem]:
    """Yield what `target` holds: a file, a folder with all below it in order of name, or one http(s) address.

    Hidden names are passed over. Links are followed only inside the folder, and only where what they point to
    would not be met anyway. A file named outright is always tried; in a folder, endings that are clearly no
    documents give a Problem of kind "skipped", and so does a folder that is a knowledge base of ours. A folder that
    cannot be listed gives a Problem with its URI: documents under it are unknown, not gone. Raise UsageError where the
    target does not exist.
    """
    name = os.fspath(target)
    scheme = _SCHEME.match(name)
    if scheme and scheme.group(1).lower() in ("http", "https"):
        uri = normalise_url(name)
        return iter([SourceItem(uri, "web", None, 0, 0, source, uri)])
    if scheme and scheme.group(1).lower() != "file":
        raise UsageError(f"cannot read {scheme.group(1)}:// addresses: {name[:200]!r}; give a path or http(s) URL")
    if "\x00" in name or not name.strip():
        raise UsageError(f"not a path: {name[:200]!r}")
    # The name as given, links not resolved: it is what the user knows the folder by.
    path = Path(os.path.abspath(path_of(name) if scheme else name))  # noqa: PTH100 - resolve() would follow links
    try:
        status = path.stat()
    except FileNotFoundError as error:
        raise UsageError(f"no such file or folder: {name[:500]!r}") from error
    except OSError as error:
        raise UsageError(f"cannot look at {name[:500]!r}: {error.strerror}") from error
    root = file_uri(path)
    if stat.S_ISDIR(status.st_mode):
        real = path.resolve()
        return _Walk(root, real, source).folder(path, real, (_key(status),))
    if not stat.S_ISREG(status.st_mode):
        detail = f"{kind_of(status.st_mode)}, not a regular file"
        return iter([Problem(root, "failed", "not_a_file", detail, source, root)])
    return iter([SourceItem(root, "file", path.resolve(), status.st_size, status.st_mtime_ns, source, root)])


def _key(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def _sort_key(name: str) -> tuple[str, bool, str]:
    """Sort by the NFC form, the name that is in NFC already before its twin, on every file system."""
    composed = unicodedata.normalize("NFC", name)
    return composed, name != composed, name


@dataclass(frozen=True, slots=True)
class _Walk:
    """One walk below a folder. `shown` paths make URIs; `real` paths, with links resolved, are opened."""

    root: str
    real_root: Path
    source: str

    def folder(self, shown: Path, real: Path, ancestors: tuple[tuple[int, int], ...]) -> Iterator[SourceItem | Problem]:
        try:
            names = sorted((entry.name for entry in os.scandir(real)), key=_sort_key)
        except OSError as error:
            yield self._failed(shown, document_error(error))
            return
        if DATABASE_NAME in names:
            yield self._skipped(shown, KNOWLEDGE_BASE, "a knowledge base is no source of documents")
            return
        previous: str | None = None
        for name in names:
            if name.startswith(".") or _JUNK.fullmatch(name):
                continue
            composed = unicodedata.normalize("NFC", name)
            if previous is not None and composed == unicodedata.normalize("NFC", previous):
                yield self._twin(shown / name, real / previous, real / name)
                continue
            previous = name
            yield from self._entry(shown / name, real / name, ancestors)

    def _entry(self, shown: Path, real: Path, ancestors: tuple[tuple[int, int], ...]) -> Iterator[SourceItem | Problem]:
        try:
            status = real.lstat()
            if stat.S_ISLNK(status.st_mode):
                target = self._link(real)
                if isinstance(target, str):
                    yield self._skipped(shown, "not_a_file", target)
                    return
                real, status = target, target.lstat()
        except DocumentError as error:
            yield self._failed(shown, error)
            return
        except OSError as error:
            yield self._failed(shown, document_error(error))
            return
        if stat.S_ISDIR(status.st_mode):
            if _key(status) in ancestors:
                yield self._skipped(shown, "not_a_file", "a link back to a folder above it")
                return
            if len(ancestors) >= MAX_DEPTH:
                detail = f"folders nested more than {MAX_DEPTH} deep"
                yield self._failed(shown, DocumentError("unreadable", detail))
                return
            yield from self.folder(shown, real, (*ancestors, _key(status)))
        elif not stat.S_ISREG(status.st_mode):
            yield self._skipped(shown, "not_a_file", f"{kind_of(status.st_mode)}, not a regular file")
        elif _NOT_DOCUMENTS.fullmatch(shown.suffix):
            yield self._skipped(shown, "unsupported", f"{shown.suffix} files are not documents")
        else:
            size, mtime_ns = status.st_size, status.st_mtime_ns
            yield SourceItem(file_uri(shown), "file", real, size, mtime_ns, self.source, self.root)

    def _link(self, link: Path) -> Path | str:
        """Return the file or folder to follow `link` to, or why there is no need to; raise where it is refused."""
        try:
            target = link.resolve(strict=True)
        except FileNotFoundError as error:
            raise DocumentError("vanished", "a link to something that does not exist") from error
        except (OSError, RuntimeError):  # Python 3.11 and 3.12 raise RuntimeError for a loop of links
            return "a link that leads back to itself"
        if not target.is_relative_to(self.real_root):
            raise DocumentError("forbidden_link", "a link that leaves the folder; name its target as a source instead")
        inside = target.relative_to(self.real_root).parts
        if not any(part.startswith(".") for part in inside):
            return "a link to something in the same folder, which is read under its own name"
        return target

    def _twin(self, shown: Path, first: Path, second: Path) -> Problem:
        """Return the problem of a second spelling (NFC beside NFD) of one name."""
        try:
            same = filecmp.cmp(first, second, shallow=False) if first.is_file() and second.is_file() else False
        except OSError as error:
            return self._failed(shown, document_error(error))
        if same:
            return self._skipped(shown, "duplicate_name", "the same name and content in another Unicode spelling")
        detail = "another file beside it has the same name in another Unicode spelling; rename one"
        return Problem(file_uri(shown), "failed", "duplicate_name", detail, self.source, self.root)

    def _skipped(self, shown: Path, reason: str, detail: str) -> Problem:
        return Problem(file_uri(shown), "skipped", reason, detail, self.source, self.root)

    def _failed(self, shown: Path, error: DocumentError) -> Problem:
        return Problem(file_uri(shown), "failed", error.reason, error.detail, self.source, self.root)
