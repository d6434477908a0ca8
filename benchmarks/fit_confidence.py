"""Fit the shipped confidence: `python -m benchmarks.fit_confidence [--corpus DIR] [--write]`.

Half the paragraphs of a set are held out, so that their questions have no answer in the knowledge base. Beside these
stand many knowledge bases of one to eight paragraphs, since organisations begin with a handful of documents, and the
everyday questions of `tests/data/everyday`, whose wording is not that of the documents. A logistic
regression of "the paragraph is there" is fitted on CMRC 2018 trial and XQuAD in Chinese and English, several draws
each, on features that may only raise the confidence. The point of refusal is chosen on these sets too: of the points at
which the mean over the sets of (unanswerable refused - answerable refused) is within 0.002 of its best, the one that
refuses fewest; the bias is shifted so that it lies at 0.5. CMRC 2018 dev and DRCD dev take no part in the fit
and are only reported on.
`--write` replaces `kb/confidence/weights.py`.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from textwrap import indent

import numpy as np
from numpy.typing import NDArray

from benchmarks.logistic import literal
from benchmarks.question_sets import DEFAULT_CORPUS, TOP_K, Asked, build_retriever, load_questions, missing
from indexes.embedders.hash import HashEmbedder
from indexes.search import Searcher
from ingest.loaders.dispatch import load
from kb.confidence.fit import RisingModel, fit_rising

FITTED_ON = {"cmrc2018_trial": (1, 2, 3), "xquad.zh": (1, 2), "xquad.en": (1, 2)}
REPORTED_ON = {"cmrc2018_dev": (7,), "drcd_dev": (7,)}
WORDS = ("keyword", "bm25", "passage", "seen", "margin", "length")
HASH = (*WORDS, "dense", "trust")
EVERYDAY = Path(__file__).resolve().parent.parent / "tests" / "data" / "everyday"
HELD_OUT = 0.5
SMALL_SIZES = (1, 2, 4, 8)
SMALL_DRAWS = 12
SMALL_QUESTIONS = 5
# The everyday questions are few, and count as often as a set.
EVERYDAY_REPEATS = 15
TOLERANCE = 0.002
TARGET = Path(__file__).resolve().parent.parent / "kb" / "confidence" / "weights.py"


@dataclass(frozen=True, slots=True)
class Sample:
    """Features (n, f) of the questions of a set, and 1 where the paragraph that answers was in the index."""

    features: NDArray[np.float64]
    answerable: NDArray[np.float64]


def sample_of(path: Path, seeds: tuple[int, ...]) -> Sample:
    """Ask all questions of a set once for each seed, with half the paragraphs drawn out of the knowledge base."""
    questions = load_questions(path)
    features, answerable = [], []
    for seed in seeds:
        draw = random.Random(seed)
        kept = [draw.random() >= HELD_OUT for _ in questions.paragraphs]
        with tempfile.TemporaryDirectory() as folder:
            paragraphs = [(number, text) for number, text in enumerate(questions.paragraphs) if kept[number]]
            _, store = build_retriever(Path(folder) / "kb", paragraphs)
            searcher, snapshot = Searcher(HashEmbedder()), store.snapshot()
            for asked in questions.questions:
                features.append(searcher.search(snapshot, asked.text, TOP_K).features.vector())
                answerable.append(kept[asked.paragraph])
            store.close()
    return Sample(np.array(features), np.array(answerable, dtype=np.float64))


def small_sample_of(path: Path) -> Sample:
    """Ask questions of small knowledge bases: as many that they answer as of paragraphs that stand beside them."""
    questions = load_questions(path)
    asked_of: dict[int, list[Asked]] = {}
    for asked in questions.questions:
        asked_of.setdefault(asked.paragraph, []).append(asked)
    draw = random.Random(11)
    features, answerable = [], []
    for size in SMALL_SIZES:
        for _ in range(SMALL_DRAWS):
            first = draw.randrange(len(questions.paragraphs) - 2 * size)
            # Paragraphs that follow each other are of one article: what is left out is close to what is in.
            drawn = [number for number in range(first, first + 2 * size) if number in asked_of]
            kept = set(drawn[::2])
            chosen = [(asked, n in kept) for n in drawn for asked in asked_of[n]]
            draw.shuffle(chosen)
            found = _features([(n, questions.paragraphs[n]) for n in sorted(kept)], [asked.text for asked, _ in chosen])
            for there in (True, False):
                rows = [row for row, (_, is_there) in zip(found, chosen, strict=True) if is_there == there]
                features += rows[: SMALL_QUESTIONS * size]
                answerable += [there] * len(rows[: SMALL_QUESTIONS * size])
    return Sample(np.array(features), np.array(answerable, dtype=np.float64))


def everyday_sample() -> Sample:
    """Ask the everyday questions, of each document alone and of all together."""
    lines = (EVERYDAY / "questions.jsonl").read_text(encoding="utf-8").splitlines()
    questions = [json.loads(line) for line in lines]
    names = sorted({question["document"] for question in questions})
    texts = {name: load((EVERYDAY / name).read_bytes(), name, None).text for name in names}
    features, answerable = [], []
    for group in [*([name] for name in names), names]:
        asked = [question for question in questions if question["document"] in group]
        found = _features([(n, texts[name]) for n, name in enumerate(group)], [q["question"] for q in asked])
        features += found * EVERYDAY_REPEATS
        answerable += [q["answer"] is not None for q in asked] * EVERYDAY_REPEATS
    return Sample(np.array(features), np.array(answerable, dtype=np.float64))


def _features(paragraphs: list[tuple[int, str]], questions: list[str]) -> list[NDArray[np.float64]]:
    with tempfile.TemporaryDirectory() as folder:
        _, store = build_retriever(Path(folder) / "kb", paragraphs)
        searcher, snapshot = Searcher(HashEmbedder()), store.snapshot()
        found = [searcher.search(snapshot, question, TOP_K).features.vector() for question in questions]
        store.close()
    return found


def fit(samples: list[Sample], names: tuple[str, ...]) -> RisingModel:
    """Fit a model and shift it so that its point of refusal lies at a logit of 0."""
    features = np.concatenate([sample.features for sample in samples])
    answerable = np.concatenate([sample.answerable for sample in samples])
    model = fit_rising(features, answerable, names)
    points = np.arange(-2.0, 2.0, 0.05)
    gains = np.array([np.mean([_gain(model, sample, point) for sample in samples]) for point in points])
    point = points[np.flatnonzero(gains >= gains.max() - TOLERANCE)[0]]
    return replace(model, bias=model.bias - float(point))


def report(name: str, model: RisingModel, sample: Sample) -> str:
    """Return one line: refusals at the chosen point, at exactly 5 % false refusals, and the area under the curve."""
    scores, there = model.scores(sample.features), sample.answerable == 1
    five = np.sort(scores[there])[int(0.05 * there.sum())]
    order = np.empty(len(scores))
    order[np.argsort(scores, kind="stable")] = np.arange(len(scores))
    area = (order[there].sum() - there.sum() * (there.sum() - 1) / 2) / (there.sum() * (~there).sum())
    return (
        f"{name:22} n={len(scores):5}  false refusals {np.mean(scores[there] < 0):.3f}  unanswerable refused "
        f"{np.mean(scores[~there] < 0):.3f}  at 5 % false {np.mean(scores[~there] < five):.3f}  AUC {area:.4f}"
    )


def _gain(model: RisingModel, sample: Sample, point: float) -> float:
    refused, there = model.scores(sample.features) < point, sample.answerable == 1
    return float(np.mean(refused[~there]) - np.mean(refused[there]))


def _source(hashed: RisingModel, words: RisingModel) -> str:
    def pair(model: RisingModel) -> str:
        return "(\n" + indent(f"{literal(model.names, model.weights)},\n{model.bias:.4f},\n", "    ") + ")"

    return (
        '"""Weights of `kb/confidence/estimate.py`. Written by `python -m benchmarks.fit_confidence --write`."""\n\n'
        "from __future__ import annotations\n\n"
        "from collections.abc import Mapping\n"
        "from typing import Final\n\n"
        "Weights = tuple[Mapping[str, float], float]\n\n"
        "# Of embedders without a fit of their own only what the words show is looked at.\n"
        f"DEFAULT: Final[Weights] = {pair(words)}\n"
        "CONFIDENCE_WEIGHTS: Final[Mapping[str, Weights]] = {\n" + indent(f'"hash": {pair(hashed)}', "    ") + "\n}\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpus", type=Path, default=DEFAULT_CORPUS)
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    if missing(*(arguments.corpus / f"{name}.json" for name in (*FITTED_ON, *REPORTED_ON))):
        return
    samples = [sample_of(arguments.corpus / f"{name}.json", seeds) for name, seeds in FITTED_ON.items()]
    small = {name: small_sample_of(arguments.corpus / f"{name}.json") for name in FITTED_ON}
    everyday = everyday_sample()
    fitted = [*samples, *small.values(), everyday]
    hashed, words = fit(fitted, HASH), fit(fitted, WORDS)
    unseen = {name: sample_of(arguments.corpus / f"{name}.json", seeds) for name, seeds in REPORTED_ON.items()}
    for label, model in (("hash", hashed), ("words only", words)):
        print(label)
        for name, sample in [*((f"{name} small", part) for name, part in small.items()), ("everyday", everyday)]:
            print("  " + report(name, model, sample))
        for name, sample in [*zip(FITTED_ON, samples, strict=True), *unseen.items()]:
            print("  " + report(name, model, sample) + ("" if name in FITTED_ON else "  (not fitted on)"))
    if arguments.write:
        TARGET.write_text(_source(hashed, words), encoding="utf-8")


if __name__ == "__main__":
    main()
