"""The checks of `kb doctor`: the installation, the home, and the configured embedder and engine."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from indexes.errors import ConfigurationError, EngineUnavailableError, KBError

if TYPE_CHECKING:
    from kb.engines.openai.endpoints import ServerAddress
    from kb.settings import Settings
    from kb.settings_models import ModelSettings

_LEAST_FREE = 1 << 30
_BASE = ("faiss", "pypdfium2", "trafilatura", "fastapi", "uvicorn", "apscheduler", "opencc", "langchain_text_splitters")
_EXTRAS = {
    "local": ("torch", "transformers", "sentence_transformers"),
    "llama-index": ("llama_index",),
    "ocr": ("rapidocr_onnxruntime",),
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report. `exit_code` counts only for a problem."""

    level: Literal["ok", "note", "problem"]
    subject: str
    detail: str
    exit_code: int = 0


def installation() -> list[Finding]:
    """Check Python and the packages: the base must be there, extras may be."""
    version = platform.python_version()
    found = [
        Finding("ok", "python", f"{version} on {platform.system()} {platform.machine()}")
        if sys.version_info >= (3, 11)
        else Finding("problem", "python", f"{version}; 3.11 or later is needed", ConfigurationError.exit_code)
    ]
    missing = [name for name in _BASE if importlib.util.find_spec(name) is None]
    if missing:
        detail = f"missing: {', '.join(missing)}; run: pip install --force-reinstall qwen-kb"
        found.append(Finding("problem", "packages", detail, ConfigurationError.exit_code))
    else:
        found.append(Finding("ok", "packages", f"qwen-kb {_version('qwen-kb')}, faiss {_version('faiss-cpu')}"))
    for extra, modules in _EXTRAS.items():
        absent = [name for name in modules if importlib.util.find_spec(name) is None]
        if absent:
            found.append(Finding("note", f"extra {extra}", f'not installed: pip install "qwen-kb[{extra}]"'))
        else:
            found.append(Finding("ok", f"extra {extra}", "installed"))
    return found


def configured(settings: Settings) -> list[Finding]:
    """Check what the settings name: the home, the embedder, the engine and the devices."""
    where = str(settings.config) if settings.config else "no kb.toml here; defaults and environment"
    found = [Finding("ok", "configuration", where), _home(settings.home)]
    found.append(_resolves("embedder", _embedder_detail, settings))
    found.append(_resolves("engine", _engine_detail, settings))
    if settings.retrieval.reranker != "none":
        found.append(_resolves("reranker", _reranker_detail, settings))
    if importlib.util.find_spec("torch") is not None:
        found.append(_device())
    if settings.serve.host not in ("127.0.0.1", "::1", "localhost"):
        guard = "with a key" if settings.serve.api_key else "WITHOUT a key (serve.allow_remote)"
        found.append(Finding("note", "service", f"listens on {settings.serve.host} {guard}"))
    return found


def _home(home: Path) -> Finding:
    """Check that the home can be written, by writing, and how much room there is."""
    code = ConfigurationError.exit_code
    existing = next(folder for folder in (home, *home.parents) if folder.exists())
    try:
        with tempfile.TemporaryFile(dir=existing) as file:
            file.write(b"0")
            file.flush()
    except OSError as error:
        return Finding("problem", "KB_HOME", f"{home} cannot be written: {error.strerror}", code)
    free = shutil.disk_usage(existing).free
    if free < _LEAST_FREE:
        return Finding("problem", "KB_HOME", f"{home}: only {free >> 20} MiB free", code)
    return Finding("ok", "KB_HOME", f"{home} ({free >> 30} GiB free)")


def _resolves(subject: str, detail_of: Callable[[Settings], str], settings: Settings) -> Finding:
    """Return what `detail_of` says, or its error as a problem."""
    try:
        return Finding("ok", subject, detail_of(settings))
    except KBError as error:
        return Finding("problem", subject, str(error), error.exit_code)


def _embedder_detail(settings: Settings) -> str:
    from kb.making import make_embedder

    embedder = make_embedder(settings.embedding, _only_looking(settings))
    identity = embedder.identity
    detail = f"{identity.name}, {identity.model}, {identity.dimension} dimensions, {identity.max_tokens} tokens"
    if identity.name == "hash":
        return detail
    from indexes.embedders.bge import BgeEmbedder

    return f"{detail}, {embedder.foreseen_runtime}" if isinstance(embedder, BgeEmbedder) else detail


def _reranker_detail(settings: Settings) -> str:
    """Say which reranker is used and how, after reading its directory; its weights are not loaded."""
    from indexes.rerankers.bge import BgeReranker
    from kb.making import make_reranking

    reranking = make_reranking(settings.retrieval, settings.embedding, _only_looking(settings))
    assert reranking is not None
    if isinstance(reranking.reranker, BgeReranker):
        reranking.reranker.require_device()
    return f"{reranking.reranker.identity}, over {reranking.candidates} passages, {reranking.weight:g} of the score"


def _engine_detail(settings: Settings) -> str:
    """Say which engine answers, after finding its model or reaching its server; nothing large is loaded."""
    engine = settings.engine
    if engine.name == "qwen":
        from indexes.models.files import resolve_model

        folder = Path(settings.models.folder) if settings.models.folder else None
        place = resolve_model(engine.model, "engine", offline=True, models_folder=folder)
        return f"qwen, {place}; {_memory(place, settings)}"
    if engine.name == "openai":
        from kb.making import server_addresses

        return f"openai at {_servers(server_addresses(engine), engine.ca_file)}"
    return "extractive, needs no model"


def _only_looking(settings: Settings) -> ModelSettings:
    """Return where models are looked for: a check downloads none, also where the use of one may."""
    return settings.models.model_copy(update={"offline": True})


def _servers(addresses: Sequence[ServerAddress], ca_file: str) -> str:
    """Describe each configured server, those that do not answer too; raise where none does."""
    from kb.cli.probes import about

    said, dead = [], []
    for address in addresses:
        try:
            said.append(about(address, ca_file))
        except EngineUnavailableError as error:
            said.append(f"{address.base_url}: DOES NOT ANSWER ({error})")
            dead.append(error)
    if len(dead) == len(said):
        raise dead[0] if len(dead) == 1 else EngineUnavailableError("; ".join(map(str, dead)))
    return "; ".join(said)


def _memory(place: Path, settings: Settings) -> str:
    """Return the memory that a model of this process takes; raise EngineUnavailableError where it does not fit."""
    from kb.engines.qwen.engine import QwenEngine
    from kb.making import make_run_options

    return QwenEngine(str(place), make_run_options(settings.engine)).check_memory().line()


def _device() -> Finding:
    import torch

    if torch.cuda.is_available():
        names = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
        return Finding("ok", "device", f"CUDA {torch.version.cuda}: {', '.join(names)}")
    return Finding(
        "note", "device", f"torch {torch.__version__} without a CUDA device: what is left to choose runs on the CPU"
    )


def _version(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return "(not installed as a package)"
