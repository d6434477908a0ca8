"""A reranker in the settings is what search, the doctor and `kb models` use, and a fit is kept for it alone."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from indexes.errors import EngineUnavailableError
from indexes.rerankers.bge import BgeReranker
from kb.confidence.estimate import Confidence
from kb.confidence.kept import write_confidence
from kb.settings import load_settings
from kb.wiring import Application
from tests.kb.cli.conftest import BACKUP, LEAVE, Run, documents, filled, run  # noqa: F401 - fixtures
from tests.tiny_reranker import make_tiny_reranker

pytestmark = pytest.mark.models

QUESTION = "年休假要提前多久申请？"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_reranker(tmp_path_factory.mktemp("models") / "bge-reranker-tiny", steps=0)


@pytest.mark.usefixtures("filled")
def test_the_score_is_the_configured_mixture(run: Run, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    """Given by its directory relative to kb.toml, the reranker has its share of each score, and 1 is all of it."""
    before = {hit["chunk_id"]: hit for hit in run("search", QUESTION, "--json").json["hits"]}
    shutil.copytree(model, "reranker")
    Path("kb.toml").write_text('[retrieval]\nreranker = "reranker"\nreranker_weight = 0.4\n', encoding="utf-8")
    after = run("search", QUESTION, "--json")
    assert after.code == 0, after.err
    assert len(after.json["hits"]) == len(before) >= 1
    own = BgeReranker(str(model))
    for hit in after.json["hits"]:
        expected = 0.6 * before[hit["chunk_id"]]["score"] + 0.4 * own.scores(QUESTION, [hit["text"]])[0]
        assert hit["score"] == pytest.approx(expected, abs=1e-6)
    monkeypatch.setenv("KB_RETRIEVAL__RERANKER_WEIGHT", "1")
    alone = run("search", QUESTION, "--json").json["hits"][0]
    assert alone["score"] == pytest.approx(own.scores(QUESTION, [alone["text"]])[0], abs=1e-6)
    monkeypatch.setenv("KB_RETRIEVAL__RERANKER", "none")
    assert {hit["chunk_id"]: hit for hit in run("search", QUESTION, "--json").json["hits"]} == before


@pytest.mark.usefixtures("filled")
def test_a_missing_reranker_is_exit_code_6(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    """Search does not go on without the reranker that was asked for: it says how to get it."""
    monkeypatch.setenv("KB_RETRIEVAL__RERANKER", "BAAI/bge-reranker-none")
    result = run("search", QUESTION)
    assert (result.code, result.out) == (6, "")
    assert "kb models pull BAAI/bge-reranker-none" in result.err
    assert "retrieval.reranker" in result.err
    assert "reranker" in run("doctor").out


def test_doctor_and_models_know_it(run: Run, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    """The doctor names model and use, `kb models check` judges a passage, and the list holds rerankers."""
    monkeypatch.setattr("kb.cli.probes.PORTS", {})
    monkeypatch.setenv("KB_RETRIEVAL__RERANKER", str(model))
    found = {finding["subject"]: finding for finding in run("doctor", "--json").json["findings"]}
    assert found["reranker"]["level"] == "ok"
    assert "bge-reranker-tiny@" in found["reranker"]["detail"] and "50 passages" in found["reranker"]["detail"]
    checked = run("models", "check", str(model), "--json")
    assert checked.code == 0, checked.err
    assert checked.json["kind"] == "reranker" and "score 0." in checked.json["result"]
    listed = {one["name"]: one["kind"] for one in run("models", "list", "--json").json["models"]}
    assert listed["BAAI/bge-reranker-base"] == "reranker"


@pytest.mark.usefixtures("filled")
def test_a_fit_made_with_a_reranker_is_used_with_it_alone(kb_home: Path, model: Path) -> None:
    """Without the reranker its feature is 0 and the fit would refuse everything: what ships judges then."""
    with_model = Application(load_settings(None, {}, {"KB_HOME": str(kb_home), "KB_RETRIEVAL__RERANKER": str(model)}))
    without = Application(load_settings(None, {}, {"KB_HOME": str(kb_home)}))
    shipped = without.retriever("default").retrieve(QUESTION).confidence
    assert with_model.retriever("default").retrieve(QUESTION).confidence == pytest.approx(shipped, abs=0.05)
    fitted = Confidence({"rerank": 8.0}, 0.0)
    identity = with_model.embedder().identity
    write_confidence(kb_home / "default", fitted, identity, {}, reranker=with_model.reranker_identity())
    kept = json.loads((kb_home / "default" / "confidence.json").read_text(encoding="utf-8"))
    assert kept["reranker"].startswith("bge-reranker-tiny@")
    judged = with_model.retriever("default").retrieve(QUESTION).confidence
    best = with_model.searcher().search(with_model.store("default").snapshot(), QUESTION, 8).features
    assert best.rerank > 0
    assert judged == pytest.approx(fitted.of(best), abs=1e-6)
    assert without.retriever("default").retrieve(QUESTION).confidence == shipped
    with_model.close()
    without.close()


def test_an_application_says_so_when_it_is_first_used(kb_home: Path) -> None:
    """Nothing of a reranker is looked for before a question needs it."""
    application = Application(
        load_settings(
            None,
            {},
            {"KB_HOME": str(kb_home), "KB_RETRIEVAL__RERANKER": "BAAI/none", "KB_MODELS__FOLDER": str(kb_home)},
        )
    )
    assert application.searcher().reranking is not None
    with pytest.raises(EngineUnavailableError):
        application.reranker_identity()
