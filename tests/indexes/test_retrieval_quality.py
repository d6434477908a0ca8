"""Retrieval on real question sets, through the real splitter, store and search: the promised floors hold."""

from __future__ import annotations

from pathlib import Path

import opencc
import pytest

from benchmarks.question_sets import Asked, build_retriever, load_questions
from benchmarks.retrieval import DEPTH, quality, rankers
from indexes.embedders.hash import HashEmbedder
from indexes.search import Searcher
from tests.fakes.embedders import RandomEmbedder

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]


@pytest.mark.parametrize(
    ("name", "first", "five"), [("cmrc2018_dev", 0.970, 0.996), ("drcd_dev", 0.953, 0.992), ("xquad.en", 0.93, 0.985)]
)
def test_the_right_document_comes_first(corpus: Path, tmp_path: Path, name: str, first: float, five: float) -> None:
    """R@1 and R@5 by document reach what was promised, and vectors cost at most 0.003 of what keywords reach alone."""
    questions = load_questions(corpus / "qa" / f"{name}.json")
    _, store = build_retriever(tmp_path / "kb", list(enumerate(questions.paragraphs)))
    try:
        found = {way: quality(rank, questions.questions) for way, rank in rankers(store.snapshot()).items()}
        assert found["fused"].first >= first
        assert found["fused"].five >= five
        assert found["fused"].first >= found["keywords"].first - 0.003
        if name == "drcd_dev":
            convert = opencc.OpenCC("t2s").convert
            asked = [Asked(convert(item.text), item.paragraph, item.answers) for item in questions.questions]
            assert quality(rankers(store.snapshot())["fused"], asked).first >= found["fused"].first - 0.01
    finally:
        store.close()


@pytest.mark.models
def test_a_bge_of_random_weights_costs_nothing(corpus: Path, tmp_path: Path) -> None:
    """A BERT that was never trained, with the say of a real bge, loses at most 0.003 of R@1 to keywords."""
    from indexes.embedders.bge import BgeEmbedder
    from tests.tiny_bge import make_tiny_bge

    questions = load_questions(corpus / "qa" / "cmrc2018_trial.json")
    numbered = list(enumerate(questions.paragraphs))
    untrained = BgeEmbedder(str(make_tiny_bge(tmp_path / "bge-tiny-zh", length=512)), runtime="torch")
    assert untrained.fusion_weight >= 0.5
    _, plain = build_retriever(tmp_path / "hash", numbered)
    _, bge = build_retriever(tmp_path / "bge", numbered, untrained)
    try:
        keywords = quality(rankers(plain.snapshot())["keywords"], questions.questions)
        searcher, snapshot = Searcher(untrained), bge.snapshot()
        fused = quality(
            lambda question: [hit.uri for hit in searcher.search(snapshot, question, DEPTH).hits], questions.questions
        )
    finally:
        plain.close()
        bge.close()
    assert fused.first >= keywords.first - 0.003


def test_random_vectors_cost_nothing(corpus: Path, tmp_path: Path) -> None:
    """An embedder without any understanding, at the weight of a real one, loses at most 0.003 of R@1 to keywords."""
    questions = load_questions(corpus / "qa" / "cmrc2018_trial.json")
    numbered = list(enumerate(questions.paragraphs))
    _, plain = build_retriever(tmp_path / "hash", numbered)
    _, random = build_retriever(tmp_path / "random", numbered, RandomEmbedder())
    try:
        keywords = quality(rankers(plain.snapshot())["keywords"], questions.questions)
        searcher, snapshot = Searcher(RandomEmbedder()), random.snapshot()
        fused = quality(
            lambda question: [hit.uri for hit in searcher.search(snapshot, question, DEPTH).hits], questions.questions
        )
    finally:
        plain.close()
        random.close()
    assert fused.first >= keywords.first - 0.003
    assert HashEmbedder().fusion_weight < RandomEmbedder().fusion_weight
