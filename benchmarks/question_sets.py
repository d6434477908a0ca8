"""SQuAD-style question sets, and a throw-away knowledge base of their paragraphs: one paragraph a document."""

from __future__ import annotations

import json
import os
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from indexes.embedders.hash import HashEmbedder
from indexes.embedding import Embedder
from indexes.search import Searcher
from indexes.store import Store
from ingest.splitter import ChineseTextSplitter
from kb.evaluation.base import fill, paragraph_document
from kb.retriever import Retriever

ROOT = Path(__file__).resolve().parent.parent
# The folder of real documents beside the project, as for the tests.
DEFAULT_CORPUS = Path(os.environ.get("KB_TEST_CORPUS", ROOT.parent / "shared" / "corpus")) / "qa"
TOP_K = 8


@dataclass(frozen=True, slots=True)
class Asked:
    """A question, the number of the paragraph that it was written from, and the answers accepted."""

    text: str
    paragraph: int
    answers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class QuestionSet:
    """Paragraphs and the questions about them."""

    name: str
    paragraphs: tuple[str, ...]
    questions: tuple[Asked, ...]


def missing(*files: Path) -> bool:
    """Say which of the files are not there, and return whether any is: a benchmark then has nothing to measure."""
    absent = [file for file in files if not file.is_file()]
    if absent:
        print(f"left out: {absent[0]} is not there (question sets are not part of the project; KB_TEST_CORPUS)")
    return bool(absent)


def load_questions(path: Path) -> QuestionSet:
    """Read a SQuAD-style file; questions without a visible character are left out."""
    body = json.loads(path.read_text(encoding="utf-8"))
    articles = body["data"] if isinstance(body, dict) else body
    paragraphs = [paragraph for article in articles for paragraph in article.get("paragraphs", [article])]
    questions = [
        Asked(asked["question"], number, tuple(answer["text"] for answer in asked["answers"]))
        for number, paragraph in enumerate(paragraphs)
        for asked in paragraph["qas"]
        if asked["question"].strip()
    ]
    return QuestionSet(path.stem, tuple(paragraph["context"] for paragraph in paragraphs), tuple(questions))


def build_retriever(
    folder: Path, paragraphs: Collection[tuple[int, str]], embedder: Embedder | None = None, top_k: int = TOP_K
) -> tuple[Retriever, Store]:
    """Index numbered paragraphs as the documents `p<number>.txt`, with the default splitter and the `hash` embedder."""
    embedder = embedder or HashEmbedder()
    splitter = ChineseTextSplitter(embedder.count_tokens)
    store = Store.open(folder, create=True, embedding=embedder.identity, splitter=splitter.identity)
    fill(store, (paragraph_document(number, text) for number, text in paragraphs), embedder, splitter)
    return Retriever(store, Searcher(embedder), top_k=top_k), store
