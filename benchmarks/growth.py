"""How the index grows: `python -m benchmarks.growth [--chunks 10000 100000 1000000] [--folder DIR] [--write]`.

For each size a knowledge base of synthetic Chinese passages (benchmarks/synthetic_text.py), ten to a document, with the
vectors of the `hash` embedder. Every measurement runs in a process of its own over the same files, so that memory is
its own; the files are in the system's cache, and imports are not counted. `search` is the embedded profile, which looks
at vectors only of what keywords found; `search, dense too` scans the vectors for every question, as with a trained
embedder. `--folder` keeps the knowledge bases for another run. `--write` adds to benchmarks/results/growth.json.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import numpy as np

from benchmarks.synthetic_text import passages, questions
from indexes.embedders.hash import HashEmbedder
from indexes.records import Chunk, Document, SplitterIdentity, chunk_id_of, document_id_of
from indexes.search import Searcher
from indexes.storage.versions import SEGMENTS_NAME
from indexes.storage.writer import Writer
from indexes.store import Store

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "growth.json"
PASSAGES_A_DOCUMENT = 10
DOCUMENTS_A_BATCH = 200
QUESTIONS = 1_000
# Rebuilding a million chunks takes minutes and tells nothing that a hundred thousand do not.
REBUILT_UP_TO = 100_000


class DenseToo(HashEmbedder):
    """The `hash` embedder with the weight that a trained one has, so that every question scans the vectors."""

    @property
    def fusion_weight(self) -> float:
        return 1.0


def opened(folder: Path) -> Store:
    """Open or make the knowledge base in `folder`."""
    return Store.open(
        folder, create=True, embedding=HashEmbedder().identity, splitter=SplitterIdentity("synthetic", 1, 256, 0)
    )


def put(writer: Writer, embedder: HashEmbedder, number: int, texts: list[str]) -> None:
    """Put one document of `texts`, a chunk each."""
    text = "\n".join(texts)
    uri = f"file:///synthetic/{number:07}.txt"
    name = document_id_of(uri)
    document = Document(name, uri, f"文件{number}", text, hashlib.sha256(text.encode()).hexdigest())
    starts = np.cumsum([0, *(len(part) + 1 for part in texts)]).tolist()
    chunks = [
        Chunk(chunk_id_of(name, ordinal), name, ordinal, start, start + len(part), part, None)
        for ordinal, (start, part) in enumerate(zip(starts, texts, strict=False))
    ]
    keys = [hashlib.sha256(part.encode()).hexdigest() for part in texts]
    writer.put(document, chunks, keys, embedder.embed_documents(texts), settings_hash="synthetic")


def build(folder: Path, chunks: int) -> dict[str, float]:
    """Put `chunks` passages and publish them; nothing where that was done before."""
    store, embedder = opened(folder), HashEmbedder()
    if store.current_version():
        return {}
    source = passages(chunks)
    started = time.perf_counter()
    with store.writer() as writer:
        for first in range(0, chunks // PASSAGES_A_DOCUMENT, DOCUMENTS_A_BATCH):
            with writer.batch():
                for number in range(first, min(first + DOCUMENTS_A_BATCH, chunks // PASSAGES_A_DOCUMENT)):
                    put(writer, embedder, number, list(islice(source, PASSAGES_A_DOCUMENT)))
        stored = time.perf_counter()
        writer.publish()
    return {
        "make, embed and store seconds": round(stored - started, 1),
        "publish seconds": round(time.perf_counter() - stored, 1),
        "publish peak MiB": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "MiB on the disk": round(sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 2**20),
    }


def open_and_search(folder: Path, dense: bool) -> dict[str, float]:
    """Open a version, then ask a thousand questions one by one."""
    import faiss  # noqa: F401  # imports are not counted

    embedder = DenseToo() if dense else HashEmbedder()
    asked = questions(QUESTIONS)
    embedder.embed_query("第一个问题")
    before = time.perf_counter()
    store = opened(folder)
    snapshot = store.snapshot()
    opening = time.perf_counter() - before
    searcher = Searcher(embedder)
    searcher.search(snapshot, asked[0], 5)
    first = time.perf_counter() - before
    seconds = []
    for question in asked:
        begin = time.perf_counter()
        searcher.search(snapshot, question, 5)
        seconds.append(time.perf_counter() - begin)
    p50, p95 = (round(float(np.percentile(seconds, share)) * 1000, 2) for share in (50, 95))
    name = "search, dense too" if dense else "search"
    return {
        f"{name}: open seconds": round(opening, 3),
        f"{name}: open and first answer seconds": round(first, 3),
        f"{name}: p50 ms": p50,
        f"{name}: p95 ms": p95,
        f"{name}: resident MiB, mapped files counted": round(_status("VmRSS") / 1024),
    }


def change(folder: Path) -> dict[str, float]:
    """Publish after one changed document, three times; the median."""
    store, embedder = opened(folder), HashEmbedder()
    store.snapshot()
    seconds = []
    for round_number in range(3):
        with store.writer() as writer:
            put(writer, embedder, 7, [f"{round_number}：{text}" for text in islice(passages(PASSAGES_A_DOCUMENT), 10)])
            begin = time.perf_counter()
            writer.publish()
            seconds.append(time.perf_counter() - begin)
    return {"publish after one changed document seconds": round(sorted(seconds)[1], 3)}


def rebuild(folder: Path) -> dict[str, float]:
    """Build all segments again from SQLite, after they were lost."""
    shutil.rmtree(folder / SEGMENTS_NAME)
    begin = time.perf_counter()
    report = opened(folder).repair()
    seconds = time.perf_counter() - begin
    if report.problems:
        raise SystemExit(f"not repaired: {report.problems}")
    return {"rebuild from SQLite seconds (kb verify --repair, its checks included)": round(seconds, 1)}


STEPS: dict[str, Callable[[Path, int], dict[str, float]]] = {
    "build": build,
    "search": lambda folder, _: open_and_search(folder, dense=False),
    "dense": lambda folder, _: open_and_search(folder, dense=True),
    "change": lambda folder, _: change(folder),
    "rebuild": lambda folder, chunks: rebuild(folder) if chunks <= REBUILT_UP_TO else {},
}


def _status(field: str) -> int:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field + ":"))


def measured(step: str, folder: Path, chunks: int) -> dict[str, object]:
    """Run one step in a new process."""
    load = round(os.getloadavg()[0], 1)
    command = [sys.executable, "-m", "benchmarks.growth", "--one", step, str(folder), str(chunks)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    figures: dict[str, object] = json.loads(done.stdout)
    for name, value in figures.items():
        print(f"{chunks:>9} {name:75} {value:>10}   (load {load})", flush=True)
    return figures | ({f"load before {step}": load} if figures else {})


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chunks", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--steps", nargs="+", default=list(STEPS), choices=list(STEPS))
    parser.add_argument("--folder", type=Path, help="where the knowledge bases are kept; a temporary folder otherwise")
    parser.add_argument("--write", action="store_true", help="add to the committed results")
    parser.add_argument("--one", nargs=3, metavar=("STEP", "FOLDER", "CHUNKS"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        step, folder, chunks = options.one
        print(json.dumps(STEPS[step](Path(folder), int(chunks))))
        return
    results = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    with tempfile.TemporaryDirectory() as temporary:
        for chunks in options.chunks:
            folder = (options.folder or Path(temporary)) / str(chunks)
            folder.mkdir(parents=True, exist_ok=True)
            for step in options.steps:
                results[str(chunks)] = results.get(str(chunks), {}) | measured(step, folder, chunks)
            if options.folder is None:
                shutil.rmtree(folder)
    if options.write:
        RESULTS.write_text(json.dumps(results, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
