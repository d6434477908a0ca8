"""What the store demands of a document before it takes it in: parts that fit together, exactly."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from indexes.errors import UsageError
from indexes.records import Chunk, Document, document_id_of


def check_document(document: Document, chunks: Sequence[Chunk], original: bytes | None) -> None:
    """Raise UsageError unless ids, ordinals, spans and hashes agree with each other."""
    name = f"document {document.document_id}"
    if document.document_id != document_id_of(document.uri):
        raise UsageError(f"{name} does not have the id of its URI")
    if original is not None and hashlib.sha256(original).hexdigest() != document.content_hash:
        raise UsageError(f"{name} has a content hash that is not that of its original bytes")
    if not all(isinstance(value, str) for value in document.metadata.values()):
        raise UsageError(f"{name} has metadata that is not text")
    for ordinal, chunk in enumerate(chunks):
        if chunk.document_id != document.document_id or chunk.ordinal != ordinal:
            raise UsageError(f"{name} is given chunk {chunk.chunk_id} at place {ordinal}")
        if not 0 <= chunk.start <= chunk.end <= len(document.text):
            raise UsageError(f"{name}: chunk {ordinal} lies outside its text")
        if document.text[chunk.start : chunk.end] != chunk.text:
            raise UsageError(f"{name}: the text of chunk {ordinal} is not what its offsets say")


def half_vectors(vectors: NDArray[np.float32], count: int, keys: Sequence[str], dimension: int) -> NDArray[np.float16]:
    """Return the vectors (count, dimension) in half precision. Raise UsageError for another shape, NaN or infinity."""
    if len(keys) != count or vectors.shape != (count, dimension):
        raise UsageError(
            f"{count} chunks with {len(keys)} keys and vectors of shape {vectors.shape}, not {dimension} wide"
        )
    with np.errstate(over="ignore"):
        halves = np.ascontiguousarray(vectors, dtype="<f2")
    if not np.isfinite(halves).all():
        raise UsageError("vectors hold NaN, infinity or numbers out of range; the embedder is broken")
    return halves
