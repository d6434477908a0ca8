"""Keyword indexes compared: `python -m benchmarks.keywords [--chunks 10000 100000] [--engines …] [--write]`.

Synthetic Chinese passages (benchmarks/synthetic_text.py), the same terms and questions for every engine, one thread,
30 best. Each engine runs in a process of its own, held to `--memory` GiB; files are in the system's cache. Times of
questions are of the search alone: terms are cut beforehand, and each figure is the median of three rounds; on a busy
machine look at the processor's time, which counts the work of the one thread and not the waiting. `exact`
says for how many questions an index of a base, a delta and removals gives the passages and scores of one built anew.
A peer that is not installed is left out and said so. `--write` adds to benchmarks/results/keywords.json.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.keyword_engines import ENGINES, Found, KeywordEngine
from benchmarks.synthetic_text import passages, questions
from indexes.text.matching import query_terms
from indexes.text.term_ids import Ids

RESULTS = Path(__file__).resolve().parent / "results" / "keywords.json"
BEST = 30
QUESTIONS = 200
ROUNDS = 3
# A slow engine is asked fewer questions: no round takes much longer than this.
ROUND_SECONDS = 60.0
EXACT_CHUNKS = 5_000


def build(name: str, chunks: int, folder: Path) -> dict[str, float]:
    """Build an index of the passages."""
    engine = ENGINES[name](folder)
    started = time.perf_counter()
    engine.build(enumerate(passages(chunks)))
    built = time.perf_counter() - started
    subprocess.run(["sync"], check=True)
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"build s": round(built, 1), "build peak MiB": round(peak), "disk MiB": round(size / 2**20)}


def ask(name: str, folder: Path) -> dict[str, float]:
    """Open what `build` left, in a fresh process, and ask."""
    asked = [query_terms(question) for question in questions(QUESTIONS + 10)]
    before = resident()
    engine = ENGINES[name](folder)
    started = time.perf_counter()
    engine.open()
    engine.search(asked[0], BEST)
    opened = time.perf_counter() - started
    rounds = [times(engine, asked[10:]) for _ in range(ROUNDS)]
    middle = np.median([np.percentile(each, (50, 95), axis=0) for each in rounds], axis=0) * 1e3
    return {
        "open and first s": round(opened, 3),
        "p50 ms": round(float(middle[0, 0]), 2),
        "p95 ms": round(float(middle[1, 0]), 2),
        "p50 ms of processor": round(float(middle[0, 1]), 2),
        "p95 ms of processor": round(float(middle[1, 1]), 2),
        "questions": min(map(len, rounds)),
        "resident MiB": round(resident() - before),
    }


def times(engine: KeywordEngine, asked: list[Ids]) -> list[tuple[float, float]]:
    """Ask each question once, and return the seconds that each took by the wall's clock and by the processor's."""
    found = []
    begun = time.perf_counter()
    for question in asked:
        started, worked = time.perf_counter(), time.thread_time()
        engine.search(question, BEST)
        found.append((time.perf_counter() - started, time.thread_time() - worked))
        if time.perf_counter() - begun > ROUND_SECONDS:
            break
    return found


def exactness(name: str, folder: Path) -> dict[str, float]:
    """Return the share of questions that a grown index answers as one built anew: nine tenths, a tenth added, and a
    tenth removed."""  # fmt: skip
    if not ENGINES[name].can_grow:
        return {}
    texts = list(enumerate(passages(EXACT_CHUNKS)))
    random = np.random.default_rng(0)
    border = EXACT_CHUNKS * 9 // 10
    dead = set(random.choice(border, EXACT_CHUNKS // 10, replace=False).tolist())
    for part in ("grown", "anew"):
        (folder / part).mkdir()
    grown, anew = ENGINES[name](folder / "grown"), ENGINES[name](folder / "anew")
    grown.build(texts[:border])
    grown.grow(texts[border:], [texts[number] for number in sorted(dead)])
    anew.build([item for item in texts if item[0] not in dead])
    grown.open()
    anew.open()
    pairs = []
    for question in questions(QUESTIONS):
        wanted = query_terms(question)
        pairs.append((grown.search(wanted, BEST), anew.search(wanted, BEST)))
    return {
        "exact: same passages": round(float(np.mean([names(a) == names(b) for a, b in pairs])), 3),
        "exact: same best score": round(float(np.mean([a[0][1] == b[0][1] for a, b in pairs])), 3),
        "exact: median difference of it": float(f"{np.median([abs(a[0][1] / b[0][1] - 1) for a, b in pairs]):.2g}"),
    }


def names(found: Found) -> set[int]:
    """Return the passages found, but for those that tie with the last: which of these are kept is chance."""
    return {number for number, score in found if score > found[-1][1]}


def resident() -> float:
    """Return this process's resident memory in MiB, mapped files included."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def step(name: str, engine: str, chunks: int, folder: Path) -> dict[str, float]:
    """Return the figures of one step."""
    if name == "build":
        return build(engine, chunks, folder)
    return ask(engine, folder) if name == "ask" else exactness(engine, folder)


def in_child(stage: str, name: str, chunks: int, folder: Path, memory: float) -> dict[str, float] | str:
    """Run one step in a process that may hold `memory` GiB of its own; return its figures, or why there are none."""
    command = [sys.executable, "-m", "benchmarks.keywords", "--step", stage, "--engines", name]
    command += ["--chunks", str(chunks), "--folder", str(folder), "--memory", str(memory)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode == 0:
        figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
        return figures
    last = done.stderr.strip().splitlines()[-1] if done.stderr.strip() else f"exit code {done.returncode}"
    if "ModuleNotFoundError" in last:
        return "not installed"
    return f"more than {memory:g} GiB" if "MemoryError" in last or done.returncode < 0 else last[:120]


def main() -> None:
    """Measure, print, and write the results where asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chunks", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--engines", nargs="+", choices=list(ENGINES), default=list(ENGINES))
    parser.add_argument("--memory", type=float, default=6.0)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--folder", type=Path, help="where the throw-away indexes go")
    parser.add_argument("--step", choices=["build", "ask", "exactness"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.step:
        limit = int(options.memory * 2**30)
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
        print(json.dumps(step(options.step, options.engines[0], options.chunks[0], options.folder)))
        return
    for name in options.engines:
        for chunks in (0, *options.chunks):
            with tempfile.TemporaryDirectory(dir=options.folder) as folder:
                row: dict[str, object] = {}
                for stage in ("build", "ask") if chunks else ("exactness",):
                    figures = in_child(stage, name, chunks, Path(folder), options.memory)
                    if isinstance(figures, str):
                        row["left out"] = f"{stage}: {figures}"
                        break
                    row |= figures
            key = str(chunks) if chunks else "grown"
            print(f"{name:8} {key:>8}  " + ", ".join(f"{what} {value}" for what, value in row.items()), flush=True)
            if options.write:
                results = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.is_file() else {}
                results.setdefault(name, {})[key] = row
                RESULTS.write_text(json.dumps(results, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
