"""What a directory of a bge model says of itself, read without loading its weights."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from indexes.errors import EngineUnavailableError

CHINESE_PREFIX = "为这个句子生成表示以用于检索相关文章："
ENGLISH_PREFIX = "Represent this sentence for searching relevant passages: "

_LONGEST = 512
# The vocabularies of Google's Chinese and English BERT, from which the bge models of each language come.
_CHINESE_VOCABULARY, _ENGLISH_VOCABULARY = 21128, 30522
_SAMPLES, _SAMPLE_BYTES = 64, 1 << 16


@dataclass(frozen=True, slots=True)
class BgeDirectory:
    """A sentence-transformers directory with CLS pooling. `revision` is a hash of configuration and weights.

    `pad_token` is the id that fills up the shorter texts of a batch.
    """

    path: Path
    dimension: int
    max_tokens: int
    query_prefix: str
    revision: str
    pad_token: int

    @classmethod
    def read(cls, path: Path, name: str) -> BgeDirectory:
        """Read the directory at `path` of the model called `name`.

        Raises EngineUnavailableError where files are missing, weights are not safetensors, or pooling is not CLS.
        """
        config = _json(path / "config.json")
        modules = _json(path / "modules.json")
        pooling = next((str(module["path"]) for module in modules if str(module["type"]).endswith("Pooling")), None)
        if pooling is None or not _takes_first_token(_json(path / pooling / "config.json")):
            raise EngineUnavailableError(f"{path} does not pool by the CLS token: it is no bge model")
        weights = sorted(path.glob("*.safetensors"))
        if not weights:
            raise EngineUnavailableError(f"{path} has no *.safetensors weights; other formats are not loaded")
        limits = [_LONGEST, int(config["max_position_embeddings"])]
        settings = path / "sentence_bert_config.json"
        if settings.is_file() and _json(settings).get("max_seq_length"):
            limits.append(int(_json(settings)["max_seq_length"]))
        return cls(
            path=path,
            dimension=int(config["hidden_size"]),
            max_tokens=min(limits),
            query_prefix=_query_prefix(name, int(config["vocab_size"])),
            revision=fingerprint(path, weights),
            pad_token=int(config.get("pad_token_id") or 0),
        )


def _takes_first_token(pooling: dict[str, Any]) -> bool:
    return pooling.get("pooling_mode") == "cls" or bool(pooling.get("pooling_mode_cls_token"))


def _query_prefix(name: str, vocabulary: int) -> str:
    """Return what bge v1.5 puts before a question, by the model's name, or where that is silent its vocabulary."""
    lowered = name.lower()
    if "-zh" in lowered:
        return CHINESE_PREFIX
    if "-en" in lowered:
        return ENGLISH_PREFIX
    return {_CHINESE_VOCABULARY: CHINESE_PREFIX, _ENGLISH_VOCABULARY: ENGLISH_PREFIX}.get(vocabulary, "")


def fingerprint(path: Path, weights: list[Path]) -> str:
    """Return 16 hexadecimal digits of the SHA-256 over configuration, tokenizer and a sample of the weights.

    Of each weight file, its size and 64 blocks spread over it: training moves every weight, and reading gigabytes at
    each start would buy nothing.
    """
    digest = hashlib.sha256()
    for file in (path / "config.json", path / "tokenizer.json", path / "vocab.txt"):
        if file.is_file():
            digest.update(file.name.encode() + file.read_bytes())
    for file in weights:
        size = file.stat().st_size
        digest.update(f"{file.name} {size}".encode())
        with file.open("rb") as stream:
            for sample in range(_SAMPLES):
                stream.seek(max(0, size - _SAMPLE_BYTES) * sample // (_SAMPLES - 1))
                digest.update(stream.read(_SAMPLE_BYTES))
    return digest.hexdigest()[:16]


def _json(file: Path) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise EngineUnavailableError(f"{file} is missing or cannot be read: the model is incomplete") from error
