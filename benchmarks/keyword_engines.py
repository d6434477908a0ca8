"""Keyword indexes behind one interface, for comparison: ours, tantivy, bm25s and SQLite FTS5, over the same terms.

Each takes passages as arrays of term ids and questions as distinct term ids, and answers with passages and scores by
BM25 with k1 1.2 and b 0.75 where it lets these be set. The peers are imported when they are used.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from indexes.keywords.bm25 import K1, B, KeywordEntry, KeywordSearcher, KeywordSegment, write_keywords
from indexes.text.matching import terms
from indexes.text.term_ids import Ids

Found = list[tuple[int, float]]
Texts = Sequence[tuple[int, str]]


class KeywordEngine(Protocol):
    """An index in a folder of its own. Passages are numbered; `search` returns (number, score), best first."""

    can_grow: bool

    def build(self, texts: Iterable[tuple[int, str]]) -> None:
        """Index passages in an empty folder, durable or not as the engine does by default."""

    def grow(self, texts: Texts, removed: Texts) -> None:
        """Add passages and remove others from what was built, as the engine does it between rebuilds."""

    def open(self) -> None:
        """Open what is in the folder for searching."""

    def search(self, question: Ids, k: int) -> Found:
        """Return the best k passages."""


class Ours:
    """Segments of `indexes.keywords.bm25`: the first, and one of what was added."""

    can_grow = True

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._removed: set[int] = set()
        self._numbers: list[NDArray[np.int64]] = []
        self._searcher: KeywordSearcher | None = None

    def build(self, texts: Iterable[tuple[int, str]]) -> None:
        numbers: list[int] = []

        def entries() -> Iterable[KeywordEntry]:
            for number, text in texts:
                numbers.append(number)
                yield KeywordEntry("", "", text)

        folder = self._folder / str(len(list(self._folder.iterdir())))
        folder.mkdir()
        write_keywords(folder, entries())
        np.save(folder / "numbers.npy", np.array(numbers, dtype=np.int64))

    def grow(self, texts: Texts, removed: Texts) -> None:
        self.build(texts)
        self._removed |= {number for number, _ in removed}

    def open(self) -> None:
        parts = []
        for folder in sorted(self._folder.iterdir()):
            numbers = np.load(folder / "numbers.npy")
            self._numbers.append(numbers)
            live = ~np.isin(numbers, list(self._removed)) if self._removed else np.ones(numbers.size, dtype=np.bool_)
            parts.append((KeywordSegment.open(folder), live))
        self._searcher = KeywordSearcher(parts)

    def search(self, question: Ids, k: int) -> Found:
        assert self._searcher is not None
        matches = self._searcher.search(question, k)
        return [(int(self._numbers[match.segment][match.position]), match.score) for match in matches]


class Tantivy:
    """tantivy with one writing thread; merges are waited for after building, not after growing."""

    can_grow = True

    def __init__(self, folder: Path) -> None:
        import tantivy

        self._tantivy = tantivy
        schema = tantivy.SchemaBuilder()
        schema.add_text_field("number", stored=True, tokenizer_name="raw", index_option="basic")
        schema.add_text_field("body", stored=False, tokenizer_name="whitespace", index_option="freq")
        self._schema = schema.build()
        self._path = str(folder)

    def build(self, texts: Iterable[tuple[int, str]]) -> None:
        index = self._tantivy.Index(self._schema, path=self._path)
        writer = index.writer(heap_size=256 << 20, num_threads=1)
        for number, text in texts:
            writer.add_document(self._document(number, text))
        writer.commit()
        writer.wait_merging_threads()

    def grow(self, texts: Texts, removed: Texts) -> None:
        writer = self._tantivy.Index.open(self._path).writer(heap_size=64 << 20, num_threads=1)
        for number, _ in removed:
            writer.delete_documents_by_term("number", str(number))
        for number, text in texts:
            writer.add_document(self._document(number, text))
        writer.commit()
        del writer

    def _document(self, number: int, text: str) -> Any:
        document = self._tantivy.Document()
        document.add_text("number", str(number))
        document.add_text("body", spelt(terms(text)))
        return document

    def open(self) -> None:
        self._searcher = self._tantivy.Index.open(self._path).searcher()

    def search(self, question: Ids, k: int) -> Found:
        query, should = self._tantivy.Query, self._tantivy.Occur.Should
        wanted = query.boolean_query(
            [(should, query.term_query(self._schema, "body", word, "freq")) for word in spelt(question).split()]
        )
        found = self._searcher.search(wanted, limit=k, count=False).hits
        return [(int(self._searcher.doc(address)["number"][0]), score) for score, address in found]


class Bm25s:
    """bm25s with every impact worked out beforehand, its files mapped. It cannot grow."""

    can_grow = False

    def __init__(self, folder: Path) -> None:
        import bm25s  # type: ignore[import-untyped]  # it has no annotations

        self._bm25s = bm25s
        self._folder = folder

    def build(self, texts: Iterable[tuple[int, str]]) -> None:
        bags = [terms(text) for _, text in texts]
        words, places = np.unique(np.concatenate(bags), return_inverse=True)
        borders = np.cumsum([bag.size for bag in bags])[:-1]
        ids = [part.tolist() for part in np.split(places, borders)]
        vocabulary = {f"{word:016x}": place for place, word in enumerate(words.tolist())}
        index = self._bm25s.BM25(method="lucene", k1=K1, b=B)
        index.index((ids, vocabulary), show_progress=False)
        index.save(str(self._folder), show_progress=False)

    def grow(self, texts: Texts, removed: Texts) -> None:
        raise NotImplementedError("bm25s is built anew for every change")

    def open(self) -> None:
        self._index = self._bm25s.BM25.load(str(self._folder), mmap=True, load_vocab=True)

    def search(self, question: Ids, k: int) -> Found:
        words = [f"{word:016x}" for word in question.tolist()]
        numbers, scores = self._index.retrieve([words], k=k, show_progress=False, n_threads=0)
        return [(int(number), float(score)) for number, score in zip(numbers[0], scores[0], strict=True) if score > 0]


class Fts5:
    """SQLite FTS5 without the content. Its inverse document frequency is floored at almost 0 for frequent terms."""

    can_grow = True

    def __init__(self, folder: Path) -> None:
        self._path = folder / "fts.sqlite"

    def build(self, texts: Iterable[tuple[int, str]]) -> None:
        with sqlite3.connect(self._path) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("CREATE VIRTUAL TABLE passages USING fts5(body, content='', tokenize='ascii')")
            connection.executemany(
                "INSERT INTO passages(rowid, body) VALUES (?, ?)",
                ((number, spelt(terms(text))) for number, text in texts),
            )
            connection.execute("INSERT INTO passages(passages) VALUES ('optimize')")
        connection.close()

    def grow(self, texts: Texts, removed: Texts) -> None:
        with sqlite3.connect(self._path) as connection:
            connection.executemany(
                "INSERT INTO passages(passages, rowid, body) VALUES ('delete', ?, ?)",
                ((number, spelt(terms(text))) for number, text in removed),
            )
            connection.executemany(
                "INSERT INTO passages(rowid, body) VALUES (?, ?)",
                ((number, spelt(terms(text))) for number, text in texts),
            )
        connection.close()

    def open(self) -> None:
        self._connection = sqlite3.connect(f"{self._path.as_uri()}?mode=ro", uri=True)

    def search(self, question: Ids, k: int) -> Found:
        wanted = " OR ".join(f'"{word}"' for word in spelt(question).split())
        found = self._connection.execute(
            "SELECT rowid, -bm25(passages) FROM passages WHERE passages MATCH ? ORDER BY rank LIMIT ?", (wanted, k)
        )
        return [(int(number), float(score)) for number, score in found]


ENGINES: dict[str, type[Ours | Tantivy | Bm25s | Fts5]] = {
    "ours": Ours,
    "tantivy": Tantivy,
    "bm25s": Bm25s,
    "fts5": Fts5,
}


def spelt(ids: NDArray[np.uint64]) -> str:
    """Return terms as words of twelve letters and digits (the lower 48 bits), for engines that take text."""
    body = ids.astype(">u8").view(np.uint8).reshape(-1, 8)[:, 2:]
    return body.tobytes().hex(" ", 6)
