"""The Chinese-aware splitter: sentences packed to a token budget, with exact offsets and heading paths."""

from __future__ import annotations

import copy
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from langchain_core.documents import Document as LangChainDocument
from langchain_text_splitters import TextSplitter

from indexes.errors import UsageError
from indexes.records import Chunk, Document, Heading, Page, SplitterIdentity, chunk_id_of
from ingest.splitting.embedding_text import with_heading
from ingest.splitting.heading_paths import HeadingPaths
from ingest.splitting.packing import Group, pack
from ingest.splitting.pieces import CountTokens, Measure, Piece, cut_sentence, halves, trim
from ingest.splitting.sentences import sentence_spans

SPLITTER_VERSION = 1
SMALLEST_BUDGET = 32
_VERIFIED_AT_ONCE = 512


class ChineseTextSplitter(TextSplitter):
    """Splits documents into chunks that end at sentence ends and never exceed a token budget.

    `chunk_tokens` bounds what is embedded for a chunk (heading path, line break, text, and the model's special tokens),
    counted by `count_tokens`, the embedder's own tokenizer. The default of 256 tokens is about a paragraph or two:
    small enough for one vector to mean one thing and for a citation to be read at a glance, and half of what bge
    models take. `overlap_sentences` whole sentences are repeated at the start of the next chunk.

    It is a LangChain `TextSplitter`: `split_text`, `create_documents` and `split_documents` work, and `start_index`
    is exact where `add_start_index` is set.
    """

    def __init__(
        self,
        count_tokens: CountTokens,
        *,
        chunk_tokens: int = 256,
        overlap_sentences: int = 1,
        add_start_index: bool = False,
    ) -> None:
        if chunk_tokens < SMALLEST_BUDGET:
            raise UsageError(f"chunk_tokens must be {SMALLEST_BUDGET} or more, not {chunk_tokens}")
        if not 0 <= overlap_sentences <= 16:
            raise UsageError(f"overlap_sentences must be from 0 to 16, not {overlap_sentences}")
        super().__init__(
            chunk_size=chunk_tokens,
            chunk_overlap=0,
            length_function=lambda text: count_tokens([text])[0],
            add_start_index=add_start_index,
        )
        self.chunk_tokens = chunk_tokens
        self.overlap_sentences = overlap_sentences
        self._count_tokens = count_tokens

    @property
    def identity(self) -> SplitterIdentity:
        """What the manifest records; a change makes documents stale."""
        return SplitterIdentity("chinese-sentences", SPLITTER_VERSION, self.chunk_tokens, self.overlap_sentences)

    def split_document(self, document: Document) -> list[Chunk]:
        """Return the chunks of `document` in order; none where its text is blank. Each non-blank character is in one.

        Raises UsageError where the tokenizer needs more than the whole budget for one character.
        """
        pages = _PageIndex(document.pages)
        return [
            Chunk(
                chunk_id=chunk_id_of(document.document_id, ordinal),
                document_id=document.document_id,
                ordinal=ordinal,
                start=start,
                end=end,
                text=document.text[start:end],
                page=pages.page_at(start),
                heading=heading,
            )
            for ordinal, (start, end, heading) in enumerate(self.chunk_spans(document.text, document.headings))
        ]

    def split_text(self, text: str) -> list[str]:
        """Return the texts of the chunks of `text`."""
        return [text[start:end] for start, end, _ in self.chunk_spans(text)]

    def create_documents(
        self, texts: list[str], metadatas: Sequence[Mapping[object, object]] | None = None
    ) -> list[LangChainDocument]:
        """Return LangChain documents of the chunks of `texts`, with `start_index` where it was asked for."""
        documents = []
        for number, text in enumerate(texts):
            for start, end, _ in self.chunk_spans(text):
                metadata = dict(copy.deepcopy(metadatas[number])) if metadatas else {}
                if self._add_start_index:
                    metadata["start_index"] = start
                documents.append(LangChainDocument(page_content=text[start:end], metadata=metadata))
        return documents

    def chunk_spans(self, text: str, headings: Sequence[Heading] = ()) -> list[tuple[int, int, str]]:
        """Return (start, end, heading path) of each chunk of `text`."""
        measure = Measure(self._count_tokens)
        room = self.chunk_tokens - measure.special
        paths = HeadingPaths(text, headings, measure, room // 4)
        pieces = list(_pieces(text, paths, measure, room))
        groups = pack(pieces, paths, room, self.overlap_sentences)
        return list(self._verified(text, groups, paths, measure))

    def _verified(
        self, text: str, groups: list[Group], paths: HeadingPaths, measure: Measure
    ) -> Iterator[tuple[int, int, str]]:
        """Count each chunk as it will be embedded, and divide those over the budget until none is.

        Sums over sentences can be wrong where a tokenizer counts the white space between them or joins across them.
        """
        for begin in range(0, len(groups), _VERIFIED_AT_ONCE):
            batch = groups[begin : begin + _VERIFIED_AT_ONCE]
            for group, count in zip(batch, self._counts(text, batch, paths, measure), strict=True):
                if count <= self.chunk_tokens:
                    yield _span(group, paths)
                else:
                    yield from self._divided(text, group, paths, measure)

    def _counts(self, text: str, groups: Sequence[Group], paths: HeadingPaths, measure: Measure) -> list[int]:
        spans = [_span(group, paths) for group in groups]
        return measure.exact([with_heading(heading, text[start:end]) for start, end, heading in spans])

    def _divided(
        self, text: str, group: Group, paths: HeadingPaths, measure: Measure
    ) -> Iterator[tuple[int, int, str]]:
        pieces = group.pieces
        if group.repeated:
            parts = [Group(pieces[group.repeated :])]
        elif len(pieces) > 1:
            parts = [Group(pieces[: len(pieces) // 2]), Group(pieces[len(pieces) // 2 :])]
        elif pieces[0].end - pieces[0].start > 1:
            piece = pieces[0]
            trimmed = [trim(text, start, end) for start, end in halves(text, piece.start, piece.end)]
            parts = [Group((Piece(a, b, piece.tokens, piece.section, whole=False),)) for a, b in trimmed if a < b]
        elif pieces[0].section:
            bare = pieces[0]
            parts = [Group((Piece(bare.start, bare.end, bare.tokens, 0, whole=False),))]
        else:
            raise UsageError(f"one character takes more than chunk_tokens={self.chunk_tokens} tokens")
        for part, count in zip(parts, self._counts(text, parts, paths, measure), strict=True):
            if count <= self.chunk_tokens:
                yield _span(part, paths)
            else:
                yield from self._divided(text, part, paths, measure)


class _PageIndex:
    """Finds pages by bisection: as `Document.page_at`, for many chunks of many pages."""

    def __init__(self, pages: Sequence[Page]) -> None:
        self._pages = pages
        self._starts = [page.start for page in pages]

    def page_at(self, offset: int) -> int | None:
        index = bisect_right(self._starts, offset) - 1
        if index < 0:
            return None
        page = self._pages[index]
        return page.number if offset < page.end or index == len(self._pages) - 1 else None


def _pieces(text: str, paths: HeadingPaths, measure: Measure, room: int) -> Iterator[Piece]:
    """Yield the sentences of `text`, cut at headings, and cut further where longer than their section's room."""
    spans = _cut_at_bounds(text, sentence_spans(text), paths.bounds())
    levels = dict(zip(paths.starts, paths.levels, strict=True))
    for (start, end), tokens in zip(spans, measure.spans(text, spans), strict=True):
        section = paths.section_at(start)
        level = levels.get(start, 0)
        available = room - paths.tokens[section]
        if tokens <= available:
            yield Piece(start, end, tokens, section, level)
        else:
            for number, (a, b, part) in enumerate(cut_sentence(text, start, end, available, measure)):
                yield Piece(a, b, part, section, level if number == 0 else 0, whole=False, first=number == 0)


def _cut_at_bounds(text: str, spans: list[tuple[int, int]], bounds: list[int]) -> list[tuple[int, int]]:
    if not bounds:
        return spans
    cut: list[tuple[int, int]] = []
    for start, end in spans:
        inner = bounds[bisect_right(bounds, start) : bisect_right(bounds, end - 1)]
        edges = [start, *inner, end]
        cut.extend(part for a, b in pairwise(edges) if (part := trim(text, a, b))[0] < part[1])
    return cut


def _span(group: Group, paths: HeadingPaths) -> tuple[int, int, str]:
    return group.pieces[0].start, group.pieces[-1].end, paths.paths[group.pieces[0].section]
