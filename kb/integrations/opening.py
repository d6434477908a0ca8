"""Opening a knowledge base for a program that is not `kb`: settings as the commands read them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from indexes.embedding import Embedder
from indexes.store import Store
from kb.retriever import Retriever
from kb.settings import load_settings
from kb.wiring import Application


@dataclass(frozen=True, slots=True)
class KnowledgeBase:
    """A knowledge base that is open for reading: its store, what made its vectors, and what finds passages in it."""

    store: Store
    embedder: Embedder
    retriever: Retriever


@contextmanager
def open_retriever(kb: str = "default", config: str | Path | None = None) -> Iterator[Retriever]:
    """Give what finds passages in the knowledge base `kb`, and close its files and models at the end.

    Settings come from `config`, or else from kb.toml in the working directory, and from the environment, as for the
    commands. Raise ConfigurationError for wrong ones, NotFoundError for no such knowledge base, EmbeddingMismatchError
    where another embedder made it.
    """
    with open_knowledge_base(kb, config) as opened:
        yield opened.retriever


@contextmanager
def open_knowledge_base(kb: str = "default", config: str | Path | None = None) -> Iterator[KnowledgeBase]:
    """Give the knowledge base `kb` with all that reads it, beside a running service too; errors as `open_retriever`."""
    application = Application(load_settings(None if config is None else Path(config), {}, os.environ))
    try:
        retriever = application.retriever(kb)
        yield KnowledgeBase(application.store(kb), application.embedder(), retriever)
    finally:
        application.close()
