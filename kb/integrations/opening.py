"""Opening a knowledge base for a program that is not `kb`: settings as the commands read them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kb.retriever import Retriever
from kb.settings import load_settings
from kb.wiring import Application


@contextmanager
def open_retriever(kb: str = "default", config: str | Path | None = None) -> Iterator[Retriever]:
    """Give what finds passages in the knowledge base `kb`, and close its files and models at the end.

    Settings come from `config`, or else from kb.toml in the working directory, and from the environment, as for the
    commands. Raise ConfigurationError for wrong ones, NotFoundError for no such knowledge base, EmbeddingMismatchError
    where another embedder made it.
    """
    application = Application(load_settings(None if config is None else Path(config), {}, os.environ))
    try:
        yield application.retriever(kb)
    finally:
        application.close()
