"""Prompt lookup: guessing the next tokens of an answer that quotes, from where its last tokens stood before.

The method is that of A. Saxena, "Prompt Lookup Decoding" (2023). Guesses are checked by the model all at once, so a
wrong one costs time and never changes the answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

_GRAMS: Final = (3, 2)
_FIRST_GUESS: Final = 8
_LONGEST_GUESS: Final = 16


class PromptLookup:
    """Guesses for one answer; their length follows how well the last ones did."""

    def __init__(self, prompt: Sequence[int]) -> None:
        self._tokens: list[int] = []
        self._follows: dict[tuple[int, ...], int] = {}
        self._length = _FIRST_GUESS
        self.add(prompt)

    def add(self, tokens: Sequence[int]) -> None:
        """Take note of further tokens of the text."""
        for token in tokens:
            place = len(self._tokens)
            for size in _GRAMS:
                if place >= size:
                    self._follows[tuple(self._tokens[place - size :])] = place
            self._tokens.append(token)

    def guess(self, most: int) -> list[int]:
        """Return at most `most` tokens that may come next; empty where the last tokens stood nowhere before."""
        for size in _GRAMS:
            place = self._follows.get(tuple(self._tokens[-size:]))
            if place is not None:
                return self._tokens[place : place + min(most, self._length)] if most > 0 else []
        return []

    def learn(self, guessed: int, right: int) -> None:
        """Guess more after a guess that was right to its end, and about as much as was right after another."""
        if guessed and right == guessed:
            self._length = min(_LONGEST_GUESS, 2 * self._length)
        elif guessed:
            self._length = max(2, right + 1)
