"""Documents on their way into the store: split and keyed, and only lacking their vectors."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import PurePosixPath
from typing import Protocol
from urllib.parse import unquote

from indexes.errors import DocumentError
from indexes.records import Chunk, Document, EmbeddingIdentity, SplitterIdentity, document_id_of
from ingest.records import Loaded, SourceItem
from ingest.splitting.embedding_text import embedding_text

# A batch goes into the store when it has one of these: chunks, documents, code points.
_BATCH_CHUNKS = 512
_BATCH_DOCUMENTS = 256
_BATCH_CHARACTERS = 2_000_000


class Splitting(Protocol):
    """What cuts documents into chunks."""

    @property
    def identity(self) -> SplitterIdentity:
        """What the ledger records; documents that another one cut are stale."""
        ...

    def split_document(self, document: Document) -> list[Chunk]:
        """Return the chunks of a document, in order."""
        ...


@dataclass(frozen=True, slots=True)
class Prepared:
    """A document that only lacks its vectors. `texts[i]`, embedded under `keys[i]`, stands for `chunks[i]`.

    The rest is for the ledger: what it was read with, the bytes and the file it came from (`size` in bytes), and the
    seconds that each stage took.
    """

    document: Document
    chunks: list[Chunk]
    texts: list[str]
    keys: list[str]
    settings_hash: str = ""
    original: bytes | None = None
    size: int = 0
    mtime_ns: int = 0
    timings: Mapping[str, float] = field(default_factory=dict)


def document_of(item: SourceItem, loaded: Loaded, content_hash: str) -> Document:
    """Return the document that was loaded from an item; one without a title is called by the name of its file."""
    name = PurePosixPath(unquote(item.uri.rstrip("/").rpartition("/")[2])).stem
    return Document(
        document_id=document_id_of(item.uri),
        uri=item.uri,
        title=loaded.title or name or item.uri,
        text=loaded.text,
        content_hash=content_hash,
        media_type=loaded.media_type,
        extractor=loaded.extractor,
        source=item.source,
        pages=loaded.pages,
        headings=loaded.headings,
        warnings=loaded.warnings,
        metadata=loaded.metadata,
    )


def prepare(document: Document, splitter: Splitting, identity: EmbeddingIdentity) -> Prepared:
    """Split a document and key its chunks. Raise DocumentError where there is nothing in it to search for."""
    chunks = splitter.split_document(document)
    if not chunks:
        raise DocumentError("empty", "there is no text in it")
    texts = [embedding_text(document.title, chunk) for chunk in chunks]
    return Prepared(document, chunks, texts, embedding_keys(identity, texts))


def is_full(batch: Sequence[Prepared]) -> bool:
    """Return whether the documents are enough to be embedded and stored together."""
    return (
        len(batch) >= _BATCH_DOCUMENTS
        or sum(len(one.chunks) for one in batch) >= _BATCH_CHUNKS
        or sum(len(one.document.text) for one in batch) >= _BATCH_CHARACTERS
    )


def fingerprint(identity: EmbeddingIdentity) -> str:
    """Return the SHA-256 (hex) of what makes the vectors."""
    return hashlib.sha256(json.dumps(asdict(identity), sort_keys=True).encode()).hexdigest()


def embedding_keys(identity: EmbeddingIdentity, texts: Sequence[str]) -> list[str]:
    """Return for each text the key under which its vector is stored: equal exactly where the vectors are."""
    start = hashlib.sha256(fingerprint(identity).encode())
    keys: list[str] = []
    for text in texts:
        digest = start.copy()
        digest.update(text.encode("utf-8", "surrogatepass"))
        keys.append(digest.hexdigest())
    return keys
