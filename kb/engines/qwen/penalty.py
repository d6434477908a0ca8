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

    The table has a row of factors for each of the last `requests` requests, and row 0 without any penalty. Two parts
    take turns in a step: this one is given the rows, `newest` the tokens that the step began with. Those are what the
    table cannot know in time where steps overlap, since it is written before the last step has ended.
    """

    supported_kwargs: Final = {"repetition_penalty": float}
    ignored_kwargs: Final = ()

    def __init__(self, requests: int, vocabulary: int, device: torch.device) -> None:
        self._factors = torch.ones(requests + 1, vocabulary, device=device)
        self._penalties = torch.ones(requests + 1, 1, device=device)
        self._rows: OrderedDict[str, _Row] = OrderedDict()
        self._now: Any = None

    def fill_defaults(self, int32_tensor: Any) -> None:
        """Point every place to the row without penalty."""
        int32_tensor.fill_(_NONE)

    def prepare_tensor_args(self, requests_with_new_token: list[Any]) -> Any:
        """Note the tokens of all requests in their rows, at once; return the rows."""
        rows: list[int] = []
        places: list[int] = []
        tokens: list[int] = []
        for future in requests_with_new_token:
            row, new = self._row(future.state)
            rows.append(row)
            places += [row] * len(new)
            tokens += new
        if tokens:
            where = torch.tensor([places, tokens], device=self._factors.device)
            self._factors[where[0], where[1]] = self._penalties[where[0], 0]
        if self._factors.is_cuda:
            # A step reads the table on another stream than the one it was written on here.
            torch.cuda.current_stream(self._factors.device).synchronize()
        return torch.tensor(rows, dtype=torch.int32, device="cpu")

    def __call__(self, scores: Any, tensor_arg: Any) -> Any:
        """Take the rows; return the scores (requests, vocabulary) as they are, for `newest` to penalise."""
        self._now = tensor_arg[: scores.size(0)].long()
        return scores

    def newest(self, input_ids: Any, scores: Any) -> Any:
        """Return the scores (requests, vocabulary) with the penalties of their rows and of their newest tokens.

        `input_ids` (requests,) are the tokens whose successors are scored. Nothing is written to the table: a step
        gives the same whether the next one is being prepared meanwhile or not.
        """
        factors = self._factors[self._now]
        factors.scatter_(1, input_ids.long().unsqueeze(1), self._penalties[self._now])
        return torch.where(scores > 0, scores / factors, scores * factors)

    def _row(self, state: Any) -> tuple[int, list[int]]:
        """Return the row of a request and the tokens that are not noted in it yet."""
        penalty = state.logit_processor_kwargs.get("repetition_penalty", 1.0)
        if penalty == 1.0:
            return _NONE, []
        row = self._rows.get(state.request_id)
        if row is None:
            if len(self._rows) < self._factors.shape[0] - 1:
                row = _Row(len(self._rows) + 1)
            else:
                _, oldest = self._rows.popitem(last=False)
                row = _Row(oldest.index)
                self._factors[row.index] = 1.0
            self._penalties[row.index] = penalty
            self._rows[state.request_id] = row
        self._rows.move_to_end(state.request_id)
        prompt, answer = state.initial_tokens, state.generated_tokens
        new = list(prompt[row.noted :]) + list(answer[max(0, row.noted - len(prompt)) :])
        row.noted += len(new)
        return row.index, new
