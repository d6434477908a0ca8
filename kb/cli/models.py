"""`kb models`: which models are known and here, fetching one, and trying one."""

from __future__ import annotations

import re
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from indexes.errors import EngineUnavailableError, UsageError
from kb.cli import output, session
from kb.cli.options import Config, Json

if TYPE_CHECKING:
    from kb.known_models import Kind
    from kb.settings import Settings
    from kb.settings_models import ModelSettings

app = typer.Typer(help="Models: list, fetch and try them.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(metavar="NAME", help="A name on the hubs, or a directory.")]
# A leading dot is that of a download on its way.
_ON_HUBS = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")
_SENTENCE = "知识库问答：年休假有几天？"


@app.command("list")
def list_(config: Config = None, as_json: Json = False) -> None:
    """List known models, what they need, and which of them are on this machine."""
    from kb.known_models import KNOWN_MODELS, MEMORY_TOKENS

    settings = session.settings(config)
    rows = [(model, _place(model.name, model.kind, settings)) for model in KNOWN_MODELS]
    if as_json:
        output.emit_json(
            {
                "models": [
                    {
                        "name": model.name,
                        "kind": model.kind,
                        "parameters_billion": model.billions,
                        "gigabytes": model.gigabytes,
                        "cache_kibibytes_per_token": model.cache_kibibytes,
                        "memory_gigabytes": round(model.memory, 1),
                        "licence": model.licence,
                        "note": model.note,
                        "path": str(place) if place else None,
                    }
                    for model, place in rows
                ]
            }
        )
        return
    output.table(
        ("name", "kind", "parameters", "download", "memory", "licence", "here", "note"),
        [
            (
                model.name,
                model.kind,
                f"{model.billions:g}B" if model.kind == "engine" else f"{1000 * model.billions:g}M",
                f"{model.gigabytes:g} GB",
                f"{model.memory:.1f} GB",
                model.licence,
                "yes" if place else "no",
                model.note,
            )
            for model, place in rows
        ],
    )
    output.notice(f"memory: on a GPU, with {MEMORY_TOKENS} tokens of prompt and answer; --json says where a model is.")


@app.command()
def pull(name: Name, config: Config = None, as_json: Json = False) -> None:
    """Download a model from ModelScope or Hugging Face; after a break the same command goes on where it was."""
    from indexes.models.download import download_model
    from indexes.models.folders import default_models_folder
    from kb.cli.downloads import show_download
    from kb.known_models import KNOWN_MODELS

    if not _ON_HUBS.fullmatch(name) or ".." in name:
        raise UsageError(f"{name} is no name on the hubs: give organisation/model, as in {KNOWN_MODELS[0].name}")
    folder = _models_folder(session.settings(config)) or default_models_folder()
    try:
        place = download_model(name, "", folder, show_download)
    except KeyboardInterrupt:
        output.notice("What came is kept: the same command goes on from there.")
        raise
    if as_json:
        output.emit_json({"name": name, "path": str(place)})
    else:
        output.line(f"{name} is at {place}.")


@app.command()
def check(name: Name, config: Config = None, as_json: Json = False) -> None:
    """Load a model and run one sentence through it."""
    from kb.known_models import kind_of

    settings = session.settings(config)
    kind = kind_of(Path(name).name if Path(name).is_dir() else name)
    said = {"embedding": _embed, "engine": _generate, "reranker": _rerank}[kind](name, settings)
    if as_json:
        output.emit_json({"name": name, "kind": kind, "result": said})
    else:
        output.line(f"{name} works: {said}.")


def _embed(name: str, settings: Settings) -> str:
    from kb.making import make_embedder

    # A revision is one of the model that it was set for.
    revision = settings.embedding.revision if name == settings.embedding.model else ""
    chosen = settings.embedding.model_copy(update={"name": "bge", "model": name, "revision": revision})
    embedder = make_embedder(chosen, _offline(settings))
    vector = embedder.embed_query(_SENTENCE)
    return f"one sentence gave a vector of {vector.shape[0]} dimensions"


def _rerank(name: str, settings: Settings) -> str:
    from kb.making import make_bge_reranker

    reranker = make_bge_reranker(name, settings.embedding, _offline(settings))
    score = float(reranker.scores(_SENTENCE, [_SENTENCE])[0])
    return f"a passage got the score {score:.4f}; it reads {reranker.directory.max_tokens} tokens at once"


def _generate(name: str, settings: Settings) -> str:
    from kb.engines.base import GenerationOptions
    from kb.engines.qwen.engine import QwenEngine
    from kb.making import make_run_options
    from kb.records import Message, Prompt, Usage

    engine = QwenEngine(name, make_run_options(settings.engine), models_folder=_models_folder(settings))
    output.notice(f"memory: {engine.check_memory().line()}")
    prompt = Prompt((Message("user", _SENTENCE),), (), _SENTENCE, "zh", "check")
    options = GenerationOptions(max_new_tokens=16, temperature=0.0)
    try:
        for piece in engine.stream(prompt, options, threading.Event()):
            # A model that thinks comes to no answer within so few tokens, which the engine says behind this.
            if isinstance(piece, Usage):
                return f"it read {piece.prompt_tokens} tokens and wrote {piece.completion_tokens}"
    finally:
        engine.close()
    raise EngineUnavailableError(f"{name} loaded, but generated nothing")


def _place(name: str, kind: Kind, settings: Settings) -> Path | None:
    from indexes.models.files import resolve_model

    try:
        return resolve_model(name, kind, offline=True, models_folder=_models_folder(settings))
    except EngineUnavailableError:
        return None


def _offline(settings: Settings) -> ModelSettings:
    return settings.models.model_copy(update={"offline": True})


def _models_folder(settings: Settings) -> Path | None:
    return Path(settings.models.folder) if settings.models.folder else None
