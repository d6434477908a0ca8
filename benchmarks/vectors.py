"""Kinds of vector index: `python -m benchmarks.vectors [--count 100000 1000000] [--write]`.

Recall@10 against exact search, milliseconds a question on one thread, seconds to build and MiB, for `hash` vectors of
synthetic Chinese passages with questions about them, and for vectors shaped as trained models give them (512
components around a common mean, in clusters, of a falling spectrum). IVF is FAISS's inverted file over half-precision
vectors; ours is the product quantiser of 2 bits a component whose best 200 are looked at exactly. A vector as close as
the exact tenth, to half precision, counts as found. `--write` adds to benchmarks/results/vectors.json.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from benchmarks.synthetic_text import passages, questions
from indexes.embedders.hash import HashEmbedder
from indexes.vectors.coarse import sampled_positions, write_coarse
from indexes.vectors.flat import VectorSegment, read_halves, write_vectors

RESULTS = Path(__file__).resolve().parent / "results" / "vectors.json"
DIMENSION = 512
ASKED = 200
BLOCK = 10_000
TRAINED_ON = 50_000
PROBES = (16, 64, 128)
# Its lists take minutes to find for more, and what it finds at this size decided against it.
IVF_UP_TO = 100_000

Vectors = NDArray[np.float32]
Search = Callable[[Vectors], NDArray[np.int64]]


def hashed(count: int) -> Iterator[Vectors]:
    """Yield the vectors of `count` passages, in blocks."""
    embedder, source = HashEmbedder(DIMENSION), passages(count)
    while texts := list(islice(source, BLOCK)):
        yield embedder.embed_documents(texts)


def model_shaped(count: int, seed: int = 1) -> Iterator[Vectors]:
    """Yield `count` unit vectors around a common mean, in 5,000 clusters, a few directions strong, in blocks."""
    fixed, drawn = np.random.default_rng(0), np.random.default_rng(seed)
    spectrum = np.arange(1, DIMENSION + 1) ** -0.5
    mean, centres = fixed.normal(size=DIMENSION), fixed.normal(size=(5_000, DIMENSION))
    rotation = np.linalg.qr(fixed.normal(size=(DIMENSION, DIMENSION)))[0] * spectrum[:, None]
    for first in range(0, count, BLOCK):
        rows = min(BLOCK, count - first)
        points = mean + centres[drawn.integers(0, len(centres), rows)] + 0.7 * drawn.normal(size=(rows, DIMENSION))
        turned = points @ rotation
        yield (turned / np.linalg.norm(turned, axis=1, keepdims=True)).astype(np.float32)


def measure(blocks: Iterator[Vectors], asked: Vectors, count: int, folder: Path) -> dict[str, dict[str, float]]:
    """Build the indexes over the same vectors, and ask each the same questions."""
    exact, coarse = folder / "exact", folder / "coarse"
    write_vectors(exact, DIMENSION, blocks)
    flat = VectorSegment.open(exact)
    sample = flat.vectors(sampled_positions(count))
    begun = time.perf_counter()
    write_coarse(coarse, count, read_halves(exact, DIMENSION, count), sample)
    built = time.perf_counter() - begun
    ours = VectorSegment.open(exact, coarse)
    tenth = np.array([flat.search(query, 10)[1][-1] for query in asked])

    def judged(search: Search) -> dict[str, float]:
        search(asked[0])
        seconds, found = [], 0
        for query, bound in zip(asked, tenth, strict=True):
            begin = time.perf_counter()
            positions = search(query)
            seconds.append(time.perf_counter() - begin)
            found += int(np.count_nonzero(flat.scores(query, positions) >= bound - 1e-3))
        return {
            "recall@10": round(found / (10 * len(asked)), 4),
            "p50 ms": round(float(np.percentile(seconds, 50)) * 1000, 2),
            "p95 ms": round(float(np.percentile(seconds, 95)) * 1000, 2),
        }

    def size(path: Path) -> float:
        return round(path.stat().st_size / 2**20, 1)

    results = {"flat": judged(lambda query: flat.search(query, 10)[0]) | {"MiB": size(exact)}}
    results["ours"] = judged(lambda query: ours.search(query, 10)[0]) | {
        "seconds to build": round(built, 1), "MiB": size(coarse),
    }  # fmt: skip
    if count > IVF_UP_TO:
        return results
    index, built = inverted_file(exact, count, flat)
    for probes in PROBES:
        index.nprobe = probes
        results[f"IVF, nprobe {probes}"] = judged(lambda query: _found(index, query)) | {
            "seconds to build": round(built, 1),
        }  # fmt: skip
    return results


def _found(index: Any, query: Vectors) -> NDArray[np.int64]:
    positions: NDArray[np.int64] = index.search(query[None, :], 10)[1][0]
    return positions[positions >= 0]


def inverted_file(exact: Path, count: int, flat: VectorSegment) -> tuple[Any, float]:
    """Build FAISS's IVF over half-precision vectors, four times the square root of `count` lists, on all cores."""
    begun = time.perf_counter()
    faiss.omp_set_num_threads(os.cpu_count() or 1)
    lists = int(4 * count**0.5)
    index = faiss.IndexIVFScalarQuantizer(
        faiss.IndexFlatIP(DIMENSION), DIMENSION, lists, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT, False
    )
    index.cp.niter = 8
    index.train(flat.vectors(np.unique(np.linspace(0, count - 1, TRAINED_ON).astype(np.int64))))
    for block in read_halves(exact, DIMENSION, count):
        index.add(block.astype(np.float32))
    faiss.omp_set_num_threads(1)
    return index, time.perf_counter() - begun


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--write", action="store_true", help="add to the committed results")
    options = parser.parse_args()
    results = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    embedder = HashEmbedder(DIMENSION)
    for count in options.count:
        kinds = {
            "hash": (hashed(count), np.stack([embedder.embed_query(question) for question in questions(ASKED)])),
            "model-shaped": (model_shaped(count), next(model_shaped(ASKED, seed=2))),
        }
        for kind, (blocks, asked) in kinds.items():
            load = round(os.getloadavg()[0], 1)
            with tempfile.TemporaryDirectory() as folder:
                found = measure(blocks, asked, count, Path(folder))
            for name, figures in found.items():
                line = "  ".join(f"{figure} {value:>7}" for figure, value in figures.items())
                print(f"{count:>9} {kind:12} {name:16} {line}   (load {load})", flush=True)
            results[f"{count} {kind}"] = {"load before": load, **found}
    if options.write:
        RESULTS.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
