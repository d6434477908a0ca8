"""A reranker looks again at the best of what was found: order, scores, windows, and what is no reranker."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from indexes.embedders.hash import HashEmbedder
from indexes.errors import EngineUnavailableError
from indexes.records import Chunk
from indexes.rerankers.base import Reranking, Scores
from indexes.rerankers.bge import BgeReranker
from indexes.rows import StoredChunk
from indexes.search import Searcher
from tests.fakes.embedders import RandomEmbedder
from tests.indexes.test_search import chunks_of, document, indexed
from tests.tiny_reranker import make_tiny_reranker

QUESTION = "甲知识库的检索文档"


class Wanting:
    """A reranker that likes the passages in which a word stands, and remembers what it was asked."""

    identity = "wanting@1"

    def __init__(self, word: str) -> None:
        self.word = word
        self.seen: list[tuple[str, list[str]]] = []

    def scores(self, question: str, passages: Sequence[str]) -> Scores:
        self.seen.append((question, list(passages)))
        return np.array([0.9 if self.word in passage else 0.1 for passage in passages])


def stored(texts: Sequence[str], heading: str = "") -> list[StoredChunk]:
    return [
        StoredChunk(n, Chunk(f"d{n}-0", f"d{n}", 0, 0, len(text), text, heading=heading), "", f"file:///d{n}", "")
        for n, text in enumerate(texts)
    ]


def test_the_best_candidates_are_mixed_and_the_rest_keeps_its_own() -> None:
    """Only the best are judged; their score is the stated mean of both; a reranker of full weight sets the order."""
    fused = np.array([0.5, 0.9, 0.3, 0.7])
    wanting = Wanting("丙")
    scores, best = Reranking(wanting, candidates=3, weight=0.5).apply("问", stored(["丙", "乙", "丙", "丁"]), fused)
    np.testing.assert_allclose(scores, [0.7, 0.5, 0.15, 0.4])
    assert best == 0.9
    assert wanting.seen == [("问", ["乙", "丁", "丙"])]
    scores, _ = Reranking(wanting, candidates=4, weight=1.0).apply("问", stored(["丙", "乙", "丙", "丁"]), fused)
    np.testing.assert_allclose(scores, [0.9, 0.1, 0.9, 0.1])


def test_what_has_no_evidence_needs_a_likely_answer() -> None:
    """A passage that was only near by untrusted vectors is shown where the reranker finds it likely, else not."""
    scores, _ = Reranking(Wanting("丙"), weight=0.5).apply("问", stored(["丙", "乙"]), np.array([0.0, 0.0]))
    np.testing.assert_allclose(scores, [0.45, 0.0])
    assert Reranking(Wanting("丙")).apply("问", [], np.empty(0))[1] == 0.0


def test_a_passage_is_read_under_its_heading() -> None:
    """What a passage is about often stands in its heading alone."""
    wanting = Wanting("x")
    Reranking(wanting).apply("问", stored(["十天。"], "年休假"), np.array([0.5]))
    assert wanting.seen[0][1] == ["年休假\n十天。"]


def test_search_hands_its_best_to_the_reranker(tmp_path: Path) -> None:
    """The order of the hits follows the reranker, scores fall and lie in [0, 1], and its best score is a feature."""
    texts = ["检索先用关键词，关键词检索最快。", "检索也用向量。", "关键词的检索由倒排索引完成。", "年假有十天。"]
    batch = [(item, chunks_of(item)) for item in (document(f"d{n}", text) for n, text in enumerate(texts))]
    with indexed(tmp_path / "kb", HashEmbedder(), [batch]) as (_, snapshot):
        plain = Searcher(HashEmbedder()).search(snapshot, "关键词检索", 10)
        wanting = Wanting("倒排")
        found = Searcher(HashEmbedder(), reranking=Reranking(wanting)).search(snapshot, "关键词检索", 10)
    assert plain.hits[0].text == texts[0]
    assert found.hits[0].text == texts[2]
    assert {hit.text for hit in found.hits} == {hit.text for hit in plain.hits}
    scores = [hit.score for hit in found.hits]
    assert scores == sorted(scores, reverse=True)
    assert scores[-1] >= 0 and scores[0] <= 1
    assert (plain.features.rerank, found.features.rerank) == (0.0, 0.9)
    assert wanting.seen[0][0] == "关键词检索"


@pytest.fixture(scope="module", params=["bert", "xlm-roberta"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_reranker(tmp_path_factory.mktemp("models") / f"tiny-{request.param}", request.param, steps=0)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_reranker(tmp_path_factory.mktemp("models") / "trained")


@pytest.mark.models
def test_scores_are_those_of_the_plain_model(folder: Path) -> None:
    """Each score is the sigmoid of what transformers gives for that pair alone, whatever the batch and its order."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    passages = ["知识库丙", "先用关键词丁再用向量检索", "并且标明出处" * 4, *("回答" * n for n in range(1, 20))]
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    options = {"return_tensors": "pt", "return_token_type_ids": model.config.model_type == "bert"}
    with torch.inference_mode():
        expected = [
            torch.sigmoid(model(**tokenizer(QUESTION, passage, **options)).logits[0, 0]).item() for passage in passages
        ]
    assert max(expected) - min(expected) > 0.05
    np.testing.assert_allclose(BgeReranker(str(folder)).scores(QUESTION, passages), expected, atol=1e-5)


@pytest.mark.models
def test_no_part_of_a_long_passage_is_passed_over(trained: Path) -> None:
    """What answers is found at the beginning, in the middle and at the end of a passage ten times the model's reach."""
    reranker = BgeReranker(str(trained))
    assert reranker.directory.max_tokens == 64
    filler = "知识库只根据文档回答问题"
    places = [0, 100, 300, 617, 640]
    passages = [(text := filler * 54)[:place] + "丙" + text[place:] for place in places]
    scores = reranker.scores("甲问题", [*passages, filler * 2, *(passage.replace("丙", "丁") for passage in passages)])
    assert (scores[: len(places)] > 0.8).all()
    assert (scores[len(places) :] < 0.2).all()
    # A question that alone is longer than the model leaves room for passages.
    assert reranker.scores("甲" + filler * 9, ["丙"]).shape == (1,)


@pytest.mark.models
def test_it_reorders_what_keywords_cannot_tell_apart(trained: Path, tmp_path: Path) -> None:
    """Passages that share all words but the telling one: with the reranker the right one is first for each question."""
    texts = {mark: f"知识库的检索先用关键词再用向量，{mark}。" for mark in "丙丁"}
    others = [f"知识库的检索文档回答{'问题' * n}。" for n in range(1, 15)]
    batch = [
        (item, chunks_of(item)) for item in (document(f"d{n}", t) for n, t in enumerate([*texts.values(), *others]))
    ]
    embedder = RandomEmbedder()
    with indexed(tmp_path / "kb", embedder, [batch]) as (_, snapshot):
        plain = Searcher(embedder)
        with_model = Searcher(embedder, reranking=Reranking(BgeReranker(str(trained))))
        for asked, told in (("甲", "丙"), ("乙", "丁")):
            question = f"{asked}知识库的检索文档"
            assert plain.search(snapshot, question, 1).hits[0].text != texts[told]
            result = with_model.search(snapshot, question, 3)
            assert result.hits[0].text == texts[told]
            assert result.features.rerank > 0.8


@pytest.mark.models
def test_the_identity_is_that_of_the_weights(folder: Path, tmp_path: Path) -> None:
    """A moved model is the same one; another training is another; neither loads the weights."""
    moved = shutil.copytree(folder, tmp_path / folder.name)
    other = make_tiny_reranker(tmp_path / "other" / folder.name, "bert", steps=1)
    identity = BgeReranker(str(folder)).identity
    assert identity == BgeReranker(str(moved)).identity
    assert identity != BgeReranker(str(other)).identity


@pytest.mark.models
def test_what_is_no_reranker_is_refused(folder: Path, tmp_path: Path) -> None:
    """An embedder, two outputs, missing files and a head without weights end in a typed line, not in random scores."""
    from safetensors.numpy import load_file, save_file

    from tests.tiny_bge import make_tiny_bge

    with pytest.raises(EngineUnavailableError, match=r"retrieval\.reranker"):
        BgeReranker("BAAI/bge-reranker-none", models_folder=tmp_path).scores("a", ["b"])
    with pytest.raises(EngineUnavailableError, match="no reranker"):
        BgeReranker(str(make_tiny_bge(tmp_path / "bge"))).scores("a", ["b"])
    two = shutil.copytree(folder, tmp_path / "two")
    config = json.loads((two / "config.json").read_text())
    (two / "config.json").write_text(json.dumps(config | {"id2label": {"0": "no", "1": "yes"}}))
    with pytest.raises(EngineUnavailableError, match="one output"):
        _ = BgeReranker(str(two)).identity
    for missing in ("model.safetensors", "tokenizer.json"):
        part = shutil.copytree(folder, tmp_path / missing)
        (part / missing).unlink()
        with pytest.raises(EngineUnavailableError, match=r"safetensors|tokenizer"):
            _ = BgeReranker(str(part)).identity
    headless = shutil.copytree(folder, tmp_path / "headless")
    weights = load_file(headless / "model.safetensors")
    kept = {name: value for name, value in weights.items() if not name.startswith("classifier")}
    save_file(kept, headless / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(EngineUnavailableError, match="lack classifier"):
        BgeReranker(str(headless)).scores("a", ["b"])
