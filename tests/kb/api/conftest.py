"""A filled knowledge base, and servers over it or over an empty home."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from kb.api.dependencies import ServiceOptions
from kb.engines.base import Engine
from tests.kb.api.serving import DOCUMENTS, RunningService, make_application


@pytest.fixture(scope="session")
def filled_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a KB_HOME whose default knowledge base holds the documents. Tests must not change it."""
    folder = tmp_path_factory.mktemp("served")
    documents = folder / "documents"
    documents.mkdir()
    for name, text in DOCUMENTS.items():
        (documents / name).write_text(text, encoding="utf-8")
    (documents / "broken.pdf").write_bytes(b"%PDF-1.7\nrubbish")
    application = make_application(folder / "home")
    application.pipeline("default").ingest([str(documents)])
    application.close()
    return folder / "home"


@pytest.fixture(scope="session")
def served(filled_home: Path) -> Iterator[RunningService]:
    """Return a service over the filled home, shared by the tests that only read."""
    application = make_application(filled_home)
    running = RunningService(application, ServiceOptions())
    yield running
    running.stop()
    application.close()


@pytest.fixture
def serve_home(tmp_path: Path) -> Iterator[Callable[..., RunningService]]:
    """Return a function that serves a home (an empty one by default), stopped at the end of the test."""
    running: list[RunningService] = []

    def start(
        home: Path | None = None,
        options: ServiceOptions | None = None,
        engine: Engine | None = None,
        flags: Mapping[str, object] | None = None,
    ) -> RunningService:
        application = make_application(home or tmp_path / "home", engine, flags)
        running.append(RunningService(application, options or ServiceOptions()))
        return running[-1]

    yield start
    for one in running:
        one.stop()
        one.application.close()
