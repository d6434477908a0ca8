"""Where a model's files are: a directory, our own folder, the caches of the hubs, and only then a download."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from indexes.errors import EngineUnavailableError
from indexes.models.folders import default_models_folder, model_folder

if TYPE_CHECKING:
    from indexes.models.listening import DownloadListener

ModelKind = Literal["embedding", "engine", "reranker"]
_SETTINGS = {"embedding": "embedding.model", "engine": "engine.model", "reranker": "retrieval.reranker"}


def resolve_model(
    name_or_path: str,
    kind: ModelKind,
    offline: bool = True,
    models_folder: Path | None = None,
    revision: str = "",
    on_download: DownloadListener | None = None,
) -> Path:
    """Return the directory that holds the model `name_or_path`.

    Looked for in this order: a directory of that path; `models_folder`; the cache of Hugging Face; that of ModelScope.
    Only where `offline` is False and neither HF_HUB_OFFLINE nor TRANSFORMERS_OFFLINE is set, it is then downloaded,
    from ModelScope or else Hugging Face; `on_download` is told of it, the log where it is None. `kind` names the
    setting in messages (`embedding.model`).

    Raises EngineUnavailableError that names the command or setting to use.
    """
    given = Path(name_or_path).expanduser()
    if (given / "config.json").is_file():
        return given.resolve()
    if given.exists():
        raise EngineUnavailableError(
            f"{given} is no model directory: it has no config.json (setting {_SETTINGS[kind]})"
        )
    if not _is_hub_name(name_or_path):
        raise EngineUnavailableError(f"there is no model directory {given}: correct the setting {_SETTINGS[kind]}")
    for folder in _cached(name_or_path, revision, models_folder):
        if (folder / "config.json").is_file():
            return folder
    if offline or _told_offline():
        raise EngineUnavailableError(
            f"the model {name_or_path} is not on this machine: run `kb models pull {name_or_path}` where there is a"
            f" network, or set {_SETTINGS[kind]} to a directory that holds it"
        )
    from indexes.models.download import download_model

    return download_model(name_or_path, revision, models_folder or default_models_folder(), on_download)


def _is_hub_name(name: str) -> bool:
    # What begins with a dot in our own folder is a download on its way.
    parts = name.split("/")
    return len(parts) <= 2 and all(part and part[0] != "." and "\\" not in part and "\0" not in part for part in parts)


def _cached(name: str, revision: str, models_folder: Path | None) -> Iterator[Path]:
    """Yield the folders where the model may be, in order of preference."""
    if not revision:
        # Our own folder keeps one revision of a model and does not say which.
        yield model_folder(models_folder or default_models_folder(), name)
    yield from _hugging_face_snapshots(name, revision)
    if not revision:
        yield from _modelscope_folders(name)


def _hugging_face_snapshots(name: str, revision: str) -> Iterator[Path]:
    home = Path(os.environ.get("HF_HOME") or Path.home() / ".cache" / "huggingface")
    hub = Path(os.environ.get("HF_HUB_CACHE") or home / "hub")
    repository = hub / ("models--" + name.replace("/", "--"))
    reference = repository / "refs" / (revision or "main")
    if reference.is_file():
        yield repository / "snapshots" / reference.read_text(encoding="utf-8").strip()
    if revision:
        yield repository / "snapshots" / revision
    elif (repository / "snapshots").is_dir():
        newest = sorted((repository / "snapshots").iterdir(), key=lambda folder: folder.stat().st_mtime, reverse=True)
        yield from newest


def _modelscope_folders(name: str) -> Iterator[Path]:
    cache = Path(os.environ.get("MODELSCOPE_CACHE") or Path.home() / ".cache" / "modelscope")
    organisation, _, model = name.rpartition("/")
    # ModelScope writes a dot in a model's name as three underscores, and older versions kept no `models` level.
    for spelling in (model.replace(".", "___"), model):
        for base in (cache / "hub" / "models", cache / "models", cache / "hub", cache):
            yield base / organisation / spelling


def _told_offline() -> bool:
    return any(
        os.environ.get(name, "").strip().lower() in ("1", "on", "yes", "true")
        for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
    )
