"""Choosing the next token from the scores of a model."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch

from kb.engines.base import GenerationOptions


class Chooser:
    """Chooses the tokens of one answer: greedily, or by chance among the likely ones.

    The order is that of transformers: repetition penalty over prompt and answer, temperature, `top_k`, `top_p`.
    """

    def __init__(self, options: GenerationOptions, prompt: Iterable[int], device: torch.device) -> None:
        self._options = options
        self._device = device
        self._seen: set[int] = set()
        self._seen_index = torch.empty(0, dtype=torch.long, device=device)
        self._chance = torch.Generator(device=device)
        if options.seed is None:
            self._chance.seed()
        else:
            self._chance.manual_seed(options.seed)
        self._note(prompt)

    def accept(self, logits: Any, guess: Sequence[int], ends: Iterable[int]) -> list[int]:
        """Return the tokens that follow, one or more.

        `logits` are the scores (1 + len(guess), vocabulary) after the text so far and after each token of `guess`. A
        token of the guess holds where it is the one that is chosen; the first that is not, or an end, is the last.
        """
        accepted: list[int] = []
        for place in range(len(guess) + 1):
            token = self._choose(logits[place].float())
            accepted.append(token)
            self._note((token,))
            if token in ends or place == len(guess) or token != guess[place]:
                break
        return accepted

    def probabilities(self, scores: Any) -> tuple[Any, Any]:
        """Return the tokens that may be chosen, the likeliest first, and their probabilities."""
        options = self._options
        scores = self._penalised(scores) / options.temperature
        count = min(options.top_k, scores.shape[-1]) if options.top_k > 0 else scores.shape[-1]
        best, tokens = torch.topk(scores, count)
        shares = torch.softmax(best, -1)
        # The smallest set that holds the mass `top_p`: a token stays while those before it do not hold it yet.
        likely = shares.cumsum(-1) - shares < options.top_p
        likely[0] = True
        return tokens[likely], shares[likely] / shares[likely].sum()

    def _choose(self, scores: Any) -> int:
        if self._options.temperature <= 0:
            return int(self._penalised(scores).argmax())
        tokens, shares = self.probabilities(scores)
        return int(tokens[torch.multinomial(shares, 1, generator=self._chance)])

    def _penalised(self, scores: Any) -> Any:
        penalty = self._options.repetition_penalty
        if penalty == 1.0 or not self._seen:
            return scores
        seen = scores[self._seen_index]
        return scores.index_copy(0, self._seen_index, torch.where(seen > 0, seen / penalty, seen * penalty))

    def _note(self, tokens: Iterable[int]) -> None:
        new = set(tokens) - self._seen
        if new and self._options.repetition_penalty != 1.0:
            self._seen |= new
            index = torch.tensor(sorted(new), dtype=torch.long, device=self._device)
            self._seen_index = torch.cat((self._seen_index, index))
