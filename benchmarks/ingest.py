"""Ingest: chunks a second, seconds by stage, memory, one large book, and a second run over unchanged files.

    python -m benchmarks.ingest [--documents FOLDER] [--book PDF] [--files 10000] [--large-mb 200]

Each measurement runs in a process of its own, so that peak memory is its own. Results go to results/ingest.json, where
those of measurements that were left out this time stay. `load_before` is the machine's load when one began: with more
than about 0.5, the seconds are those of a machine at other work. `cpu_seconds` are of this process and those that read.

The book is a PDF of 251 Chinese pages, made here; or the one named, or of a folder that is named the largest PDF of
Chinese text.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "ingest.json"
CORPUS = Path(os.environ.get("KB_TEST_CORPUS", ROOT.parent / "shared" / "corpus")) / "documents"
AFTER_PARSING = ("split", "embed", "store", "publish")
BOOK_PAGES = 251


@contextmanager
def pipeline(home: Path) -> Iterator[object]:
    """Yield a pipeline as the embedded profile has it."""
    from indexes.embedders.hash import HashEmbedder
    from indexes.store import Store
    from ingest.pipeline import Pipeline
    from ingest.splitter import ChineseTextSplitter
    from ingest.workers import LoaderPool

    embedder = HashEmbedder()
    splitter = ChineseTextSplitter(embedder.count_tokens)
    store = Store.open(home, create=True, embedding=embedder.identity, splitter=splitter.identity)
    try:
        yield Pipeline(lambda: store, embedder, splitter, lambda: LoaderPool(os.cpu_count() or 1))
    finally:
        store.close()


def ingest(home: Path, folder: Path) -> dict[str, object]:
    """Ingest a folder and return the figures of the report, with the peak memory of this process in MiB."""
    with pipeline(home) as road:
        begun = cpu_seconds()
        report = road.ingest([str(folder)])  # type: ignore[attr-defined]  # imported where it is measured
    after = sum(report.stages[stage] for stage in AFTER_PARSING)
    return {
        "documents": report.added + report.changed + report.unchanged,
        "failed": len(report.failed),
        "chunks": report.chunks,
        "embedded": report.embedded,
        "seconds": round(report.seconds, 3),
        "cpu_seconds": round(cpu_seconds() - begun, 3),
        "chunks_per_second_after_parsing": round(report.chunks / after) if report.chunks else None,
        "stages": {stage: round(seconds, 3) for stage, seconds in report.stages.items()},
        "peak_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
    }


def cpu_seconds() -> float:
    """Return the processor time of this process and of its children that have ended."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def measured(home: Path, folder: Path) -> dict[str, object]:
    """Run `ingest` in a new process."""
    load = round(os.getloadavg()[0], 1)
    command = [sys.executable, "-m", "benchmarks.ingest", "--one", str(home), str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    result: dict[str, object] = json.loads(done.stdout)
    return result | {"load_before": load}


def write_files(folder: Path, count: int) -> None:
    """Write small files that all differ."""
    for number in range(count):
        path = folder / f"{number // 1000:03}" / f"{number:06}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(
            f"第{number}号文件。本文件说明编号{number * 7919}的事项由第{number % 97}组负责。", encoding="utf-8"
        )


def write_large(folder: Path, mebibytes: int) -> None:
    """Write files of 4 MiB each, of Chinese sentences that all differ."""
    folder.mkdir(parents=True)
    sentence = 0
    for number in range(mebibytes // 4):
        lines: list[str] = []
        size = 0
        while size < 4 << 20:
            code = sentence * 7919 % 1_000_003
            line = f"第{sentence}条规定，编号为{code}的申请在{sentence % 89}个工作日内由相关部门办理完毕。"
            lines.append(line + ("\n" if sentence % 5 == 4 else ""))
            size += len(line.encode())
            sentence += 1
        (folder / f"{number:03}.txt").write_text("".join(lines), encoding="utf-8")


def write_book(path: Path, pages: int) -> None:
    """Write a PDF of Chinese text, with a running head, page numbers and a bookmark to each chapter."""
    from tests.ingest.bad_inputs import chinese_pdf

    texts: list[list[str]] = []
    sentence = 0
    for page in range(pages):
        lines = [f"档案管理手册　　第 {page + 1} 页"]
        lines += [f"第{page // 10 + 1}章 第{page // 10 + 1}类档案的管理"] if page % 10 == 0 else []
        running = ""
        while len(running) < 36 * 34:
            number = sentence * 7919 % 1_000_003
            running += f"第{sentence}条规定，编号为{number}的申请在{sentence % 89}个工作日内由档案部门办理完毕。"
            sentence += 1
        lines += [running[start : start + 36] for start in range(0, 36 * 34, 36)]
        texts.append([*lines, f"- {page + 1} -"])
    path.write_bytes(chinese_pdf(texts, title="档案管理手册"))


def largest_chinese(folder: Path) -> Path:
    """Return the PDF with the most pages of those of which a sixth or more is Chinese; commands and names are not."""
    import pypdfium2

    found: list[tuple[int, Path]] = []
    for path in sorted(folder.glob("*.pdf")):
        with pypdfium2.PdfDocument(path) as opened:
            sampled = range(0, len(opened), max(1, len(opened) // 20))
            sample = "".join(opened[page].get_textpage().get_text_range() for page in sampled)
            chinese = sum("\u4e00" <= character <= "\u9fff" for character in sample)
            if 6 * chinese > len(sample):
                found.append((len(opened), path))
    if not found:
        raise SystemExit(f"no PDF of Chinese text in {folder}")
    return max(found)[1]


def pages_of(path: Path) -> int:
    """Return the number of pages of a PDF."""
    import pypdfium2

    with pypdfium2.PdfDocument(path) as opened:
        return len(opened)


def measure(documents: Path, files: int, large_mb: int, book: Path | None) -> dict[str, object]:
    """Take all measurements and print a line for each."""
    results: dict[str, object] = {
        "machine": {"cpus": os.cpu_count(), "processor": platform.processor() or platform.machine()},
    }
    with tempfile.TemporaryDirectory() as name:
        temporary = Path(name)
        runs = []
        if documents.is_dir():
            runs += [("documents", documents, temporary / "a"), ("documents, second run", documents, temporary / "a")]
        (temporary / "book").mkdir()
        if book is None:
            write_book(temporary / "book" / "book.pdf", BOOK_PAGES)
            title = f"a book of {BOOK_PAGES} pages, made"
        else:
            book = largest_chinese(book) if book.is_dir() else book
            shutil.copyfile(book, temporary / "book" / book.name)
            title = f"{book.name}, {pages_of(book)} pages"
        runs.append((title, temporary / "book", temporary / "d"))
        if files:
            write_files(temporary / "files", files)
            runs += [(f"{files} files", temporary / "files", temporary / "b")]
            runs += [(f"{files} files, second run", temporary / "files", temporary / "b")]
        if large_mb:
            write_large(temporary / "large", large_mb)
            runs += [(f"{large_mb} MB of text", temporary / "large", temporary / "c")]
        for title, folder, home in runs:
            results[title] = result = measured(home, folder)
            print(row(title, result), flush=True)
    return results


def row(title: str, result: dict[str, object]) -> str:
    """Return one line of the table."""
    stages = result["stages"]
    assert isinstance(stages, dict)
    speed = result["chunks_per_second_after_parsing"] or "-"
    split = "  ".join(f"{stage} {seconds:.2f}" for stage, seconds in stages.items() if seconds >= 0.005)
    seconds = f"{result['seconds']} s (CPU {result['cpu_seconds']} s)"
    return (
        f"{title:38} {result['documents']:>6} documents {result['chunks']:>7} chunks {seconds:>26} "
        f"{speed:>6} chunks/s after parsing {result['peak_mib']:>6} MiB   {split}"
    )


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=Path, default=CORPUS, help="folder of real documents")
    parser.add_argument("--book", type=Path, help="a PDF, or a folder of them; made here where left out")
    parser.add_argument("--files", type=int, default=10_000, help="number of small files; 0: none")
    parser.add_argument("--large-mb", type=int, default=200, help="MiB of text for the memory figure; 0: none")
    parser.add_argument("--write", action="store_true", help="add to the committed results")
    parser.add_argument("--one", nargs=2, type=Path, metavar=("HOME", "FOLDER"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(ingest(*options.one)))
        return
    results = measure(options.documents, options.files, options.large_mb, options.book)
    if not options.write:
        return
    before = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    results = before | results
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(json.dumps(results, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
