"""Where our own copies of models lie."""

from __future__ import annotations

import os
from pathlib import Path


def default_models_folder() -> Path:
    """Return the folder that downloads go to where none is configured: `models` in the user's cache folder."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "qwen-kb" / "models"


def model_folder(models_folder: Path, name: str) -> Path:
    """Return where our own folder keeps the model `name`: `organisation/model`, as it is named on the hubs."""
    return models_folder / Path(*name.split("/"))
