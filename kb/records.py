"""The records of the question road: question, passages, prompt, citations, answer and the events of a stream."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from indexes.records import Hit

Language = Literal["zh", "en"]
Status = Literal["answered", "refused"]
Filters = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation; `role` is "system", "user" or "assistant"."""

    role: str
    content: str


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked. None means: as configured. `chat` says that it is part of a conversation, if only its first."""

    text: str
    top_k: int | None = None
    score_threshold: float | None = None
    filters: Filters = field(default_factory=dict)
    history: tuple[Message, ...] = ()
    engine: str | None = None
    search_only: bool = False
    chat: bool = False


@dataclass(frozen=True, slots=True)
class Retrieval:
    """What was found: hits best first, and the calibrated confidence in [0, 1] that they hold an answer."""

    hits: tuple[Hit, ...]
    confidence: float
    version: int
    milliseconds: float


@dataclass(frozen=True, slots=True)
class Passage:
    """A numbered passage of a prompt: what `[n]` refers to. Offsets as in `Hit`."""

    n: int
    hit: Hit


@dataclass(frozen=True, slots=True)
class Prompt:
    """What an engine is given: chat messages, and the same content in parts for engines that need no model."""

    messages: tuple[Message, ...]
    passages: tuple[Passage, ...]
    question: str
    language: Language
    version: str


@dataclass(frozen=True, slots=True)
class Usage:
    """Token counts of one generation, by the engine's own tokenizer."""

    prompt_tokens: int
    completion_tokens: int


@dataclass(frozen=True, slots=True)
class Place:
    """Where an offset of a document lies: its page, from 1, where the document has pages, and its heading path."""

    page: int | None
    heading: str


@dataclass(frozen=True, slots=True)
class Citation:
    """One `[n]` of an answer: an exact span, `quote == document.text[start:end]`."""

    n: int
    document_id: str
    title: str
    uri: str
    page: int | None
    start: int
    end: int
    quote: str
    heading: str
    score: float
    supported: bool


@dataclass(frozen=True, slots=True)
class Answer:
    """The whole response to a question, as in the contract; `cached` says that it was generated earlier.

    `truncated` says that the engine was cut off at its bound of tokens; where something whole stays, the rest is gone.
    """

    answer: str
    status: Status
    engine: str | None
    citations: tuple[Citation, ...]
    hits: tuple[Hit, ...]
    confidence: float
    kb: str
    version: int
    timings_ms: Mapping[str, float]
    usage: Usage | None
    prompt_version: str
    request_id: str
    cached: bool = False
    truncated: bool = False


@dataclass(frozen=True, slots=True)
class HitsEvent:
    """First event of a stream."""

    hits: Sequence[Hit]


@dataclass(frozen=True, slots=True)
class DeltaEvent:
    """A piece of answer text."""

    text: str


@dataclass(frozen=True, slots=True)
class DoneEvent:
    """Last event of a stream: the whole answer."""

    answer: Answer


Event = HitsEvent | DeltaEvent | DoneEvent
