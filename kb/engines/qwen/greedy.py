"""Greedy answers in continuous batching, which draws every token: of greedy requests it is left one to draw."""

from __future__ import annotations

from typing import Any, Final

import torch
from transformers.generation.continuous_batching.cb_logits_processors import ContinuousBatchingLogitsProcessor


class BatchedGreedy(ContinuousBatchingLogitsProcessor):  # type: ignore[misc]  # transformers is not followed by mypy
    """Leaves requests with `greedy` their highest score alone, the first of equal ones.

    In BF16 the highest score is often that of several tokens, and a top-k of 1 keeps them all. Comes after all others.
    """

    supported_kwargs: Final = {"greedy": bool}
    ignored_kwargs: Final = ()

    def fill_defaults(self, int32_tensor: Any) -> None:
        """Let places without a request draw."""
        int32_tensor.zero_()

    def prepare_tensor_args(self, requests_with_new_token: list[Any]) -> Any:
        """Return 1 for each request that is greedy, 0 for the others."""
        greedy = [int(future.state.logit_processor_kwargs.get("greedy", False)) for future in requests_with_new_token]
        return torch.tensor(greedy, dtype=torch.int32, device="cpu")

    def __call__(self, scores: Any, tensor_arg: Any) -> Any:
        """Return the scores (requests, vocabulary), all but one of greedy requests at minus infinity."""
        best = scores.argmax(-1, keepdim=True)
        alone = torch.full_like(scores, -torch.inf).scatter_(-1, best, 0.0)
        return torch.where(tensor_arg[: scores.size(0), None] != 0, alone, scores)
