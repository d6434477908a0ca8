"""The engine without a model: it chooses the sentences that answer and quotes them, each with its `[n]`."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from indexes.text.matching import fold, query_terms, terms
from kb.checking.marks import neutralise_marks
from kb.checking.support import solid
from kb.engines.base import GenerationOptions
from kb.engines.extractive.features import FEATURES, feature_rows, heading_covers
from kb.engines.extractive.quotable import Sentence, sentences_of
from kb.engines.extractive.standing import standing
from kb.engines.extractive.weights import BIAS, WEIGHTS
from kb.identifiers import passages_about
from kb.records import Message, Prompt, Usage

_LATIN_LENGTH: Final = 0.35
_CLAUSE = re.compile(r"[^，,；;：:、]*[，,；;：:、]*")
# What a heading that asks the same adds to the logit of the first sentence under it, and of the others. Set by hand on
# the sample documents: the question sets that the weights are fitted on have no headings.
_OPENING: Final = 4.0
_UNDER: Final = 3.0
# What stands under another heading of the same passage must come this close to the best sentence.
_OTHER_HEADING_SHARE: Final = 0.7
# A sentence that announces what follows is quoted with it.
_LEADS_ON = re.compile(r"[：:]\Z")
_SENTENCE_CLOSERS: Final = "。！？；.!?;…”’」』）)》"
_WEIGHTS: NDArray[np.float64] = np.array([WEIGHTS[name] for name in FEATURES])


class ExtractiveEngine:
    """Quotes the sentences that most probably hold the answer.

    A logistic model gives each sentence of the best `maximum_passages` passages the probability that it answers
    (`weights.py`); a heading that asks the same lifts what stands under it. The best sentence is quoted;
    others are added, the most probable first, up to `maximum_sentences`, if their probability for each character
    quoted is over `price` and at least `share` of the best one's: lower values give longer answers that hold more. A
    sentence of another passage must also reach `second_passage_probability`, one under another heading most of the
    best one's. A sentence over `maximum_characters` is cut at clauses around its best part.
    """

    name = "extractive"
    quotes = True
    window = 1_000_000_000

    def __init__(
        self,
        *,
        price: float = 0.0022,
        share: float = 0.1,
        maximum_sentences: int = 3,
        maximum_passages: int = 4,
        second_passage_probability: float = 0.2,
        maximum_characters: int = 200,
    ) -> None:
        self.price = price
        self.share = share
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
        """Return the sentences to quote, in the order of the passages and of the text.

        There are none where no passage has the identifiers of the question: of another product nothing is quoted.
        """
        passages = passages_about(prompt.question, prompt.passages)
        sentences = sentences_of(passages[: self.maximum_passages])
        if not sentences:
            return []
        probability = standing(prompt.question, sentences, self._probabilities(prompt.question, sentences))
        worth = probability / np.array([self._length(sentence) for sentence in sentences])
        best = int(np.argmax(probability))
        if not probability[best]:
            return []
        chosen = {best}
        for index in np.argsort(-probability, kind="stable").tolist():
            if len(chosen) >= self.maximum_sentences:
                break
            if worth[index] < self.price:
                continue
            said = {solid(sentences[earlier].text) for earlier in chosen}
            if solid(sentences[index].text) not in said and self._adds(
                sentences[index], probability[index], sentences[best], probability[best]
            ):
                chosen.add(index)
        return [sentences[index] for index in sorted(chosen | self._announced(chosen, sentences))]

    def _adds(self, sentence: Sentence, probability: float, best: Sentence, best_probability: float) -> bool:
        """Say whether a sentence is good enough beside the best one."""
        if sentence.passage.n != best.passage.n:
            return probability >= max(self.second_passage_probability, self.share * best_probability)
        share = self.share if sentence.section == best.section else _OTHER_HEADING_SHARE
        return probability >= share * best_probability

    @staticmethod
    def _announced(chosen: set[int], sentences: Sequence[Sentence]) -> set[int]:
        """Return the sentences that chosen ones announce by a colon at their end."""
        return {
            index + 1
            for index in chosen
            if index + 1 < len(sentences)
            and _LEADS_ON.search(sentences[index].text)
            and sentences[index + 1].kind == "text"
            and sentences[index + 1].passage.n == sentences[index].passage.n
        }

    def _length(self, sentence: Sentence) -> float:
        return min(reading_length(sentence.text), float(self.maximum_characters))

    def _probabilities(self, question: str, sentences: Sequence[Sentence]) -> NDArray[np.float64]:
        """Return of shape (n,) how probably each sentence answers; 0 for headings and fragments beside any text."""
        lift = heading_covers(question, sentences) * np.array([_OPENING if s.opens else _UNDER for s in sentences])
        logits = feature_rows(question, sentences) @ _WEIGHTS + BIAS + lift
        statements = np.array([sentence.kind == "text" for sentence in sentences])
        if statements.any():
            logits[~statements] = -np.inf
        answers: NDArray[np.float64] = np.isfinite(logits) / (1.0 + np.exp(-np.maximum(logits, -700.0)))
        return answers

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
