"""The confidence that was fitted for one knowledge base: a small JSON file in its folder."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from indexes import files
from indexes.confidence_features import ConfidenceFeatures
from indexes.errors import DamagedError
from indexes.records import EmbeddingIdentity
from kb.confidence import Confidence

CONFIDENCE_NAME = "confidence.json"
_FORMAT = 1


def write_confidence(
    folder: Path, confidence: Confidence, embedding: EmbeddingIdentity, report: Mapping[str, object]
) -> None:
    """Keep a fitted confidence with the knowledge base in `folder`, durably and at once. `report` tells of the fit."""
    body = {
        "format": _FORMAT,
        "embedding": asdict(embedding),
        "weights": dict(confidence.weights),
        "bias": confidence.bias,
        "report": dict(report),
    }
    hidden = files.hidden_path(folder)
    try:
        files.write_file(hidden, json.dumps(body, ensure_ascii=False, indent=2).encode())
        files.sync_file(hidden)
        files.replace(hidden, folder / CONFIDENCE_NAME)
    finally:
        files.remove_file(hidden)
    files.sync_folder(folder)


def read_confidence(folder: Path, embedding: EmbeddingIdentity) -> Confidence | None:
    """Return what was fitted for the knowledge base in `folder` with this embedder, or None where nothing was.

    Raise DamagedError for a file that holds no confidence: silently judging by another one would refuse other
    questions.
    """
    path = folder / CONFIDENCE_NAME
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise DamagedError(f"{path} cannot be read: {error.strerror}") from error
    try:
        body = json.loads(content)
        if body["format"] != _FORMAT or body["embedding"] != asdict(embedding):
            return None
        weights = {str(name): float(weight) for name, weight in body["weights"].items()}
        confidence = Confidence(weights, float(body["bias"]))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DamagedError(f"{path} is damaged; remove it, or fit again with `kb eval retrieval FILE --fit`") from error
    known = set(ConfidenceFeatures.names())
    if not set(weights) <= known or not all(map(math.isfinite, (*weights.values(), confidence.bias))):
        raise DamagedError(f"{path} is damaged; remove it, or fit again with `kb eval retrieval FILE --fit`")
    return confidence
