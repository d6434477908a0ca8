"""The engine without a model: it chooses the sentences that answer and quotes them, each with its `[n]`."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from indexes.text import fold, query_terms, terms
from kb.engines.base import GenerationOptions
from kb.engines.extractive_features import FEATURES, Sentence, feature_rows, sentences_of
from kb.engines.extractive_weights import BIAS, WEIGHTS
from kb.marks import neutralise_marks
from kb.records import Message, Prompt, Usage

_LATIN_LENGTH: Final = 0.35
_CLAUSE = re.compile(r"[^，,；;：:、]*[，,；;：:、]*")
_SENTENCE_CLOSERS: Final = "。！？；.!?;…”’」』）)》"
_WEIGHTS: NDArray[np.float64] = np.array([WEIGHTS[name] for name in FEATURES])


class ExtractiveEngine:
    """Quotes the sentences that most probably hold the answer.

    A logistic model gives each sentence of the best `maximum_passages` passages the probability that it answers
    (`extractive_weights.py`). The best one is quoted; others are added, up to `maximum_sentences`, while their
    probability for each character quoted is over `price`: lower gives longer answers that hold more. A sentence of
    another passage than the best one's must also reach `second_passage_probability`. A sentence over
    `maximum_characters` is cut at clauses around its best part.
    """

    name = "extractive"
    window = 1_000_000_000

    def __init__(
        self,
        *,
        price: float = 0.002,
        maximum_sentences: int = 3,
        maximum_passages: int = 4,
        second_passage_probability: float = 0.2,
        maximum_characters: int = 200,
    ) -> None:
        self.price = price
        self.maximum_sentences = maximum_sentences
        self.maximum_passages = maximum_passages
        self.second_passage_probability = second_passage_probability
        self.maximum_characters = maximum_characters

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """Return the number of characters: without a model there is no tokenizer, and no window to keep to."""
        return sum(len(message.content) for message in messages)

    def stream(self, prompt: Prompt, options: GenerationOptions, cancel: threading.Event) -> Iterator[str | Usage]:
        """Yield the chosen sentences in the order of the passages; `options` have no meaning here."""
        written = ""
        for sentence in self.choose(prompt):
            if cancel.is_set():
                return
            quoted = neutralise_marks(self._shorten(sentence, prompt.question))
            glue = " " if written and (written[-1].isascii() or written[-1] not in _SENTENCE_CLOSERS) else ""
            yield f"{glue}{quoted}[{sentence.passage.n}]"
            written = quoted

    def close(self) -> None:
        """Do nothing: no model is held."""

    def choose(self, prompt: Prompt) -> list[Sentence]:
        """Return the sentences to quote, in the order of the passages and of the text."""
        sentences = sentences_of(prompt.passages[: self.maximum_passages])
        if not sentences:
            return []
        probability = 1.0 / (1.0 + np.exp(-(feature_rows(prompt.question, sentences) @ _WEIGHTS + BIAS)))
        lengths = np.array([min(reading_length(s.text), self.maximum_characters) for s in sentences])
        best = int(np.argmax(probability))
        chosen = [best]
        for index in np.argsort(-probability / lengths, kind="stable").tolist():
            if len(chosen) == self.maximum_sentences or probability[index] / lengths[index] < self.price:
                break
            other = sentences[index].passage.n != sentences[best].passage.n
            if index != best and not (other and probability[index] < self.second_passage_probability):
                chosen.append(index)
        return [sentences[index] for index in sorted(chosen)]

    def _shorten(self, sentence: Sentence, question: str) -> str:
        """Return the sentence, or of a long one the run of whole clauses around the clause nearest to the question."""
        text = sentence.text
        if len(text) <= self.maximum_characters:
            return text
        spans = [match.span() for match in _CLAUSE.finditer(text) if match.group()]
        asked = frozenset(query_terms(question).tolist())
        covers = [len(asked & frozenset(terms(fold(text[start:end])).tolist())) for start, end in spans]
        first = last = max(range(len(spans)), key=covers.__getitem__)
        while True:
            after = last + 1 < len(spans) and spans[last + 1][1] - spans[first][0] <= self.maximum_characters
            before = first > 0 and spans[last][1] - spans[first - 1][0] <= self.maximum_characters
            if after and (not before or covers[last + 1] >= covers[first - 1]):
                last += 1
            elif before:
                first -= 1
            else:
                return text[spans[first][0] : spans[last][1]].strip()


def reading_length(text: str) -> float:
    """Return the length of a text in CJK characters; a Latin one counts as the share of those that it is to read."""
    narrow = sum(character.isascii() for character in text)
    return max(1.0, len(text) - narrow + _LATIN_LENGTH * narrow)
