"""Where things lie: the home of all knowledge bases, the folder of one, and the profiles that ship with the package."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from pathlib import Path

from indexes.errors import ConfigurationError, UsageError

PROFILES = ("embedded", "cpu", "gpu", "cluster")

_NAME = re.compile(r"[\w.-]{1,64}")
# The ledger of the jobs and the files that SQLite keeps beside it lie where knowledge bases lie.
LEDGER_NAME = "jobs.sqlite"


def default_home() -> Path:
    """Return the folder that holds all knowledge bases where KB_HOME is not set: the platform's user data folder."""
    from platformdirs import user_data_path

    return user_data_path("qwen-kb", appauthor=False)


def home_from(environment: Mapping[str, str]) -> Path | None:
    """Return the folder named by KB_HOME, absolute and with `~` expanded, or None where it is unset or blank."""
    value = environment.get("KB_HOME", "").strip()
    return absolute(value) if value else None


def absolute(value: str) -> Path:
    """Return `value` as an absolute path, `~` expanded, links left as they are."""
    try:
        return Path(value).expanduser().absolute()
    except RuntimeError as error:
        raise ConfigurationError(f"{value!r}: the home folder of that user is not known") from error


def check_name(name: str) -> str:
    """Return `name`, NFC-normalised, where it can name a knowledge base; raise UsageError otherwise.

    1 to 64 letters of any script, digits, `_`, `-` and `.`, not beginning with a dot or a dash: the name is a folder
    under KB_HOME, so nothing that could leave it or hide in it is allowed.
    """
    normal = unicodedata.normalize("NFC", name)
    if not _NAME.fullmatch(normal) or normal[0] in ".-":
        raise UsageError(
            f"{name!r} cannot name a knowledge base: use 1 to 64 letters, digits, '_', '-' or '.', not starting with "
            "'.' or '-'"
        )
    if normal.casefold().startswith(LEDGER_NAME):
        raise UsageError(f"{name!r} cannot name a knowledge base: KB_HOME keeps the history of jobs under that name")
    return normal


def knowledge_base_path(home: Path, name: str) -> Path:
    """Return the folder of the knowledge base `name`, which need not exist. Raise UsageError for a bad name."""
    return home / check_name(name)


def profile_text(name: str) -> str:
    """Return the TOML text of a shipped profile: one of `PROFILES`. Raise UsageError for another name."""
    if name not in PROFILES:
        raise UsageError(f"no profile {name!r}; there are: {', '.join(PROFILES)}")
    package = Path(__file__).resolve().parent
    # In a wheel the profiles lie inside the package; in a checkout they are the files of configs/.
    for folder in (package / "profiles", package.parent / "configs"):
        path = folder / f"{name}.toml"
        if path.is_file():
            return path.read_text(encoding="utf-8")
    raise ConfigurationError(f"the profile {name!r} is missing from this installation: install qwen-kb again")
