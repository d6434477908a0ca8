"""Splitting quality and speed: ours, LangChain's and LlamaIndex's splitters in one table.

    python -m benchmarks.splitting [TEXT_FILE] [--write]

Sentences are scored on the gold set of tests/data/sentences, with each peer at its best: LangChain's recursive
splitter gets Chinese and English sentence marks as separators, LlamaIndex's is taken with whichever of its two
sentence functions scores higher. Chunks are made with each one's defaults at 256 tokens of one tokenizer. A chunk
ends at a sentence end if its last character (closing marks aside) is an end mark, or if its line ends there.
TEXT_FILE (UTF-8) is what chunks and speed are measured on; without it, the gold set repeated. `--write` replaces
`benchmarks/results/splitting.json`.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sysconfig
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from langchain_text_splitters import RecursiveCharacterTextSplitter
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.node_parser.text.utils import split_by_regex, split_by_sentence_tokenizer

from indexes.embedders.hash import HashEmbedder
from ingest.splitter import ChineseTextSplitter
from ingest.splitting.sentences import sentence_spans
from tests.ingest.gold import Score, gold_items, score

RESULTS = Path(__file__).resolve().parent / "results" / "splitting.json"
CHUNK_TOKENS = 256
SLOW_CHARACTERS = 60_000
END_MARKS = "。！？；…!?.:：;|`"
CLOSING_MARKS = '”’」』）》】〕")]}'
LLAMA_INDEX_REGEX = "[^,.;。？！]+[,.;。？！]?|[,.;。？！]"

Split = Callable[[str], Sequence[str]]


def ours(text: str) -> list[str]:
    return [text[start:end] for start, end in sentence_spans(text)]


def langchain_sentences(text: str) -> list[str]:
    separators = ["\n\n", "\n", "。", "！", "？", "；", "……", ". ", "! ", "? "]
    splitter = RecursiveCharacterTextSplitter(
        separators=separators, keep_separator="end", chunk_size=1, chunk_overlap=0
    )
    return splitter.split_text(text)


def llama_index_sentences() -> Split:
    candidates: list[Split] = [split_by_sentence_tokenizer(), split_by_regex(LLAMA_INDEX_REGEX)]
    return max(candidates, key=lambda split: score(gold_items(), split).f1)


def ends_share(text: str, chunks: Sequence[str]) -> float:
    """Return the share of chunks that end at a sentence end or at the end of their line."""
    good = place = 0
    for chunk in chunks:
        found = text.find(chunk, place)
        place = max(place, found)
        end = found + len(chunk)
        good += chunk.rstrip().rstrip(CLOSING_MARKS)[-1:] in END_MARKS or text[end : end + 1] in "\r\n"
    return good / max(1, len(chunks))


def megabytes_per_second(split: Split, text: str, least_seconds: float = 0.5) -> float:
    """Return the best of several runs, in 10^6 UTF-8 bytes a second of CPU time."""
    size = len(text.encode())
    best, spent = float("inf"), 0.0
    while spent < least_seconds:
        begin = time.process_time()
        split(text)
        seconds = max(time.process_time() - begin, 1e-9)
        best, spent = min(best, seconds), spent + seconds
    return size / best / 1e6


def row(name: str, sentences: Split, chunks: Split, text: str, slow: str) -> dict[str, object]:
    result: Score = score(gold_items(), sentences)
    made = chunks(text)
    return {
        "splitter": name,
        "sentence_f1": round(result.f1, 4),
        "orphan_marks": result.orphans,
        "torn_names": result.torn,
        "sentences_megabytes_per_second": round(megabytes_per_second(sentences, text), 2),
        "chunks_megabytes_per_second": round(megabytes_per_second(chunks, slow), 2),
        "chunks": len(made),
        "chunks_ending_at_sentence_ends": round(ends_share(text, made), 4),
    }


def kinds_of_text() -> dict[str, str]:
    """Return text that is hard to be fast on: program code, and records of data with short lines."""
    folder = Path(sysconfig.get_paths()["stdlib"])
    code = "\n".join(path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.py"))[:60])
    records = [
        {"id": number, "name": f"name {number}", "text": "这是一条记录。它有两句话。", "values": [1.5, 2.25, number],
         "url": f"https://example.com/a?b={number}"}
        for number in range(4000)
    ]  # fmt: skip
    return {
        "Python source": code,
        "JSON, one value a line": json.dumps(records, ensure_ascii=False, indent=1),
        "JSON, one line": json.dumps(records, ensure_ascii=False),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", metavar="TEXT_FILE", type=Path, nargs="?")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    load = round(os.getloadavg()[0], 1)
    texts = [item.text for item in gold_items()]
    source: Path | None = options.source
    text = source.read_text(encoding="utf-8")[:300_000] if source else "\n\n".join(texts * 20)
    slow = text[:SLOW_CHARACTERS]
    count = HashEmbedder().count_tokens
    recursive = RecursiveCharacterTextSplitter(
        chunk_size=CHUNK_TOKENS, chunk_overlap=0, length_function=lambda part: count([part])[0]
    )
    llama = SentenceSplitter(chunk_size=CHUNK_TOKENS, chunk_overlap=0, tokenizer=lambda part: [0] * count([part])[0])
    best = llama_index_sentences()
    rows = [
        row("qwen-kb", ours, ChineseTextSplitter(count, chunk_tokens=CHUNK_TOKENS).split_text, text, slow),
        row("LangChain recursive", langchain_sentences, recursive.split_text, text, slow),
        row("LlamaIndex sentence", best, llama.split_text, text, slow),
    ]
    print("| " + " | ".join(rows[0]) + " |\n|" + "---|" * len(rows[0]))
    for values in rows:
        print("| " + " | ".join(str(value) for value in values.values()) + " |")
    speeds = {kind: round(megabytes_per_second(ours, text), 1) for kind, text in kinds_of_text().items()}
    for kind, speed in speeds.items():
        print(f"{kind}: {speed} MB/s of sentences")
    measured = {
        "machine": platform.machine(),
        "python": platform.python_version(),
        "text": source.name if source else "gold set",
        "gold_texts": len(texts),
        "gold_sentences": sum(len(item.sentences) for item in gold_items()),
        "chunk_tokens": CHUNK_TOKENS,
        "rows": rows,
        "sentences_megabytes_per_second_by_kind": speeds,
        "load_before": load,
    }
    if options.write:
        RESULTS.write_text(json.dumps(measured, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
