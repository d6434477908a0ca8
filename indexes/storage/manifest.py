"""The manifest of a version: what it shows, the hash of every file, and its own checksum.

The bytes of a manifest are canonical: a file that parses but is spelled otherwise is damaged, so no flipped bit
passes, not even one in white space or in the case of an escape.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from indexes.errors import DamagedError
from indexes.records import EmbeddingIdentity, SplitterIdentity

MANIFEST_NAME = "manifest.json"
TOMBSTONES_NAME = "tombstones.npy"
FORMAT = 1


@dataclass(frozen=True, slots=True)
class FileEntry:
    """Size in bytes and SHA-256 (hexadecimal) of one file."""

    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class SegmentEntry:
    """One segment of a version: `count` rows, of which `tombstones` are not shown."""

    segment_id: str
    count: int
    tombstones: int
    files: Mapping[str, FileEntry]

    @property
    def live(self) -> int:
        """Number of rows shown."""
        return self.count - self.tombstones


@dataclass(frozen=True, slots=True)
class Manifest:
    """What one version shows. `documents` and `chunks` count what is live; `published_at` is seconds since 1970.

    `fold_version` is the version of the folding (`indexes.text.matching`) by which the keyword files were made.
    """

    version: int
    published_at: float
    embedding: EmbeddingIdentity
    splitter: SplitterIdentity | None
    fold_version: int
    documents: int
    chunks: int
    restored_from: int | None
    segments: tuple[SegmentEntry, ...]
    files: Mapping[str, FileEntry]


def manifest_bytes(manifest: Manifest) -> bytes:
    """Return the canonical spelling of a manifest, checksum included."""
    body: dict[str, Any] = {
        "format": FORMAT,
        "version": manifest.version,
        "published_at": manifest.published_at,
        "embedding": dataclasses.asdict(manifest.embedding),
        "splitter": None if manifest.splitter is None else dataclasses.asdict(manifest.splitter),
        "fold_version": manifest.fold_version,
        "documents": manifest.documents,
        "chunks": manifest.chunks,
        "restored_from": manifest.restored_from,
        "segments": [
            {
                "id": segment.segment_id,
                "count": segment.count,
                "tombstones": segment.tombstones,
                "files": _files_body(segment.files),
            }
            for segment in manifest.segments
        ],
        "files": _files_body(manifest.files),
    }
    body["checksum"] = hashlib.sha256(_spell(body)).hexdigest()
    return _spell(body)


def parse_manifest(content: bytes, version: int) -> Manifest:
    """Return the manifest of `version`. Raise DamagedError where a byte of it is not as it was written."""
    try:
        body = json.loads(content)
        manifest = Manifest(
            version=body["version"],
            published_at=body["published_at"],
            embedding=EmbeddingIdentity(**body["embedding"]),
            splitter=None if body["splitter"] is None else SplitterIdentity(**body["splitter"]),
            fold_version=body["fold_version"],
            documents=body["documents"],
            chunks=body["chunks"],
            restored_from=body["restored_from"],
            segments=tuple(
                SegmentEntry(entry["id"], entry["count"], entry["tombstones"], _parse_files(entry["files"]))
                for entry in body["segments"]
            ),
            files=_parse_files(body["files"]),
        )
        spelled = manifest_bytes(manifest)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DamagedError(f"the manifest of version {version} cannot be read ({type(error).__name__})") from error
    if spelled != content or manifest.version != version:
        raise DamagedError(f"the manifest of version {version} does not match its checksum")
    return manifest


def segment_bytes(count: int, files: Mapping[str, FileEntry]) -> bytes:
    """Return the canonical content of a segment's own description; its SHA-256 is the segment's id."""
    return _spell({"format": FORMAT, "count": count, "files": _files_body(files)})


def parse_segment(content: bytes) -> tuple[int, dict[str, FileEntry]]:
    """Return the row count and the files of a segment's own description. Raise DamagedError where it is damaged."""
    try:
        body = json.loads(content)
        count, files = int(body["count"]), _parse_files(body["files"])
        spelled = segment_bytes(count, files)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DamagedError(f"a segment's description cannot be read ({type(error).__name__})") from error
    if spelled != content:
        raise DamagedError("a segment's description is not as it was written")
    return count, files


def _spell(body: Mapping[str, Any]) -> bytes:
    return json.dumps(body, sort_keys=True, indent=1, ensure_ascii=True, allow_nan=False).encode("ascii") + b"\n"


def _files_body(files: Mapping[str, FileEntry]) -> dict[str, dict[str, int | str]]:
    return {name: {"bytes": entry.bytes, "sha256": entry.sha256} for name, entry in files.items()}


def _parse_files(body: Mapping[str, Any]) -> dict[str, FileEntry]:
    return {name: FileEntry(entry["bytes"], entry["sha256"]) for name, entry in body.items()}
