"""Fusion neither trusts an embedder that understands nothing nor ignores one that does."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from itertools import combinations, islice
from pathlib import Path

import numpy as np
import pytest

from benchmarks.synthetic_text import passages
from indexes.embedders.hash import HashEmbedder
from indexes.embedding import Embedder, Vectors
from indexes.records import EmbeddingIdentity
from indexes.search import Searcher
from indexes.storage.snapshot import Snapshot
from indexes.text.matching import fold
from indexes.text.token_count import count_simple_tokens
from tests.fakes.embedders import direction, unit
from tests.indexes.test_search import chunks_of, document, indexed

MOST_LOST = 0.003
PASSAGES, QUESTIONS = 200, 400

Asked = Sequence[tuple[str, int]]


def first_places(searcher: Searcher, snapshot: Snapshot, asked: Asked) -> float:
    """Return the share of questions whose passage, the document of that number, is the first hit."""
    found = [searcher.search(snapshot, question, 1).hits for question, _ in asked]
    return float(np.mean([hits[0].title == f"d{right}" for hits, (_, right) in zip(found, asked, strict=True) if hits]))


def questions(texts: Sequence[str], stretch: int = 3) -> Asked:
    """Return questions of two stretches of a passage, in the other order, with a word of another one between them."""
    draw = random.Random(4)
    asked = []
    for _ in range(QUESTIONS):
        right, other = draw.sample(range(len(texts)), 2)
        begins = sorted(draw.sample(range(len(texts[right]) - stretch), 2))
        parts = [texts[right][begin : begin + stretch] for begin in begins]
        noise = texts[other][20:22]
        asked.append((f"{parts[1]}{noise}{parts[0]}是多少？", right))
    return asked


def compared(embedder: Embedder, folder: Path) -> tuple[float, float]:
    """Return R@1 of keywords alone and of both fused, over the same passages."""
    embedder = _Remembering(embedder)
    texts = [text[:160] for text in islice(passages(PASSAGES), PASSAGES)]
    asked = questions(texts)
    items = [document(f"d{number}", text) for number, text in enumerate(texts)]
    batch = [(item, chunks_of(item)) for item in items]
    with indexed(folder / "kb", embedder, [batch]) as (_, snapshot):
        return first_places(Searcher(_Silent(embedder)), snapshot, asked), first_places(
            Searcher(embedder), snapshot, asked
        )


class _Silent:
    """An embedder whose vectors have no say: what is left is keyword search."""

    fusion_weight = 0.0

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder

    @property
    def identity(self) -> EmbeddingIdentity:
        return self._embedder.identity

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return self._embedder.count_tokens(texts)

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        return self._embedder.embed_documents(texts)

    def embed_query(self, text: str) -> Vectors:
        return self._embedder.embed_query(text)


class _Remembering(_Silent):
    """An embedder that embeds each question once, with the say of the one behind it."""

    def __init__(self, embedder: Embedder) -> None:
        super().__init__(embedder)
        self.fusion_weight = embedder.fusion_weight
        self._known: dict[str, Vectors] = {}

    def embed_query(self, text: str) -> Vectors:
        if text not in self._known:
            self._known[text] = self._embedder.embed_query(text)
        return self._known[text]


def test_hash_vectors_cost_next_to_nothing(tmp_path: Path) -> None:
    """Fused R@1 with `hash` is at most 0.003 under that of keywords alone, where keywords find most and not all."""
    assert HashEmbedder().fusion_weight > 0
    keywords, fused = compared(HashEmbedder(), tmp_path)
    assert 0.8 < keywords < 1.0
    assert fused >= keywords - MOST_LOST


@pytest.mark.models
def test_a_bge_without_training_costs_next_to_nothing(tmp_path: Path) -> None:
    """A BERT of random weights, with the say of a real one, loses at most 0.003 of R@1 to keywords alone."""
    from indexes.embedders.bge import BgeEmbedder
    from tests.tiny_bge import make_tiny_bge

    folder = make_tiny_bge(tmp_path / "bge-tiny-zh", length=256)
    embedder = BgeEmbedder(str(folder), runtime="torch")
    assert embedder.fusion_weight >= 0.5
    keywords, fused = compared(embedder, tmp_path)
    assert fused >= keywords - MOST_LOST


class _Understanding:
    """Stands for a good model: a word and its synonym, which share no character, have one direction.

    Word n is spelt `words[0][n]` in passages and `words[1][n]` in questions. What is no word is the text's own noise.
    """

    fusion_weight = 0.5

    def __init__(self, words: tuple[Sequence[str], Sequence[str]]) -> None:
        self._words = words

    @property
    def identity(self) -> EmbeddingIdentity:
        return EmbeddingIdentity("understanding", "synonyms", "1", 128, "sum", "", 512)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return count_simple_tokens(texts)

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        return np.array([self.embed_query(text) for text in texts], dtype=np.float32).reshape(-1, 128)

    def embed_query(self, text: str) -> Vectors:
        vector = 0.5 * direction(f"noise {text}", 128)
        for number, spellings in enumerate(zip(*self._words, strict=True)):
            if any(spelling in text for spelling in spellings):
                vector = vector + direction(f"word {number}", 128)
        return unit(vector)


@pytest.fixture(scope="module")
def words() -> tuple[list[str], list[str]]:
    """Return 40 words of two characters and their synonyms, no character used twice."""
    plain = [character for code in range(0x5300, 0x6800) if fold(character := chr(code)) == character]
    random.Random(3).shuffle(plain)
    spelt = ["".join(plain[at : at + 2]) for at in range(0, 160, 2)]
    return spelt[:40], spelt[40:]


@pytest.fixture(scope="module")
def meant(
    words: tuple[list[str], list[str]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Searcher, Searcher, Snapshot, list[tuple[int, int]]]]:
    """Give a searcher with a good embedder, one with keywords alone, and 150 passages about pairs of words."""
    pairs = random.Random(5).sample(list(combinations(range(40), 2)), 150)
    embedder = _Understanding(words)
    texts = [f"公司规定，{words[0][one]}由主管安排，{words[0][two]}的具体时间另行通知。" for one, two in pairs]
    items = [document(f"d{number}", text) for number, text in enumerate(texts)]
    with indexed(tmp_path_factory.mktemp("meant") / "kb", embedder, [[(item, chunks_of(item)) for item in items]]) as (
        _,
        snapshot,
    ):
        yield Searcher(embedder), Searcher(_Silent(embedder)), snapshot, pairs


def test_dense_search_finds_what_keywords_cannot(
    words: tuple[list[str], list[str]], meant: tuple[Searcher, Searcher, Snapshot, list[tuple[int, int]]]
) -> None:
    """Questions in synonyms alone, among 150 passages with the same words around them: keywords guess, fusion knows."""
    fused, keywords, snapshot, pairs = meant
    asked = [(f"{words[1][one]}和{words[1][two]}怎么办？", number) for number, (one, two) in enumerate(pairs)]
    assert first_places(keywords, snapshot, asked) < 0.05
    assert first_places(fused, snapshot, asked) > 0.95
    misled = [(f"公司规定的{words[1][one]}、{words[1][two]}由谁安排？", n) for n, (one, two) in enumerate(pairs)]
    # Words that all passages share pull keyword search about at random.
    assert first_places(keywords, snapshot, misled) < 0.05
    assert first_places(fused, snapshot, misled) > 0.9


def test_a_good_embedder_keeps_what_keywords_found(
    words: tuple[list[str], list[str]], meant: tuple[Searcher, Searcher, Snapshot, list[tuple[int, int]]]
) -> None:
    """Questions in the passages' own words, and half in synonyms: fusion is never worse than keywords alone."""
    fused, keywords, snapshot, pairs = meant
    own = [(f"{words[0][one]}和{words[0][two]}怎么办？", number) for number, (one, two) in enumerate(pairs)]
    half = [(f"{words[0][one]}和{words[1][two]}怎么办？", number) for number, (one, two) in enumerate(pairs)]
    assert first_places(fused, snapshot, own) >= first_places(keywords, snapshot, own) - MOST_LOST
    assert first_places(fused, snapshot, half) > first_places(keywords, snapshot, half) + 0.3
