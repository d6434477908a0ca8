"""Embedding on a processor: tokens a second, and the share that is cut off, beside the LlamaIndex pipeline.

    python -m benchmarks.embedding [--megabytes 0.5]

The model has the shape of bge-small-zh (4 layers, 512 wide, 512 tokens, 21,128 entries in a vocabulary trained on the
text) and random weights. The text is real Chinese where the corpus is there. Each path gets its share of the texts in
slices, all paths in turn, so that other work on the machine slows all alike. What the peer runs is
`SentenceSplitter(chunk_size=1024)` and `HuggingFaceEmbedding` (batches of 10 texts in the order of the document; where
llama-index-embeddings-huggingface is not installed, the one call to sentence-transformers that it makes). "Cut off"
are tokens of chunks beyond the model's 512. Results go to results/embedding.json.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import os
import platform
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

from indexes.embedders.bge import BgeEmbedder
from indexes.embedders.bge_directory import BgeDirectory
from indexes.embedders.bge_prepare import prepare_model
from indexes.embedders.bge_prepared import Prepared, prepared_folder
from indexes.embedders.bge_runtime import Runtime, RuntimeName
from indexes.records import Document
from ingest.splitter import ChineseTextSplitter
from ingest.splitting.embedding_text import embedding_text
from tests.tiny_bge import save_bge

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "embedding.json"
CORPUS = Path(os.environ.get("KB_TEST_CORPUS", ROOT.parent / "shared" / "corpus")) / "documents"
SOURCE = "debian-reference.zh-cn.txt"
VOCABULARY, LIMIT, SLICES = 21_128, 512, 4

Embed = Callable[[list[str]], object]


@dataclass
class Road:
    """One way from texts to vectors, and what was measured of it."""

    name: str
    embed: Embed
    texts: Sequence[str]
    split_seconds: float
    counts: Sequence[int]
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    loads: list[float] = field(default_factory=list)

    def run(self, number: int) -> None:
        """Embed one slice of the texts."""
        begin, end = (len(self.texts) * part // SLICES for part in (number, number + 1))
        self.loads.append(os.getloadavg()[0])
        wall, cpu = time.perf_counter(), time.process_time()
        self.embed(list(self.texts[begin:end]))
        self.seconds += time.perf_counter() - wall
        self.cpu_seconds += time.process_time() - cpu

    def row(self) -> dict[str, object]:
        """Return the figures."""
        given, embedded = sum(self.counts), sum(min(count, LIMIT) for count in self.counts)
        return {
            "path": self.name,
            "chunks": len(self.texts),
            "tokens_given": given,
            "tokens_embedded": embedded,
            "cut_off_share": round(1 - embedded / given, 4),
            "embed_seconds": round(self.seconds, 2),
            "split_seconds": round(self.split_seconds, 2),
            "tokens_per_second": round(embedded / self.seconds),
            "tokens_per_cpu_second": round(embedded / self.cpu_seconds),
            "tokens_per_second_with_splitting": round(embedded / (self.seconds + self.split_seconds)),
            "load": [round(load, 2) for load in self.loads],
        }


def source_text(megabytes: float) -> tuple[str, str]:
    """Return the text and a word on what it is: real Chinese, or made-up sentences where the corpus is absent."""
    size = int(megabytes * 1e6)
    file = CORPUS / SOURCE
    if file.is_file():
        return file.read_bytes()[:size].decode("utf-8", "ignore"), f"real: {SOURCE}"
    lines: list[str] = []
    length = 0
    while length < size:
        number = len(lines)
        lines.append(f"第{number}条规定，编号为{number * 7919}的申请由相关部门在{number % 89}个工作日内办理完毕。\n")
        length += len(lines[-1].encode())
    return "".join(lines), "made up"


def make_model(folder: Path, text: str) -> Path:
    """Save a model of the shape of bge-small-zh with a WordPiece vocabulary trained on `text`."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    trainer = trainers.WordPieceTrainer(vocab_size=VOCABULARY, special_tokens=special, show_progress=False)
    tokenizer.train_from_iterator([text], trainer)
    # Characters that the text does not have fill it up, so that the table of embeddings has its real size.
    known = tokenizer.get_vocab()
    others = [chr(code) for code in range(0x4E00, 0xA000) if chr(code) not in known]
    tokenizer.add_tokens(others[: VOCABULARY - len(known)])
    return save_bge(folder, tokenizer, seed=0, hidden=512, layers=4, heads=8, length=LIMIT, wide=4)


def peer(model: Path, text: str, count: Callable[[Sequence[str]], list[int]]) -> Road:
    """Return the pipeline of LlamaIndex."""
    from llama_index.core import Document as LlamaDocument
    from llama_index.core.node_parser import SentenceSplitter
    from llama_index.core.schema import MetadataMode

    begin = time.perf_counter()
    nodes = SentenceSplitter(chunk_size=1024).get_nodes_from_documents([LlamaDocument(text=text)])
    seconds = time.perf_counter() - begin
    texts = [node.get_content(metadata_mode=MetadataMode.EMBED) for node in nodes]
    embed, how = peer_embedding(model)
    return Road(f"LlamaIndex SentenceSplitter(1024) + {how}", embed, texts, seconds, count(texts))


def peer_embedding(model: Path) -> tuple[Embed, str]:
    """Return how LlamaIndex embeds, and what is run for it."""
    try:
        from llama_index.embeddings.huggingface import HuggingFaceEmbedding
    except ImportError:
        from sentence_transformers import SentenceTransformer

        loaded = SentenceTransformer(str(model), device="cpu")

        def embed(texts: list[str]) -> object:
            groups = (texts[begin : begin + 10] for begin in range(0, len(texts), 10))
            return [loaded.encode(group, batch_size=10, normalize_embeddings=True).tolist() for group in groups]

        return embed, "SentenceTransformer.encode, batches of 10 (as HuggingFaceEmbedding calls it)"
    embedding = HuggingFaceEmbedding(model_name=str(model), device="cpu")
    return embedding.get_text_embedding_batch, "HuggingFaceEmbedding"


def prepare_as(model: Path, cache: Path, wanted: RuntimeName | None) -> Prepared:
    """Prepare the model: as it comes out, or as if the timing had made `wanted` the choice. The check stays real."""
    directory = BgeDirectory.read(model, model.name)
    tokenizer = BgeEmbedder(str(model))._tokenizer
    folder = prepared_folder(cache, directory)
    if wanted is None:
        return prepare_model(directory, tokenizer, folder)

    def speed(runtimes: Sequence[Runtime], token_ids: list[list[int]]) -> list[float]:
        return [1000.0 if runtime.name == wanted else 1.0 for runtime in runtimes]

    return prepare_model(directory, tokenizer, folder, speed=speed)


def ours(model: Path, caches: Path, text: str) -> list[Road]:
    """Return our paths: the same chunks for each, split and counted with the model's own tokenizer."""
    counter = BgeEmbedder(str(model))
    document = Document(document_id="0" * 16, uri="file:///text", title="text", text=text, content_hash="0" * 64)
    begin = time.perf_counter()
    chunks = ChineseTextSplitter(counter.count_tokens).split_document(document)
    texts = [embedding_text(document.title, chunk) for chunk in chunks]
    seconds = time.perf_counter() - begin
    counts = counter.count_tokens(texts)
    paths = []
    for name in ("torch", "onnx-fp32", "onnx-int8"):
        if name == "torch":
            embedder = BgeEmbedder(str(model), device="cpu", runtime="torch")
        else:
            prepare_as(model, caches / name, name)
            embedder = BgeEmbedder(str(model), runtime="onnx", models_folder=caches / name)
        if embedder.runtime != name:
            print(f"{name} is left out: preparation refused it")
            continue
        paths.append(Road(f"qwen-kb {name}", embedder.embed_documents, texts, seconds, counts))
    return paths


def versions() -> dict[str, str]:
    """Return the versions of what was run; the peer's embedding package only where it is installed."""
    packages = ("torch", "onnxruntime", "sentence-transformers", "transformers", "llama-index-core")
    found = {package: metadata.version(package) for package in packages}
    with contextlib.suppress(metadata.PackageNotFoundError):
        found["llama-index-embeddings-huggingface"] = metadata.version("llama-index-embeddings-huggingface")
    return found


def measure(megabytes: float) -> dict[str, object]:
    """Run everything and print the table."""
    text, origin = source_text(megabytes)
    with tempfile.TemporaryDirectory() as name:
        temporary = Path(name)
        model = make_model(temporary / "bge-small-zh-shaped", text)
        begin = time.perf_counter()
        prepared = prepare_as(model, temporary / "auto", None)
        seconds = time.perf_counter() - begin
        chosen = "torch" if prepared.torch_is_faster else prepared.runtime
        paths = [peer(model, text, BgeEmbedder(str(model)).count_tokens), *ours(model, temporary / "caches", text)]
        for path in paths:
            path.embed(list(path.texts[:2]))
        for number in range(SLICES):
            for path in paths:
                path.run(number)
    rows = [path.row() for path in paths]
    results: dict[str, object] = {
        "machine": {
            "cpus": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
            "processor": platform.processor() or platform.machine(),
        },
        "versions": versions(),
        "text": {"origin": origin, "bytes": len(text.encode()), "characters": len(text)},
        "model": "4 layers, 512 wide, 8 heads, 512 tokens, random weights",
        "auto_chose": chosen,
        "preparation": {
            "seconds": round(seconds, 1),
            "reason": prepared.reason,
            "least_cosines_to_torch": {key: round(value, 6) for key, value in prepared.cosines.items()},
            "tokens_per_second": {key: round(value) for key, value in prepared.speeds.items()},
        },
        "paths": rows,
    }
    reference = rows[0]
    print(
        f"{origin}, {len(text.encode()) / 1e6:.2f} MB; `auto` chose {chosen} after {seconds:.1f} s: {prepared.reason}"
    )
    print(f"{'path':70} {'chunks':>6} {'tokens/s':>9} {'x peer':>7} {'/cpu s':>7} {'x peer':>7} {'cut off':>8}  load")
    for row in rows:
        for kind in ("tokens_per_second", "tokens_per_cpu_second", "tokens_per_second_with_splitting"):
            row[f"{kind}_times_peer"] = round(float(str(row[kind])) / float(str(reference[kind])), 2)
        print(
            f"{row['path']:70} {row['chunks']:>6} {row['tokens_per_second']:>9} "
            f"{row['tokens_per_second_times_peer']:>7} {row['tokens_per_cpu_second']:>7} "
            f"{row['tokens_per_cpu_second_times_peer']:>7} {float(str(row['cut_off_share'])):>8.1%}  {row['load']}"
        )
    return results


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=float, default=0.5, help="MB of text")
    parser.add_argument("--write", action="store_true", help="replace the committed results")
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    results = measure(options.megabytes)
    if options.write:
        RESULTS.write_text(json.dumps(results, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
