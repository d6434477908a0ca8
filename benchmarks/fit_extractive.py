"""Fit the weights of the extractive engine: `python -m benchmarks.fit_extractive [--corpus DIR] [--write]`.

A logistic regression (Newton's method, plain numpy) of "this sentence of the right paragraph holds an accepted answer"
on the features of the sentence, over the passages that the real retriever finds. Fitted on CMRC 2018 trial and XQuAD in
Chinese and English; no other set takes part. `--write` replaces `kb/engines/extractive/weights.py`.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.logistic import fit_logistic, literal
from benchmarks.question_sets import DEFAULT_CORPUS, build_retriever, load_questions
from kb.engines.extractive.features import FEATURES, feature_rows
from kb.engines.extractive.quotable import sentences_of
from kb.records import Passage

SETS = ("cmrc2018_trial", "xquad.zh", "xquad.en")
PASSAGES = 4
PASSAGE_CHARACTERS = 6_000
TARGET = Path(__file__).resolve().parent.parent / "kb" / "engines" / "extractive" / "weights.py"


def rows_of(path: Path) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return features (n, f) of all sentences offered for the questions of a set, and 1 where one holds an answer."""
    questions = load_questions(path)
    features, labels = [], []
    with tempfile.TemporaryDirectory() as folder:
        retriever, store = build_retriever(Path(folder) / "kb", list(enumerate(questions.paragraphs)))
        for asked in questions.questions:
            hits = retriever.ground(asked.text).passages(PASSAGE_CHARACTERS)[:PASSAGES]
            sentences = sentences_of([Passage(n, hit) for n, hit in enumerate(hits, start=1)])
            if not sentences:
                continue
            right = f"/p{asked.paragraph}.txt"
            features.append(feature_rows(asked.text, sentences))
            labels += [
                sentence.passage.hit.uri.endswith(right) and any(answer in sentence.text for answer in asked.answers)
                for sentence in sentences
            ]
        store.close()
    return np.concatenate(features), np.array(labels, dtype=np.float64)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpus", type=Path, default=DEFAULT_CORPUS)
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    parts = [rows_of(arguments.corpus / f"{name}.json") for name in SETS]
    features, labels = (np.concatenate(part) for part in zip(*parts, strict=True))
    weights, bias = fit_logistic(features, labels, penalty=2.0)
    text = (
        '"""Weights of the extractive engine. Written by `python -m benchmarks.fit_extractive --write`."""\n\n'
        "from __future__ import annotations\n\n"
        "from collections.abc import Mapping\n"
        "from typing import Final\n\n"
        f"BIAS: Final = {bias:.4f}\n"
        f"WEIGHTS: Final[Mapping[str, float]] = {literal(FEATURES, weights)}\n"
    )
    print(f"{len(labels)} sentences, {int(labels.sum())} with an answer\n{text}")
    if arguments.write:
        TARGET.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
