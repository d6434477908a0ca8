"""Repetition penalty in continuous batching, which transformers leaves out: each request has a row of factors."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, Final

import torch
from transformers.generation.continuous_batching.cb_logits_processors import ContinuousBatchingLogitsProcessor

_NONE: Final = 0


@dataclass(slots=True)
class _Row:
    index: int
    noted: int = 0


class BatchedPenalty(ContinuousBatchingLogitsProcessor):  # type: ignore[misc]  # transformers is not followed by mypy
    """Divides the positive scores of tokens that stand in prompt or answer, and multiplies the negative ones.

    The table has a row of factors for each of the last `requests` requests, and row 0 without any penalty. Where steps
    overlap on a GPU the newest token of a request may be noted one step late.
    """

    supported_kwargs: Final = {"repetition_penalty": float}
    ignored_kwargs: Final = ()

    def __init__(self, requests: int, vocabulary: int, device: torch.device) -> None:
        self._factors = torch.ones(requests + 1, vocabulary, device=device)
        self._rows: OrderedDict[str, _Row] = OrderedDict()

    def fill_defaults(self, int32_tensor: Any) -> None:
        """Point every place to the row without penalty."""
        int32_tensor.fill_(_NONE)

    def prepare_tensor_args(self, requests_with_new_token: list[Any]) -> Any:
        """Note the tokens of each request in its row; return the rows."""
        rows = [self._row(future.state) for future in requests_with_new_token]
        return torch.tensor(rows, dtype=torch.int32, device="cpu")

    def __call__(self, scores: Any, tensor_arg: Any) -> Any:
        """Return the scores (requests, vocabulary) with the penalties of their rows."""
        factors = self._factors[tensor_arg[: scores.size(0)].long()]
        return torch.where(scores > 0, scores / factors, scores * factors)

    def _row(self, state: Any) -> int:
        penalty = state.logit_processor_kwargs.get("repetition_penalty", 1.0)
        if penalty == 1.0:
            return _NONE
        row = self._rows.get(state.request_id)
        if row is None:
            if len(self._rows) < self._factors.shape[0] - 1:
                row = _Row(len(self._rows) + 1)
            else:
                _, oldest = self._rows.popitem(last=False)
                row = _Row(oldest.index)
                self._factors[row.index] = 1.0
            self._rows[state.request_id] = row
        self._rows.move_to_end(state.request_id)
        tokens = state.initial_tokens + state.generated_tokens
        if new := tokens[row.noted :]:
            self._factors[row.index, torch.tensor(new, device=self._factors.device)] = penalty
            row.noted = len(tokens)
        return row.index
