"""The order of requests within the loop of transformers: its own, with requests given up at any moment."""

from __future__ import annotations

from typing import Any, Final

from transformers.generation.continuous_batching.requests import RequestStatus
from transformers.generation.continuous_batching.scheduler import SCHEDULER_MAPPING, FIFOScheduler

NAME: Final = "leaving"


class LeavingScheduler(FIFOScheduler):  # type: ignore[misc]  # transformers is not followed by mypy
    """First in, first out; who is cancelled counts as finished.

    Where steps overlap, the results of a step come after the next one was prepared, and with that after the pages of
    those who left were freed. The loop passes over requests that are finished by then; of others it looks for the pages
    and dies with all that it holds.
    """

    def clear_cancelled_requests(self) -> list[Any]:
        """Take cancelled requests out, free their pages, and return their states."""
        states: list[Any] = super().clear_cancelled_requests()
        for state in states:
            state.status = RequestStatus.FINISHED
        return states


# A loop takes the name of its scheduler, and looks it up here.
SCHEDULER_MAPPING[NAME] = LeavingScheduler
