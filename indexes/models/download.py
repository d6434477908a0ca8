"""Downloading a model from ModelScope or Hugging Face: whole or not at all, and going on where it broke off."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import httpx

from indexes.errors import EngineUnavailableError
from indexes.models.fetching import fetch
from indexes.models.folders import model_folder
from indexes.models.hubs import HUBS, Hub, RemoteFile
from indexes.models.listening import Download, DownloadListener, log_download, readable
from indexes.models.partial import PartialModel

# Seconds to connect, and without a byte, before a hub counts as out of reach.
_TIMEOUT = httpx.Timeout(15.0, connect=5.0)


def download_model(name: str, revision: str, models_folder: Path, listener: DownloadListener | None = None) -> Path:
    """Download the model `name` into `models_folder` and return its directory.

    Asks ModelScope (MODELSCOPE_ENDPOINT) first, then Hugging Face (HF_ENDPOINT). Every file is checked against its
    size, and its checksum where the hub gives one. Nothing appears under the model's name before all of it is there;
    what came of a download that broke off, even by a kill, is kept beside it, and the next one goes on from there.
    `listener` is told of it, the log where there is none. Raises EngineUnavailableError.
    """
    target = model_folder(models_folder, name)
    partial = PartialModel(target)
    failures: list[str] = []
    try:
        with partial.locked(), httpx.Client(timeout=_TIMEOUT, follow_redirects=True) as client:
            for hub in HUBS:
                try:
                    files = hub.files(client, name, revision)
                    _fetch_all(client, hub, files, partial, (name, revision), listener or log_download)
                except (httpx.HTTPError, httpx.InvalidURL, ValueError, KeyError, TypeError) as error:
                    failures.append(f"{hub.name}: {type(error).__name__} {error}".strip())
                else:
                    partial.publish(files)
                    return target
            kept = partial.bytes()
    except OSError as error:
        raise EngineUnavailableError(f"the model {name} cannot be written to {target}: {error}") from error
    after = f"; {readable(kept)} are kept, and the next download goes on from there" if kept else ""
    raise EngineUnavailableError(f"the model {name} could not be downloaded ({'; '.join(failures)}){after}")


def _fetch_all(
    client: httpx.Client,
    hub: Hub,
    files: Sequence[RemoteFile],
    partial: PartialModel,
    model: tuple[str, str],
    listener: DownloadListener,
) -> None:
    """Fetch what is missing of `files`; raises EngineUnavailableError where the disk has no room for it."""
    size, kept = sum(file.size for file in files), partial.kept(files)
    free = shutil.disk_usage(partial.target.parent).free
    if size - kept > free:
        raise EngineUnavailableError(
            f"the model {model[0]} needs {readable(size - kept)} more in {partial.target.parent}, where"
            f" {readable(free)} are free: set models.folder to another disk"
        )
    progress = listener(Download(*model, hub.name, hub.address, partial.target, size, kept))
    try:
        for file in files:
            fetch(client, file, partial, progress.advances)
    finally:
        progress.ends()
