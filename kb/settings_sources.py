"""Reading settings from where they are written: a TOML file, environment variables, flags. No validation of values."""

from __future__ import annotations

import difflib
import json
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import get_args, get_origin

from pydantic import BaseModel

from indexes.errors import ConfigurationError
from kb.settings_models import Section, SettingsModel

CONFIG_NAME = "kb.toml"
# Variables of ours that are not settings: the home, tracebacks for developers, and what tests are told by.
_NOT_SETTINGS = ("KB_HOME", "KB_DEBUG")
_TEST_PREFIX = "KB_TEST_"
_FLAGS = {"engine.name": "--engine"}


@dataclass(frozen=True, slots=True)
class Value:
    """One setting as it was written: `key` is `section.name`, `origin` says where."""

    key: str
    value: object
    origin: str


def sections() -> dict[str, type[BaseModel]]:
    """Return the sections of single values by name: not the lists `sources` and `jobs`."""
    found: dict[str, type[BaseModel]] = {}
    for name, field in SettingsModel.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            found[name] = field.annotation
    return found


def known_keys() -> list[str]:
    """Return every `section.name` that can be set by a variable or a flag."""
    return [f"{section}.{key}" for section, model in sections().items() for key in model.model_fields]


def nearest(word: str, known: Iterable[str]) -> str:
    """Return " Did you mean 'x'?" for the known word that is nearest to `word`; "" where nothing is known.

    The right name in the wrong section goes before a similar name in the right one.
    """
    candidates = sorted(known)
    word = word.lower()
    name = word.rpartition(".")[2]
    same = [candidate for candidate in candidates if candidate.rpartition(".")[2] == name]
    close = same or difflib.get_close_matches(word, candidates, n=1, cutoff=0.0)
    return f" Did you mean {close[0]!r}?" if close else ""


def find_config(config: Path | None) -> Path | None:
    """Return the configuration file: `config`, which must exist, or kb.toml in the working directory if it is there."""
    if config is not None:
        if not config.is_file():
            raise ConfigurationError(f"the configuration file {config} does not exist")
        return config
    default = Path(CONFIG_NAME)
    return default if default.is_file() else None


def read_config(path: Path) -> dict[str, object]:
    """Return the tables of a TOML file. Raise ConfigurationError, naming file and place, where it cannot be read."""
    try:
        return tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{path}: {' '.join(str(error).split())}") from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path}: not UTF-8 at byte {error.start}; save the file as UTF-8") from error
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read: {error.strerror}") from error


def read_environment(environment: Mapping[str, str]) -> tuple[list[Value], list[str]]:
    """Return the settings in `KB_SECTION__KEY` variables, and notices about variables that look like misspelt ones.

    A variable with `__` that names no setting raises ConfigurationError. One with a single underscore may belong to
    something else (container platforms set `KB_PORT` and the like), so it is only mentioned where it reads like ours.
    """
    values: list[Value] = []
    notices: list[str] = []
    known = known_keys()
    variables = {f"KB_{key.upper().replace('.', '__')}": key for key in known}
    flat = {variable.replace("__", "_"): variable for variable in variables}
    for variable in sorted(environment):
        if not variable.startswith("KB_") or variable in _NOT_SETTINGS or variable.startswith(_TEST_PREFIX):
            continue
        text = environment[variable]
        if variable in variables:
            key = variables[variable]
            values.append(Value(key, _from_text(key, text), f"environment {variable}"))
        elif "__" in variable:
            dotted = variable.removeprefix("KB_").lower().replace("__", ".")
            raise ConfigurationError(f"{variable} is not a setting.{_as_variable(nearest(dotted, known))}")
        elif variable in flat:
            notices.append(f"{variable} is not read; the setting is {flat[variable]}")
    return values, notices


def read_flags(flags: Mapping[str, object]) -> list[Value]:
    """Return the settings given as flags by `section.name`; None means not given. Raise KeyError for unknown names."""
    known = set(known_keys())
    values = []
    for key, value in flags.items():
        if value is None:
            continue
        if key not in known:
            raise KeyError(key)
        flag = _FLAGS.get(key, "--" + key.rpartition(".")[2].replace("_", "-"))
        values.append(Value(key, value, f"flag {flag}"))
    return values


def _as_variable(suggestion: str) -> str:
    """Return a suggestion of `section.name` respelt as the variable for it."""
    before, quote, rest = suggestion.partition("'")
    key, closing, after = rest.partition("'")
    return before + quote + f"KB_{key.upper().replace('.', '__')}" + closing + after


def _table(key: str, text: str) -> object:
    """Return the table that a variable holds as JSON; without repeating what it holds where that is none."""
    try:
        return json.loads(text) if text.strip() else {}
    except ValueError as error:
        raise ConfigurationError(f"{key}: must be a JSON object of arguments") from error


def _from_text(key: str, text: str) -> object:
    """Return `text` ready for lax validation: lists split at commas, tables as JSON, blank for unset if it may be."""
    section, _, name = key.partition(".")
    annotation = sections()[section].model_fields[name].annotation
    if get_origin(annotation) is list:
        return [part.strip() for part in text.split(",") if part.strip()]
    if get_origin(annotation) is dict:
        return _table(key, text)
    if type(None) in get_args(annotation) and not text.strip():
        return None
    return text
