"""Answers that were given before, kept in memory: bounded, shared between threads, the least used go first.

Only generation is saved: passages are found anew for each question, so that confidence, refusal and hits are always
those of now, and an answer is given again only where a new one would rest on the same passages of the same version.
"""

from __future__ import annotations

import hashlib
import json
import threading
import unicodedata
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from indexes.records import Hit
from kb.engines.base import Engine, GenerationOptions
from kb.records import Answer, Filters, Message

_MEBIBYTE: Final = 1 << 20
# What the records around the texts of an answer take, in bytes; a rough figure, meant to be too large.
_RECORD_BYTES: Final = 1_000
# Full-width letters, digits and marks, and the wide space.
_NARROW: Final = {wide: wide - 0xFEE0 for wide in range(0xFF01, 0xFF5F)} | {0x3000: 0x20}
_TRAILING: Final = " \t\n?？!！。.…~～"


@dataclass(frozen=True, slots=True)
class CacheKey:
    """All that an answer depends on. `engine` is the engine itself: another model, or the same loaded anew, is another.

    Texts that may be long are digests.
    """

    kb: str
    version: int
    question: str
    filters: str
    passages: str
    history: str
    engine: _Same
    options: GenerationOptions
    prompt_version: str
    refuse_unsupported: bool


class _Same:
    """An object that equals itself alone, kept alive so that no other can take its identity."""

    __slots__ = ("_held",)

    def __init__(self, held: object) -> None:
        self._held = held

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self._held is other._held

    def __hash__(self) -> int:
        return id(self._held)


def cache_key(
    *,
    kb: str,
    version: int,
    question: str,
    filters: Filters,
    passages: Sequence[Hit],
    history: Sequence[Message],
    engine: Engine,
    options: GenerationOptions,
    prompt_version: str,
    refuse_unsupported: bool,
) -> CacheKey:
    """Return the key of an answer; `passages` are those for the prompt, in their order."""
    return CacheKey(
        kb=kb,
        version=version,
        question=normalised(question),
        filters=json.dumps(filters, sort_keys=True, ensure_ascii=False, default=str),
        passages=_digest(
            f"{hit.document_id} {hit.start} {hit.end} {hit.title} {hit.heading} {hit.text}" for hit in passages
        ),
        history=_digest(f"{message.role} {message.content}" for message in history),
        engine=_Same(engine),
        options=options,
        prompt_version=prompt_version,
        refuse_unsupported=refuse_unsupported,
    )


def normalised(question: str) -> str:
    """Return a question without what does not change its answer: full-width forms, spacing and closing punctuation.

    Case and superscripts stay, since mW is not MW and 10² is not 102; so do Traditional and Simplified characters: an
    answer may follow the script of its question.
    """
    plain = unicodedata.normalize("NFC", question).translate(_NARROW)
    return " ".join(plain.split()).rstrip(_TRAILING)


class AnswerCache:
    """Keeps at most `entries` answers of at most `max_bytes` together. Safe to share between threads."""

    def __init__(self, entries: int = 512, max_bytes: int = 16 * _MEBIBYTE) -> None:
        if entries < 1 or max_bytes < 1:
            raise ValueError("a cache holds at least one entry and one byte")
        self._entries = entries
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._answers: OrderedDict[CacheKey, tuple[Answer, int]] = OrderedDict()
        self._bytes = 0

    def __len__(self) -> int:
        with self._lock:
            return len(self._answers)

    @property
    def held_bytes(self) -> int:
        """What the answers that are kept take, in bytes, estimated."""
        with self._lock:
            return self._bytes

    def get(self, key: CacheKey) -> Answer | None:
        """Return the answer that was kept under a key, or None."""
        with self._lock:
            found = self._answers.get(key)
            if found is None:
                return None
            self._answers.move_to_end(key)
            return found[0]

    def put(self, key: CacheKey, answer: Answer) -> None:
        """Keep an answer. One of an older version of the same knowledge base goes, and so does the least used."""
        size = size_of(answer)
        with self._lock:
            self._drop(key)
            for old in [old for old in self._answers if old.kb == key.kb and old.version < key.version]:
                self._drop(old)
            if size > self._max_bytes:
                return
            self._answers[key] = (answer, size)
            self._bytes += size
            while len(self._answers) > self._entries or self._bytes > self._max_bytes:
                self._drop(next(iter(self._answers)))

    def clear(self) -> None:
        """Forget all answers."""
        with self._lock:
            self._answers.clear()
            self._bytes = 0

    def _drop(self, key: CacheKey) -> None:
        found = self._answers.pop(key, None)
        if found is not None:
            self._bytes -= found[1]


def size_of(answer: Answer) -> int:
    """Return about how many bytes an answer takes: its texts at four bytes a character, and the records."""
    texts = [answer.answer, *(citation.quote + citation.title + citation.uri for citation in answer.citations)]
    texts += [hit.text + hit.title + hit.heading + hit.uri for hit in answer.hits]
    return 4 * sum(map(len, texts)) + _RECORD_BYTES * (1 + len(answer.citations) + len(answer.hits))


def _digest(parts: Iterable[str]) -> str:
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()
