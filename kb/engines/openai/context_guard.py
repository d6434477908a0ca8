"""Whether a prompt fits the context that the server really has, before and after it is sent.

Some servers cut a long prompt without a word, and then answer from half of the passages. So the context is asked for
where the dialect has a route for it, long prompts are counted by the server's own tokenizer where it offers that, and
what the server says it read is compared afterwards.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import httpx

from indexes.errors import EngineUnavailableError
from kb.engines.openai.dialects import Dialect
from kb.engines.openai.failures import Failure, failure_of_connection
from kb.engines.openai.inquiry import Inquiry
from kb.engines.openai.token_estimate import estimate_tokens, least_tokens
from kb.records import Message

_LOG = logging.getLogger(__name__)
# Under this many tokens a prompt is not cut by any server, and estimates are too rough to accuse one.
_LEAST_ALARM = 200
# How long an answer about the context holds; servers are restarted with another one.
_HOLDS_SECONDS = 60.0
# The share of the counted tokens that a server may report less: templates and joints between texts differ a little.
_SLACK = 0.9
# What a chat template adds to a message, and the share of an estimate that is usually true.
_TEMPLATE_TOKENS = 16
_LIKELY = 0.75
_LEAST_ANSWER = 16

_Told = TypeVar("_Told")


@dataclass(frozen=True, slots=True)
class Fit:
    """What is known of a prompt before it is sent: the room for the answer, and the least its prompt must count."""

    room: int
    least: int


class ContextGuard:
    """Guards one server. `window` is the configured context; the smaller of the two counts."""

    def __init__(self, url: str, model: str, dialect: Dialect, inquiry: Inquiry, window: int) -> None:
        self._url = url
        self._model = model
        self._dialect = dialect
        self._inquiry = inquiry
        self._window = window
        self._context: int | None = None
        self._asked = float("-inf")
        self._served: str | None = None
        self._named = float("-inf")
        self._lock = threading.Lock()

    def served_model(self) -> str:
        """Return the model by the name that the server tells where its dialect asks for that, else as configured.

        Raises Failure where there is no server at all.
        """
        with self._lock:
            if time.monotonic() - self._named > _HOLDS_SECONDS:
                self._served = self._told(lambda: self._dialect.model(self._inquiry))
                self._named = time.monotonic()
            return self._served or self._model

    def before(self, messages: Sequence[Message], room: int) -> Fit:
        """Return how the prompt fits; raise Failure where the server would have to cut or refuse it.

        `room` is what the window leaves for the answer by our own estimate, which lies above the true count, so the
        server's tokenizer is asked only where the estimate alone does not show that the prompt fits.
        """
        least = least_tokens(messages)
        if least < _LEAST_ALARM:
            return Fit(room, least)
        context = self._known_context()
        estimate = estimate_tokens(messages)
        if context is None or estimate + room <= context:
            return Fit(room, least)
        counted = self._told(lambda: self._dialect.count(self._inquiry, self._model, messages))
        least = max(least, int(_SLACK * counted)) if counted is not None else least
        tokens = counted if counted is not None else least
        if tokens >= context:
            about = "" if counted is not None else "at least "
            raise Failure(
                EngineUnavailableError(
                    f"the prompt has {about}{tokens} tokens, but {self._url} has a context of {context}: lower "
                    f"engine.window, or {self._dialect.raises_context}"
                ),
                repeat=False,
                blames=False,
            )
        # Counts are of the texts alone at most servers, and without one the estimate is too high by about a half.
        likely = int(_LIKELY * estimate) if counted is None else counted + _TEMPLATE_TOKENS * (len(messages) + 1)
        return Fit(max(_LEAST_ANSWER, min(room, context - likely)), least)

    def after(self, least: int, prompt_tokens: int | None) -> None:
        """Raise EngineUnavailableError where the server says that it read far fewer tokens than the prompt has."""
        if prompt_tokens is not None and 0 < prompt_tokens < least and least >= _LEAST_ALARM:
            raise EngineUnavailableError(
                f"{self._url} read only {prompt_tokens} tokens of a prompt of at least {least}: it cut the prompt, so "
                f"the answer is not to be trusted. Lower engine.window, or {self._dialect.raises_context}"
            )

    def _known_context(self) -> int | None:
        with self._lock:
            if time.monotonic() - self._asked > _HOLDS_SECONDS:
                self._context = self._told(lambda: self._dialect.context(self._inquiry, self._model))
                self._asked = time.monotonic()
            context = self._context
        if self._dialect.route == "ollama":
            return self._window if context is None else min(context, self._window)
        return context

    def _told(self, ask: Callable[[], _Told | None]) -> _Told | None:
        """Return what the server tells, None where it does not. Raise Failure where there is no server at all."""
        try:
            return ask()
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise failure_of_connection(error, self._url, self._inquiry.connect_seconds) from error
        except httpx.HTTPError as error:
            _LOG.info("%s does not tell about itself: %s", self._url, error)
            return None
