"""Qwen models of the published shapes with random weights: as fast and as large as the real ones, and as silent."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any, Final

import torch
from transformers import AutoModelForCausalLM, GenerationConfig, LogitsProcessor, Qwen2Config

from kb.engines.qwen.local_model import LocalModel

# From the config.json of each model: hidden, intermediate, layers, heads, key-value heads, vocabulary, tied embeddings.
SHAPES: Final = {
    "tiny": (64, 96, 2, 4, 2, 512, True),
    "qwen2.5-0.5b": (896, 4864, 24, 14, 2, 151936, True),
    "qwen2.5-7b": (3584, 18944, 28, 28, 4, 152064, False),
}
_WINDOW: Final = 32768


def make_model(shape: str, device: torch.device, dtype: torch.dtype, attention: str = "sdpa") -> Any:
    """Return a model of a published shape with random weights."""
    hidden, intermediate, layers, heads, kept, vocabulary, tied = SHAPES[shape]
    config = Qwen2Config(
        vocab_size=vocabulary,
        hidden_size=hidden,
        intermediate_size=intermediate,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=kept,
        max_position_embeddings=_WINDOW,
        tie_word_embeddings=tied,
    )
    torch.manual_seed(0)
    with device:
        model = AutoModelForCausalLM.from_config(config, dtype=dtype, attn_implementation=attention).eval()
    # An end that no script contains.
    model.generation_config = GenerationConfig(eos_token_id=[vocabulary - 1], pad_token_id=0)
    return model


@dataclass(frozen=True, slots=True)
class Script:
    """A prompt and the answer that the model is made to give."""

    prompt: list[int]
    answer: list[int]


def make_script(
    vocabulary: int, prompt_tokens: int, answer_tokens: int, copied: float, span: int, seed: int = 0
) -> Script:
    """Return random tokens whose answer copies spans of `span` tokens of the prompt, the share `copied` in all."""
    chance = random.Random(seed)
    ids = range(10, vocabulary - 10)
    prompt = chance.choices(ids, k=prompt_tokens)
    answer: list[int] = []
    while len(answer) < answer_tokens:
        begin = chance.randrange(prompt_tokens - span)
        answer += prompt[begin : begin + span] + chance.choices(ids, k=round(span * (1 - copied) / copied))
    return Script(prompt, answer[:answer_tokens])


class Forcing(LogitsProcessor):  # type: ignore[misc]  # transformers is not followed by mypy
    """Makes `generate` of transformers give the answer of a script."""

    def __init__(self, script: Script) -> None:
        self._script = script

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        """Raise the score of the token whose turn it is."""
        place = min(input_ids.shape[1] - len(self._script.prompt), len(self._script.answer) - 1)
        scores = scores.clone()
        scores[:, self._script.answer[place]] = 1e4
        return scores


class ForcedModel(LocalModel):
    """Our own loop over a model that gives the answer of a script; every forward pass is made in full."""

    script: Script

    def _forward(self, tokens: list[int], cache: Any, kept: int) -> Any:
        scores = super()._forward(tokens, cache, kept)
        first = cache.get_seq_length() - kept + 1 - len(self.script.prompt)
        for row in range(kept):
            if 0 <= first + row < len(self.script.answer):
                scores[row, self.script.answer[first + row]] = 1e4
        return scores
