"""Loading the settings once: defaults, then the configuration file, then the environment, then flags."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ValidationError

from indexes.errors import ConfigurationError
from kb import paths
from kb.settings_checks import check, resolve_paths
from kb.settings_models import (
    AnswerSettings,
    EmbeddingSettings,
    EngineSettings,
    IngestSettings,
    JobSettings,
    ModelSettings,
    RetrievalSettings,
    ServeSettings,
    SettingsModel,
    SourceSettings,
)
from kb.settings_sources import (
    Value,
    find_config,
    known_keys,
    nearest,
    read_config,
    read_environment,
    read_flags,
    sections,
)

SECRETS = frozenset({"serve.api_key", "ingest.passwords", "embedding.arguments"})
# Where the name of a variable is asked for, the key itself is what is written by mistake.
_NEVER_SHOWN = SECRETS | {"engine.api_key_env", "engine.endpoints"}
_WORDS = {
    "Input should be": "must be",
    "String should": "must",
    "List should": "must",
}
MASK = "********"


@dataclass(frozen=True, slots=True)
class Settings:
    """The effective settings. `origins` gives for each `section.name` where its value came from.

    An origin is "default", "FILE" (the configuration file's path), "environment KB_…" or "flag --…". `notices` are
    for the reader of the command line. Relative paths of sources are already absolute.
    """

    home: Path
    embedding: EmbeddingSettings
    engine: EngineSettings
    retrieval: RetrievalSettings
    answer: AnswerSettings
    ingest: IngestSettings
    serve: ServeSettings
    models: ModelSettings
    sources: tuple[SourceSettings, ...]
    jobs: tuple[JobSettings, ...]
    origins: Mapping[str, str]
    config: Path | None
    notices: tuple[str, ...]

    def effective(self) -> Iterator[tuple[str, object, str]]:
        """Yield (key, value, origin) of every setting, secrets masked, `[[sources]]` and `[[jobs]]` by index."""
        yield "home", str(self.home), self.origins["home"]
        for section in sections():
            for key, value in getattr(self, section).model_dump().items():
                dotted = f"{section}.{key}"
                yield dotted, MASK if dotted in SECRETS and value else value, self.origins[dotted]
        for section, entries in (("sources", self.sources), ("jobs", self.jobs)):
            for index, entry in enumerate(entries):
                for key, value in entry.model_dump().items():
                    # A reader's arguments often hold a token, under any name.
                    shown = dict.fromkeys(value, MASK) if key == "arguments" else value
                    yield f"{section}.{index}.{key}", shown, self.origins[section]


def load_settings(config: Path | None, flags: Mapping[str, object], environment: Mapping[str, str]) -> Settings:
    """Return the effective settings.

    `config` is the file given by `--config`, or None for kb.toml in the working directory where there is one; `flags`
    maps `section.name` to a value or None. Raises ConfigurationError, one line that names the file or variable and the
    key, for anything unknown, out of range or contradictory.
    """
    path = find_config(config)
    data = read_config(path) if path else {}
    model = _from_file(data, path)
    origins = {"home": "default", "sources": "default", "jobs": "default"}
    for section, kind in sections().items():
        written = data.get(section, {})
        for key in kind.model_fields:
            in_file = isinstance(written, dict) and key in written
            origins[f"{section}.{key}"] = str(path) if in_file else "default"
    origins.update({name: str(path) for name in ("home", "sources", "jobs") if name in data})
    values, notices = read_environment(environment)
    for value in [*values, *read_flags(flags)]:
        _assign(model, value)
        origins[value.key] = value.origin
    home = paths.home_from(environment)
    if home is not None:
        origins["home"] = "environment KB_HOME"
    else:
        home = _home_of_file(model.home, path) if model.home else paths.default_home()
    resolve_paths(model, path, origins)
    check(model, path, origins)
    return Settings(
        home=home,
        embedding=model.embedding,
        engine=model.engine,
        retrieval=model.retrieval,
        answer=model.answer,
        ingest=model.ingest,
        serve=model.serve,
        models=model.models,
        sources=tuple(model.sources),
        jobs=tuple(model.jobs),
        origins=origins,
        config=path,
        notices=tuple(notices),
    )


def _from_file(data: dict[str, object], path: Path | None) -> SettingsModel:
    """Return the model of what the file says; in a file types are exact ("5" is no number)."""
    try:
        return SettingsModel.model_validate(data, strict=True)
    except ValidationError as error:
        raise ConfigurationError(f"{path}: {_first_problem(error)}") from error


def _assign(model: SettingsModel, value: Value) -> None:
    """Set one value, converting text to the type of the setting."""
    section, _, key = value.key.partition(".")
    target: BaseModel = getattr(model, section)
    try:
        # Validation of a single field: the whole section was valid before.
        type(target).__pydantic_validator__.validate_assignment(target, key, value.value)
    except ValidationError as error:
        message = _first_problem(error, section)
        raise ConfigurationError(f"{value.origin}: {message}") from error


def _first_problem(error: ValidationError, prefix: str = "") -> str:
    """Return one line about the first problem, unknown keys before wrong values."""
    problems = sorted(error.errors(include_url=False), key=lambda problem: problem["type"] != "extra_forbidden")
    problem = problems[0]
    place = [str(part) for part in problem["loc"]]
    dotted = ".".join([prefix, *place] if prefix else place)
    if problem["type"] == "extra_forbidden":
        return f"unknown key {dotted!r}.{_suggestion(place)}"
    if problem["type"] == "missing":
        return f"{dotted}: is missing"
    message = problem["msg"].partition(", unable to")[0]
    if problem["type"] == "model_type":
        message = f"must be a table: [{dotted}]"
    for theirs, ours in _WORDS.items():
        message = message.replace(theirs, ours)
    secret = any(dotted == name or dotted.startswith(f"{name}.") for name in _NEVER_SHOWN)
    shown = "" if secret else f", not {_short(problem['input'])}"
    return f"{dotted}: {message}{shown}"


def _suggestion(place: list[str]) -> str:
    """Return a suggestion for the unknown key at `place` of a configuration file."""
    lists: dict[str, type[BaseModel]] = {"sources": SourceSettings, "jobs": JobSettings}
    if place[0] in lists:
        return nearest(place[-1], lists[place[0]].model_fields)
    if len(place) > 1:
        return nearest(".".join(place), known_keys())
    misplaced = [key for key in known_keys() if key.endswith(f".{place[0]}")]
    return nearest(place[0], misplaced or SettingsModel.model_fields)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _home_of_file(home: str, path: Path | None) -> Path:
    """Return the `home` of a configuration file, relative to the folder of that file."""
    assert path is not None
    return (path.absolute().parent / Path(home).expanduser()).absolute()
