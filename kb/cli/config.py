"""`kb config`: the effective settings, and where each came from."""

from __future__ import annotations

import json

from kb.cli import output, session
from kb.cli.options import KB, Config, Json


def config(kb: KB = "", config: Config = None, as_json: Json = False) -> None:
    """Show every setting with its value and origin. Secrets are masked."""
    settings = session.settings(config)
    if as_json:
        values = {key: {"value": value, "origin": origin} for key, value, origin in settings.effective()}
        output.emit_json({"settings": values, "config": str(settings.config) if settings.config else None})
        return
    rows = [(key, _shown(value), origin) for key, value, origin in settings.effective()]
    output.table(("setting", "value", "origin"), rows)


def _shown(value: object) -> str:
    if value is None or value == "":
        return "(unset)"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
