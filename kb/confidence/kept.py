"""The confidence that was fitted for one knowledge base: a small JSON file in its folder."""

from __future__ import annotations

import json
import logging
import math
import threading
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from indexes.errors import DamagedError
from indexes.ranking.confidence_features import ConfidenceFeatures
from indexes.records import EmbeddingIdentity
from indexes.storage import files
from indexes.store import Store
from kb.confidence.estimate import Confidence

logger = logging.getLogger(__name__)

CONFIDENCE_NAME = "confidence.json"
_FORMAT = 1


class KeptConfidence:
    """What was fitted for one knowledge base, read again when its file has changed. Safe to share between threads.

    Raises DamagedError at construction for a file that holds no confidence. One that is damaged later leaves the one
    before in force, with a warning on the log: a service goes on judging as it did.
    """

    def __init__(self, folder: Path, embedding: EmbeddingIdentity, *, reranker: str = "") -> None:
        self._folder = folder
        self._embedding = embedding
        self._reranker = reranker
        self._lock = threading.Lock()
        self._stamp = self._look()
        self._confidence = read_confidence(folder, embedding, reranker=reranker)

    def __call__(self) -> Confidence | None:
        """Return the fitted confidence, or None where nothing was fitted with this embedder and reranker."""
        with self._lock:
            stamp = self._look()
            if stamp != self._stamp:
                # Looked at before it is read: a change in between is seen the next time.
                self._stamp = stamp
                try:
                    self._confidence = read_confidence(self._folder, self._embedding, reranker=self._reranker)
                except DamagedError as error:
                    logger.warning("%s; the confidence from before stays in force", error)
            return self._confidence

    def _look(self) -> tuple[int, int, int] | None:
        """Return what changes with every fit: a new file is put in the place of the old one."""
        try:
            found = (self._folder / CONFIDENCE_NAME).stat()
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_size


def write_confidence(
    folder: Path,
    confidence: Confidence,
    embedding: EmbeddingIdentity,
    report: Mapping[str, object],
    *,
    reranker: str = "",
) -> None:
    """Keep a fitted confidence with the knowledge base in `folder`, durably and at once. `report` tells of the fit.

    `reranker` is the identity of the one that was at work, "" for none.
    """
    body = {
        "format": _FORMAT,
        "embedding": asdict(embedding),
        "reranker": reranker,
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


def check_confidence(store: Store) -> None:
    """Raise DamagedError where the confidence kept with a knowledge base is none: every question would fail on it."""
    embedding = store.made_by()
    if embedding is not None:
        read_confidence(store.path, embedding)


def read_confidence(folder: Path, embedding: EmbeddingIdentity, *, reranker: str = "") -> Confidence | None:
    """Return what was fitted for the knowledge base in `folder` with this embedder and reranker, or None.

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
        if body.get("reranker", "") != reranker:
            return None
        weights = {str(name): float(weight) for name, weight in body["weights"].items()}
        confidence = Confidence(weights, float(body["bias"]))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DamagedError(f"{path} is damaged; remove it, or fit again with `kb eval retrieval FILE --fit`") from error
    known = set(ConfidenceFeatures.names())
    if not set(weights) <= known or not all(map(math.isfinite, (*weights.values(), confidence.bias))):
        raise DamagedError(f"{path} is damaged; remove it, or fit again with `kb eval retrieval FILE --fit`")
    return confidence
