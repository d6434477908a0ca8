"""What a command works with: the settings, and the application that is put together from them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from kb.cli import output

if TYPE_CHECKING:
    from kb.settings import Settings
    from kb.wiring import Application


def settings(config: Path | None, flags: Mapping[str, object] | None = None) -> Settings:
    """Return the effective settings; `flags` maps `section.name` to the value of a flag, None where not given."""
    from kb.settings import load_settings

    loaded = load_settings(config, flags or {}, os.environ)
    for text in loaded.notices:
        output.notice(f"kb: {text}")
    return loaded


@contextmanager
def application(config: Path | None, flags: Mapping[str, object] | None = None) -> Iterator[Application]:
    """Yield the application, and close it whatever happens."""
    loaded = settings(config, flags)
    from kb.cli.downloads import ShownDownloads
    from kb.wiring import Application

    opened = Application(loaded, ShownDownloads())
    try:
        yield opened
    finally:
        opened.close()
