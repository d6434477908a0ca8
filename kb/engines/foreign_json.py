"""JSON that others wrote: servers and the directories of models."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def parse(text: str | bytes) -> Any:
    """Return the value of a JSON text; raise ValueError for all that is none, and for one nested too deep to read."""
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("JSON nested too deep") from None


def table(value: object) -> Mapping[str, Any]:
    """Return an object as it is, and an empty one for all that is none."""
    return value if isinstance(value, dict) else {}
