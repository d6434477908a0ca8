"""What a command works with: the settings, and the application that is put together from them."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from kb.cli import output

LOADING_LOG: Final = "kb.engines.qwen.loading"
"""Where the memory of a model is worked out and its loading is told, at level INFO."""

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
    from kb.cli.downloads import show_download
    from kb.wiring import Application

    _show_loading()
    opened = Application(loaded, show_download)
    try:
        yield opened
    finally:
        opened.close()


class _Notices(logging.Handler):
    """Shows records as notices."""

    def emit(self, record: logging.LogRecord) -> None:
        output.notice(record.getMessage())


def _show_loading() -> None:
    """Show on standard error what loading a model of this process takes, unless logging was arranged already."""
    log = logging.getLogger(LOADING_LOG)
    if not logging.getLogger().handlers and not log.handlers:
        log.addHandler(_Notices())
        log.setLevel(logging.INFO)
