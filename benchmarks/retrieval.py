"""Measure retrieval: `python -m benchmarks.retrieval [--corpus DIR] [--write] [--chunks N] [--limit N]`.

Quality: the share of questions whose paragraph is first, or among the first five, ranked by document, through the real
store, splitter and search. `bm25` ranks chunks by BM25 alone, `keywords` adds closeness, `fused` adds the vectors.
CMRC 2018 trial and XQuAD chose the weights; CMRC 2018 dev and DRCD dev only report. Speed: one question at a time, one
thread, over N chunks of all sets and the documents beside them; bm25s, given the same terms, is the peer.
`--limit` asks the first N questions of each set alone. `--write` replaces `benchmarks/results/retrieval.json`.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import opencc

from benchmarks.question_sets import DEFAULT_CORPUS, Asked, QuestionSet, build_retriever, load_questions, missing
from indexes.embedders.hash import HashEmbedder
from indexes.keywords.bm25 import K1, B
from indexes.ranking.index_view import IndexView
from indexes.ranking.question import QuestionTerms
from indexes.search import Searcher
from indexes.storage.snapshot import Snapshot
from indexes.text.matching import query_terms, terms
from tests.fakes.embedders import RandomEmbedder

CHOOSING = ("cmrc2018_trial", "xquad.zh", "xquad.en")
REPORTING = ("cmrc2018_dev", "drcd_dev")
RESULTS = Path(__file__).resolve().parent / "results" / "retrieval.json"
DEPTH = 10
# What a chunk of the default 256 tokens holds on average, over Chinese and English.
_CHUNK_CHARACTERS = 205

Ranker = Callable[[str], Sequence[str]]


class KeywordsOnly(HashEmbedder):
    """The `hash` embedder without a say."""

    @property
    def fusion_weight(self) -> float:
        return 0.0


@dataclass(frozen=True, slots=True)
class Quality:
    """Shares in [0, 1] of the questions whose paragraph's document is first, among five, among ten."""

    first: float
    five: float
    ten: float


@dataclass(frozen=True, slots=True)
class Speed:
    """Milliseconds of wall time a question."""

    p50: float
    p95: float


def quality(rank: Ranker, questions: Iterable[Asked]) -> Quality:
    """Ask everything, and look where the right document stands among those found."""
    places = []
    for asked in questions:
        order = list(dict.fromkeys(rank(asked.text)))
        uri = f"file:///docs/p{asked.paragraph}.txt"
        places.append(order.index(uri) if uri in order else DEPTH)
    ranks = np.array(places)
    return Quality(*(round(float((ranks < bound).mean()), 4) for bound in (1, 5, 10)))


def rankers(snapshot: Snapshot) -> dict[str, Ranker]:
    """Return the ways of ranking that one store serves."""
    view = IndexView(snapshot)
    keywords, fused = Searcher(KeywordsOnly()), Searcher(HashEmbedder())

    def by_bm25(question: str) -> list[str]:
        matches = view.keywords.search(QuestionTerms.of(question, view.keywords).terms, 30)
        rows = [int(view.segments[match.segment].row_ids[match.position]) for match in matches]
        return [stored.uri for stored in snapshot.chunks(rows)]

    return {
        "bm25": by_bm25,
        "keywords": lambda question: [hit.uri for hit in keywords.search(snapshot, question, DEPTH).hits],
        "fused": lambda question: [hit.uri for hit in fused.search(snapshot, question, DEPTH).hits],
    }


def measure_set(questions: QuestionSet, folder: Path) -> dict[str, Quality]:
    """Return the quality of each way of ranking on one set."""
    _, store = build_retriever(folder / "hash", list(enumerate(questions.paragraphs)))
    found = {name: quality(rank, questions.questions) for name, rank in rankers(store.snapshot()).items()}
    if questions.name.startswith("drcd"):
        simplified = opencc.OpenCC("t2s").convert
        asked = [Asked(simplified(item.text), item.paragraph, item.answers) for item in questions.questions]
        found["fused, asked in Simplified"] = quality(rankers(store.snapshot())["fused"], asked)
    store.close()
    random = RandomEmbedder()
    _, store = build_retriever(folder / "random", list(enumerate(questions.paragraphs)), random)
    searcher, snapshot = Searcher(random), store.snapshot()
    found["fused with random vectors"] = quality(
        lambda question: [hit.uri for hit in searcher.search(snapshot, question, DEPTH).hits], questions.questions
    )
    store.close()
    return found


def measure_speed(sets: Sequence[QuestionSet], corpus: Path, chunks: int, folder: Path) -> dict[str, object]:
    """Return the speed of search and of its peer over about `chunks` chunks."""
    texts = [paragraph for questions in sets for paragraph in questions.paragraphs]
    for file in sorted((corpus.parent / "documents").glob("*.txt")):
        texts += file.read_text(encoding="utf-8", errors="replace").split("\n\n")
    kept = _up_to([(number, text) for number, text in enumerate(texts) if text.strip()], chunks * _CHUNK_CHARACTERS)
    started = time.perf_counter()
    _, store = build_retriever(folder / "speed", kept)
    built = time.perf_counter() - started
    snapshot = store.snapshot()
    asked = [question.text for questions in sets if questions.name in REPORTING for question in questions.questions]
    asked = asked[:: max(1, len(asked) // 600)]
    searcher = Searcher(HashEmbedder())
    ours = speed(lambda question: searcher.search(snapshot, question, 5), asked)
    view = IndexView(snapshot)
    bm25 = speed(lambda question: view.keywords.search(query_terms(question), 30), asked)
    rows = np.concatenate([segment.row_ids[segment.live] for segment in view.segments])
    theirs = peer_speed([stored.chunk.text for stored in snapshot.chunks(rows)], asked)
    store.close()
    return {
        "chunks": snapshot.chunk_count,
        "build seconds": round(built, 1),
        "search": asdict(ours),
        "own BM25, 30 best": asdict(bm25),
        "bm25s, 30 best": asdict(theirs) if theirs else "not installed",
    }


def peer_speed(texts: Sequence[str], questions: Sequence[str]) -> Speed | None:
    """Return the speed of bm25s over the same terms of the same chunks, None where it is not installed."""
    try:
        import bm25s
    except ImportError:
        return None
    peer = bm25s.BM25(method="lucene", k1=K1, b=B)
    peer.index([[str(term) for term in terms(text)] for text in texts], show_progress=False)

    def ask(question: str) -> object:
        words = [[str(term) for term in query_terms(question)]]
        return peer.retrieve(words, k=30, show_progress=False, n_threads=0)

    return speed(ask, questions)


def speed(ask: Callable[[str], object], questions: Sequence[str]) -> Speed:
    """Ask each question once, after ten to warm up."""
    for question in questions[:10]:
        ask(question)
    times = []
    for question in questions:
        started = time.perf_counter()
        ask(question)
        times.append(time.perf_counter() - started)
    return Speed(*(round(1e3 * float(value), 2) for value in np.percentile(times, [50, 95])))


def _up_to(paragraphs: Sequence[tuple[int, str]], characters: int) -> list[tuple[int, str]]:
    totals = np.cumsum([len(text) for _, text in paragraphs])
    return list(paragraphs[: int(np.searchsorted(totals, characters))])


def main() -> None:
    """Measure, print a table, and write the results where asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, default=DEFAULT_CORPUS)
    parser.add_argument("--chunks", type=int, default=10_000)
    parser.add_argument("--limit", type=int, help="questions of each set")
    parser.add_argument("--part", choices=("quality", "speed", "all"), default="all")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    files = [options.corpus / f"{name}.json" for name in (*CHOOSING, *REPORTING)]
    if missing(*files):
        return
    every = [load_questions(file) for file in files]
    sets = [replace(one, questions=one.questions[: options.limit]) for one in every]
    results: dict[str, object] = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.is_file() else {}
    for questions in sets if options.part != "speed" else ():
        with tempfile.TemporaryDirectory() as folder:
            found = measure_set(questions, Path(folder))
        results[questions.name] = {name: asdict(value) for name, value in found.items()}
        for name, value in found.items():
            print(f"{questions.name:15} {name:28} R@1 {value.first:.4f}  R@5 {value.five:.4f}  R@10 {value.ten:.4f}")
    if options.part != "quality":
        with tempfile.TemporaryDirectory() as folder:
            results["speed"] = measure_speed(sets, options.corpus, options.chunks, Path(folder))
        print(json.dumps(results["speed"], indent=2))
    if options.write:
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps(results, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
