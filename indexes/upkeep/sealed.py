"""One file that holds several, every bit of it checked: a zip whose comment is the SHA-256 of all before it.

The member `manifest.json`, the last one, lists the others with their sizes and hashes.
"""

from __future__ import annotations

import hashlib
import json
import re
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO

from indexes.errors import DamagedError
from indexes.storage import files

FORMAT = 1
MANIFEST_NAME = "manifest.json"
_SEAL = 64
_HASH = re.compile(r"[0-9a-f]{64}")
# Members that are worth compressing; originals mostly are compressed already.
_COMPRESSED = (".sqlite", ".json")
# The same bytes for the same content, whenever it is written.
_EPOCH = (1980, 1, 1, 0, 0, 0)


def write_sealed(target: Path, members: Mapping[str, Path], facts: Mapping[str, object]) -> None:
    """Write the files `members` (by name) and what is to be known of them into the new file `target`, durably."""
    listed: dict[str, object] = {}
    with zipfile.ZipFile(target, "w") as archive:
        for name, path in members.items():
            with path.open("rb") as source, archive.open(_info(name), "w", force_zip64=True) as member:
                size, digest = _copy(source, member)
            listed[name] = {"bytes": size, "sha256": digest}
        manifest = {"format": FORMAT, "facts": dict(facts), "files": listed}
        archive.writestr(_info(MANIFEST_NAME), json.dumps(manifest, ensure_ascii=False).encode())
        archive.comment = b"0" * _SEAL
    with target.open("r+b") as file:
        seal = _digest_before_seal(file)
        file.seek(-_SEAL, 2)
        file.write(seal.encode())
    files.sync_file(target)


def read_sealed(source: Path, folder: Path, accepted: Callable[[str], bool], space: int) -> dict[str, object]:
    """Put the members of `source` into the existing `folder` and return what was noted with them.

    Names that are not `accepted` are refused, so nothing is written elsewhere; `accepted` allows one folder deep at
    most. Raise DamagedError, having written only under `folder`, for a file that is not as it was written, and for
    contents of more than `space` bytes.
    """
    _check_seal(source)
    try:
        with zipfile.ZipFile(source) as archive:
            manifest = json.loads(archive.read(MANIFEST_NAME))
            if manifest["format"] != FORMAT:
                raise DamagedError(f"{source.name} has format {manifest['format']}, this release reads {FORMAT}")
            listed = {str(name): (int(one["bytes"]), str(one["sha256"])) for name, one in manifest["files"].items()}
            if sorted([*listed, MANIFEST_NAME]) != sorted(archive.namelist()):
                raise DamagedError(f"{source.name} holds other files than it lists")
            refused = [name for name in listed if not accepted(name)]
            if refused:
                raise DamagedError(f"{source.name} holds {refused[0]!r}, which is no part of a knowledge base")
            if sum(size for size, _ in listed.values()) > space:
                raise DamagedError(f"{source.name} holds more than the disk has room for ({space} bytes)")
            for name, (size, digest) in listed.items():
                _extract(archive, name, folder / name, size, digest, source)
            files.sync_files([folder / name for name in listed])
            facts = dict(manifest["facts"])
    except (
        zipfile.BadZipFile,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        EOFError,
        NotImplementedError,
    ) as error:
        raise DamagedError(f"{source.name} is damaged ({type(error).__name__})") from error
    return facts


def _extract(archive: zipfile.ZipFile, name: str, target: Path, size: int, digest: str, source: Path) -> None:
    target.parent.mkdir(exist_ok=True)
    with archive.open(name) as member, target.open("xb") as file:
        written, found = _copy(member, file, size)
    if (written, found) != (size, digest):
        raise DamagedError(f"{source.name}: {name} does not match its hash")


def _copy(source: IO[bytes], target: IO[bytes], most: int | None = None) -> tuple[int, str]:
    """Copy and return the number of bytes and their SHA-256; stop once there are more than `most`."""
    digest, size = hashlib.sha256(), 0
    while block := source.read(files.READ_BYTES):
        size += len(block)
        if most is not None and size > most:
            break
        digest.update(block)
        target.write(block)
    return size, digest.hexdigest()


def _check_seal(source: Path) -> None:
    with source.open("rb") as file:
        if file.seek(0, 2) <= _SEAL:
            raise DamagedError(f"{source.name} is no export of a knowledge base, or it is cut off")
        file.seek(-_SEAL, 2)
        seal = file.read(_SEAL).decode("latin-1")
        if not _HASH.fullmatch(seal):
            raise DamagedError(f"{source.name} is no export of a knowledge base, or it is cut off")
        if _digest_before_seal(file) != seal:
            raise DamagedError(f"{source.name} is damaged: it does not match its own hash")


def _digest_before_seal(file: IO[bytes]) -> str:
    left = file.seek(0, 2) - _SEAL
    file.seek(0)
    digest = hashlib.sha256()
    while left and (block := file.read(min(files.READ_BYTES, left))):
        digest.update(block)
        left -= len(block)
    return digest.hexdigest()


def _info(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, _EPOCH)
    info.compress_type = zipfile.ZIP_DEFLATED if name.endswith(_COMPRESSED) else zipfile.ZIP_STORED
    info.external_attr = 0o600 << 16
    return info
