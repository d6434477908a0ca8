"""What a directory of a reranker says of itself, read without loading its weights."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from indexes.embedders.bge_directory import fingerprint
from indexes.errors import EngineUnavailableError

# The longest pair that is read at once. Models that could take more were trained on about as much, and windows of a
# passage cost less than one long read.
_LONGEST = 512
# These count positions from behind the padding token's id.
_SHIFTED = ("roberta", "xlm-roberta", "camembert")


@dataclass(frozen=True, slots=True)
class RerankerDirectory:
    """A transformers directory of a sequence classifier with one output; `max_tokens` of question and passage together.

    `revision` is a hash of configuration and weights; `pad_token` fills up the shorter pairs of a batch; `has_types`
    where the model tells question and passage apart by token types.
    """

    path: Path
    max_tokens: int
    revision: str
    pad_token: int
    has_types: bool

    @classmethod
    def read(cls, path: Path) -> RerankerDirectory:
        """Read the directory at `path`.

        Raises EngineUnavailableError where files are missing, weights are not safetensors, or it is no reranker.
        """
        config = _config(path / "config.json")
        weights = sorted(path.glob("*.safetensors"))
        if not weights:
            raise EngineUnavailableError(f"{path} has no *.safetensors weights; other formats are not loaded")
        if not (path / "tokenizer.json").is_file():
            raise EngineUnavailableError(f"{path / 'tokenizer.json'} is missing: the model is incomplete")
        kinds = config.get("architectures") or []
        labels = config.get("id2label")  # left out of the file where there are two
        if not any(str(kind).endswith("ForSequenceClassification") for kind in kinds) or len(labels or (0, 1)) != 1:
            raise EngineUnavailableError(f"{path} is no reranker: it is not a sequence classifier with one output")
        pad_token = int(config.get("pad_token_id") or 0)
        shift = pad_token + 1 if config.get("model_type") in _SHIFTED else 0
        return cls(
            path=path,
            max_tokens=min(_LONGEST, int(config["max_position_embeddings"]) - shift),
            revision=fingerprint(path, weights),
            pad_token=pad_token,
            has_types=int(config.get("type_vocab_size") or 0) > 1,
        )


def _config(file: Path) -> dict[str, Any]:
    try:
        body = json.loads(file.read_text(encoding="utf-8"))
        if not isinstance(body, dict) or int(body["max_position_embeddings"]) < 32:
            raise ValueError("no configuration of a model")
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise EngineUnavailableError(f"{file} cannot be read: {error}") from error
    return body
