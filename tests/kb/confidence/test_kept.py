"""A fitted confidence is in force from the next question on, also in a service that was running before."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from indexes.embedders.hash import HashEmbedder
from indexes.errors import DamagedError
from kb.confidence.estimate import Confidence
from kb.confidence.kept import CONFIDENCE_NAME, KeptConfidence, write_confidence
from tests.kb.api.conftest import serve_home  # noqa: F401 - a fixture
from tests.kb.api.serving import CHINESE, DOCUMENTS, RunningService

IDENTITY = HashEmbedder().identity
STRICT, MILD = Confidence({"keyword": 1.0}, -40.0), Confidence({"keyword": 1.0}, 40.0)


def test_a_running_service_takes_up_a_new_fit(serve_home: Callable[..., RunningService], tmp_path: Path) -> None:  # noqa: F811
    """A fit refuses the question that was answered before, another answers it, and without a fit what ships judges."""
    running = serve_home()
    (tmp_path / "vacation.txt").write_text(DOCUMENTS["vacation.txt"], encoding="utf-8")
    running.application.pipeline("default").ingest([str(tmp_path / "vacation.txt")])
    folder = running.application.folder("default")

    def ask() -> tuple[str, float]:
        body = running.client.post("/ask", json={"question": CHINESE}).json()
        return body["status"], body["confidence"]

    shipped = ask()
    assert shipped[0] == "answered"
    write_confidence(folder, STRICT, IDENTITY, {})
    assert ask()[0] == "refused"
    write_confidence(folder, MILD, IDENTITY, {})
    assert ask() == ("answered", pytest.approx(1.0))
    (folder / CONFIDENCE_NAME).unlink()
    assert ask() == shipped


def test_damage_while_running_changes_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """What was read before stays in force, said once on the log; damage at the start is an error."""
    write_confidence(tmp_path, STRICT, IDENTITY, {})
    kept = KeptConfidence(tmp_path, IDENTITY)
    assert kept() == STRICT
    (tmp_path / CONFIDENCE_NAME).write_text('{"format":', encoding="utf-8")
    with caplog.at_level(logging.WARNING):
        assert [kept(), kept()] == [STRICT, STRICT]
    assert len(caplog.records) == 1
    assert "confidence from before" in caplog.text
    with pytest.raises(DamagedError):
        KeptConfidence(tmp_path, IDENTITY)
    write_confidence(tmp_path, MILD, IDENTITY, {})
    assert kept() == MILD


def test_a_fit_of_another_reranker_is_left_aside(tmp_path: Path) -> None:
    """A fit belongs to the embedder and the reranker that were at work; a file without a reranker is one without."""
    write_confidence(tmp_path, STRICT, IDENTITY, {}, reranker="model@1")
    assert KeptConfidence(tmp_path, IDENTITY)() is None
    assert KeptConfidence(tmp_path, IDENTITY, reranker="model@2")() is None
    assert KeptConfidence(tmp_path, IDENTITY, reranker="model@1")() == STRICT
