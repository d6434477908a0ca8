"""A causal language model in this process: one generation at a time. Needs the `local` extra."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import torch

from kb.engines.base import GenerationOptions
from kb.engines.qwen.cache import PromptCaches
from kb.engines.qwen.lookup import PromptLookup
from kb.engines.qwen.quantised_cache import CacheType
from kb.engines.qwen.sampling import Chooser

# Tokens of a prompt that are read at once: a request that is cancelled ends within one such step.
_READ_AT_ONCE: Final = 512


class LocalModel:
    """A loaded model on one device, generating for one request at a time; `slots` prompts stay in its memory."""

    def __init__(self, model: Any, slots: int, cache_type: CacheType = "auto") -> None:
        self._model = model
        self._caches = PromptCaches(model.config, slots, cache_type)
        self._ends = frozenset(model.generation_config.eos_token_id)
        self.device: torch.device = model.device
        self.vocabulary: int = model.config.get_text_config().vocab_size

    def generate(
        self,
        prompt: list[int],
        options: GenerationOptions,
        emit: Callable[[list[int]], None],
        stopped: Callable[[], bool],
    ) -> int:
        """Hand the tokens of the answer to `emit` as they come, and return how many there were.

        `stopped` is asked before each step. The answer is the same with and without guessing and kept caches.
        """
        with torch.inference_mode():
            return self._generate(prompt, options, emit, stopped)

    def _generate(
        self,
        prompt: list[int],
        options: GenerationOptions,
        emit: Callable[[list[int]], None],
        stopped: Callable[[], bool],
    ) -> int:
        cache, known = self._caches.take(prompt)
        known = self._read(prompt, known, cache, stopped)
        tokens, lookup = list(prompt), PromptLookup(prompt)
        chooser = Chooser(options, prompt, self.device)
        while (room := options.max_new_tokens - len(tokens) + len(prompt)) > 0 and not stopped():
            guess = lookup.guess(room - 1) if self._caches.can_rewind else []
            logits = self._forward(tokens[known:] + guess, cache, 1 + len(guess))
            accepted = chooser.accept(logits, guess, self._ends)
            if wrong := 1 + len(guess) - len(accepted):
                cache.crop(-wrong)
            known = len(tokens) + len(accepted) - 1
            tokens += accepted
            lookup.learn(len(guess), len(accepted) - 1)
            lookup.add(accepted)
            emit(accepted)
            if accepted[-1] in self._ends:
                break
        self._caches.keep(tokens[:known], cache)
        return len(tokens) - len(prompt)

    def _read(self, prompt: list[int], known: int, cache: Any, stopped: Callable[[], bool]) -> int:
        """Read all but the last token of the prompt; return how many the cache holds then."""
        while known < len(prompt) - 1 and not stopped():
            part = prompt[known : min(known + _READ_AT_ONCE, len(prompt) - 1)]
            self._forward(part, cache, 1)
            known += len(part)
        return known

    def _forward(self, tokens: list[int], cache: Any, kept: int) -> Any:
        """Return the scores (kept, vocabulary) after the last tokens."""
        ids = torch.tensor([tokens], device=self.device)
        return self._model(input_ids=ids, past_key_values=cache, use_cache=True, logits_to_keep=kept).logits[0]
