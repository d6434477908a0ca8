"""The application puts the parts together from settings, when they are first asked for."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from indexes.errors import ConfigurationError, EmbeddingMismatchError, EngineUnavailableError, NotFoundError, UsageError
from kb.records import Question
from kb.settings import load_settings
from kb.wiring import Application


@pytest.fixture
def application(kb_home: Path) -> Iterator[Application]:
    """Yield an application on an empty home."""
    opened = make(kb_home)
    yield opened
    opened.close()


def make(home: Path, **variables: str) -> Application:
    return Application(load_settings(None, {}, {"KB_HOME": str(home), **variables}))


def ingest(application: Application, kb: str, text: str) -> None:
    Path("a.txt").write_text(text, encoding="utf-8")
    application.pipeline(kb).ingest(["a.txt"])


def test_an_ingest_makes_the_knowledge_base_that_questions_need(application: Application) -> None:
    """Nothing is there before the first ingest; then the same application answers, and sees later versions."""
    assert application.knowledge_bases() == []
    for part in (application.store, application.retriever, application.answerer):
        with pytest.raises(NotFoundError):
            part("手册")
    ingest(application, "手册", "公司的年会在每年十二月举行。")
    assert application.knowledge_bases() == ["手册"]
    answerer = application.answerer("手册")
    assert "十二月" in answerer.answer(Question("公司的年会在几月举行？")).answer
    ingest(application, "手册", "公司的年会在每年一月举行。")
    answer = answerer.answer(Question("公司的年会在几月举行？"))
    assert (answer.version, answer.kb) == (2, "手册")
    assert "一月" in answer.answer


def test_parts_are_made_once(application: Application) -> None:
    """Stores, retrievers, engines and the embedder are shared by all requests of a process."""
    ingest(application, "default", "一句话。")
    assert application.store("default") is application.store("default")
    assert application.retriever("default") is application.retriever("default")
    assert application.engine() is application.engine("extractive")
    assert application.embedder() is application.embedder()


def test_names_are_checked_everywhere(application: Application) -> None:
    """No part takes a name that could leave the home."""
    for part in (
        application.store,
        application.pipeline,
        application.retriever,
        application.answerer,
        application.folder,
    ):
        with pytest.raises(UsageError):
            part("../elsewhere")


def test_an_unknown_engine_is_wrong_usage(application: Application) -> None:
    """A request may name an engine; one that does not exist is wrong usage, one without settings is unavailable."""
    with pytest.raises(UsageError, match="there is no engine 'gpt'"):
        application.engine("gpt")
    with pytest.raises(EngineUnavailableError, match=r"engine\.model"):
        application.engine("qwen")
    with pytest.raises(EngineUnavailableError, match=r"engine\.base_url"):
        application.engine("openai")


def test_chunks_must_fit_the_embedder(kb_home: Path) -> None:
    """A budget over what the embedder reads would cut passages silently, and is refused."""
    with pytest.raises(ConfigurationError, match=r"ingest\.chunk_tokens is 600"):
        make(kb_home, KB_INGEST__CHUNK_TOKENS="600").pipeline("default")


def test_a_key_variable_that_is_not_set_is_said(kb_home: Path) -> None:
    """The server's key comes from the variable that the settings name."""
    variables = {"KB_ENGINE__NAME": "openai", "KB_ENGINE__BASE_URL": "http://127.0.0.1:9/v1"}
    application = make(kb_home, KB_ENGINE__API_KEY_ENV="NO_SUCH_KEY", **variables)
    with pytest.raises(ConfigurationError, match="NO_SUCH_KEY, which is not set"):
        application.engine()


def test_another_embedder_is_refused_until_it_takes_over(
    application: Application, kb_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Searching and ingesting refuse an index of another embedder; managing it works; `force` takes it over."""
    from indexes.embedders.hash import HashEmbedder

    ingest(application, "default", "公司的年会在每年十二月举行。")
    monkeypatch.setattr("kb.wiring.make_embedder", lambda *_: HashEmbedder(256))
    other = make(kb_home)
    with pytest.raises(EmbeddingMismatchError):
        other.retriever("default").retrieve("年会")
    with pytest.raises(EmbeddingMismatchError):
        other.pipeline("default").ingest(["a.txt"])
    assert other.store("default").counts().documents == 1
    report = other.pipeline("default", force=True).ingest(["a.txt"], force=True)
    assert (report.changed, report.embedded) == (1, report.chunks)
    assert other.retriever("default").retrieve("年会").hits
    other.close()


def test_a_closed_application_can_be_used_again(application: Application) -> None:
    """Closing releases everything; what is asked for afterwards is made anew."""
    ingest(application, "default", "一句话。")
    first = application.store("default")
    application.close()
    application.close()
    assert application.store("default") is not first
    assert application.store("default").counts().documents == 1


def test_wiring_imports_no_part_before_it_is_asked_for() -> None:
    """Importing the wiring costs nothing of what it puts together."""
    script = "import sys, kb.wiring; print([m for m in sys.modules if m in ('numpy', 'faiss', 'torch', 'fastapi')])"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
