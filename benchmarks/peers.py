"""Compare with others in one run: `python -m benchmarks.peers [FILE] [--limit N] [--write]`.

Every question of a SQuAD-style file (default: CMRC 2018 dev), one paragraph a document, is asked of qwen-kb with its
defaults and of each peer that is installed: the LlamaIndex and LangChain recipes that are usual for Qwen, BM25 by
LlamaIndex, bm25s and Haystack. R@1, R@5 and MRR@10 count documents; p50 and p95 are milliseconds of one question, one
at a time. A peer that is not installed is left out with a line. `--write` replaces `benchmarks/results/peers.json`.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import random
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from benchmarks.peer_pipelines import PEERS, Ranker
from benchmarks.question_sets import DEFAULT_CORPUS, Asked, build_retriever, load_questions, missing

DEPTH = 10
ROUND = 100
OURS = "qwen-kb, embedded profile"
RESULTS = Path(__file__).resolve().parent / "results" / "peers.json"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: shares in [0, 1], times in milliseconds and seconds."""

    first: float
    five: float
    mrr: float
    p50_ms: float
    p95_ms: float
    build_seconds: float
    versions: str


@dataclass(frozen=True, slots=True)
class Contender:
    """What is asked: its ranking, the seconds that building its index took, and its versions."""

    rank: Ranker
    build_seconds: float
    versions: str


def measure(contenders: Mapping[str, Contender], questions: Sequence[Asked]) -> dict[str, Row]:
    """Ask every question once of each, in rounds of a hundred, so that what else the machine does slows all alike."""
    for contender in contenders.values():
        for asked in questions[:10]:
            contender.rank(asked.text)
    places: dict[str, list[int]] = {name: [] for name in contenders}
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for begin in range(0, len(questions), ROUND):
        for name, contender in contenders.items():
            for asked in questions[begin : begin + ROUND]:
                started = time.perf_counter()
                found = contender.rank(asked.text)
                times[name].append(1e3 * (time.perf_counter() - started))
                order = list(dict.fromkeys(found))[:DEPTH]
                places[name].append(order.index(asked.paragraph) if asked.paragraph in order else DEPTH)
    return {name: _row(places[name], times[name], contender) for name, contender in contenders.items()}


def _row(places: Sequence[int], times: Sequence[float], contender: Contender) -> Row:
    ranks = np.array(places)
    return Row(
        first=round(float((ranks < 1).mean()), 4),
        five=round(float((ranks < 5).mean()), 4),
        mrr=round(float(np.where(ranks < DEPTH, 1 / (ranks + 1), 0).mean()), 4),
        p50_ms=round(float(np.percentile(times, 50)), 2),
        p95_ms=round(float(np.percentile(times, 95)), 2),
        build_seconds=round(contender.build_seconds, 1),
        versions=contender.versions,
    )


def compare(paragraphs: Sequence[str], questions: Sequence[Asked]) -> dict[str, Row]:
    """Return the rows of qwen-kb and of every peer that is installed, and tell of the others."""
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        retriever, store = build_retriever(Path(folder) / "kb", list(enumerate(paragraphs)))
        try:

            def ours(question: str) -> list[int]:
                return [int(hit.title.removeprefix("p")) for hit in retriever.retrieve(question, top_k=DEPTH).hits]

            contenders = {OURS: Contender(ours, time.perf_counter() - started, _versions(("qwen-kb",)))}
            for name, build, packages in PEERS:
                started = time.perf_counter()
                try:
                    rank = build(paragraphs)
                except ImportError as error:
                    print(f"{name:36} left out: {error}", flush=True)
                else:
                    contenders[name] = Contender(rank, time.perf_counter() - started, _versions(packages))
            return measure(contenders, questions)
        finally:
            store.close()


def _tell(name: str, row: Row) -> None:
    print(
        f"{name:36} R@1 {row.first:.4f}  R@5 {row.five:.4f}  MRR@10 {row.mrr:.4f}  "
        f"p50 {row.p50_ms:7.2f} ms  p95 {row.p95_ms:7.2f} ms  built in {row.build_seconds:5.1f} s  ({row.versions})"
    )


def _versions(packages: Sequence[str]) -> str:
    return ", ".join(f"{package} {importlib.metadata.version(package)}" for package in packages)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, nargs="?", default=DEFAULT_CORPUS / "cmrc2018_dev.json")
    parser.add_argument("--limit", type=int, default=0, help="a random sample of so many questions")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    if missing(options.file):
        return
    questions = load_questions(options.file)
    asked = list(questions.questions)
    if options.limit:
        asked = random.Random(7).sample(asked, min(options.limit, len(asked)))
    before = os.getloadavg()[0]
    rows = compare(questions.paragraphs, asked)
    for name, row in rows.items():
        _tell(name, row)
    if options.write:
        body = {
            "file": options.file.name,
            "paragraphs": len(questions.paragraphs),
            "questions": len(asked),
            "load before and after": [round(before, 1), round(os.getloadavg()[0], 1)],
            "rows": {name: asdict(row) for name, row in rows.items()},
        }
        RESULTS.write_text(json.dumps(body, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
