"""Whether a prompt fits the context that the server really has, before and after it is sent.

Some servers cut a long prompt without a word, and then answer from half of the passages. So the context is asked for
where the dialect has a route for it, long prompts are counted by the server's own tokenizer where it offers that, and
what the server says it read is compared afterwards.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import httpx

from indexes.errors import EngineUnavailableError
from kb.engines.openai.deadlines import Deadline
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
_POLL_SECONDS = 0.05

_Told = TypeVar("_Told")


@dataclass(frozen=True, slots=True)
class Fit:
    """What is known of a prompt before it is sent: the room for the answer, and the least its prompt must count."""

    room: int
    least: int


class ContextGuard:
    """Guards one server. `window` is the configured context; the smaller of the two counts.

    The server is asked as long as the question's deadline allows; once cancelled, what is returned means nothing.
    """

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

    def served_model(self, deadline: Deadline) -> str:
        """Return the model by the name that the server tells where its dialect asks for that, else as configured.

        Raises Failure where there is no server at all, or no time is left.
        """
        with self._turn(deadline) as mine:
            if mine and time.monotonic() - self._named > _HOLDS_SECONDS:
                served = self._told(self._dialect.model, deadline)
                if not deadline.over:
                    self._served, self._named = served, time.monotonic()
        self._require_time(deadline)
        return self._served or self._model

    def before(self, messages: Sequence[Message], room: int, deadline: Deadline) -> Fit:
        """Return how the prompt fits; raise Failure where the server would have to cut or refuse it, or no time
        is left.

        `room` is what the window leaves for the answer by our own estimate, which lies above the true count, so the
        server's tokenizer is asked only where the estimate alone does not show that the prompt fits.
        """
        least = least_tokens(messages)
        if least < _LEAST_ALARM:
            return Fit(room, least)
        context = self._known_context(deadline)
        estimate = estimate_tokens(messages)
        if context is None or estimate + room <= context:
            return Fit(room, least)
        counted = self._told(lambda inquiry: self._dialect.count(inquiry, self._model, messages), deadline)
        self._require_time(deadline)
        if deadline.cancel.is_set():
            return Fit(room, least)
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

    def _known_context(self, deadline: Deadline) -> int | None:
        with self._turn(deadline) as mine:
            if mine and time.monotonic() - self._asked > _HOLDS_SECONDS:
                told = self._told(lambda inquiry: self._dialect.context(inquiry, self._model), deadline)
                if not deadline.over:
                    self._context, self._asked = told, time.monotonic()
        self._require_time(deadline)
        context = self._context
        if self._dialect.route == "ollama":
            return self._window if context is None else min(context, self._window)
        return context

    @contextmanager
    def _turn(self, deadline: Deadline) -> Iterator[bool]:
        """Let one question after another ask the server; yield False where one is given up before its turn."""
        mine = False
        while not mine and not deadline.over:
            mine = self._lock.acquire(timeout=_POLL_SECONDS)
        try:
            yield mine
        finally:
            if mine:
                self._lock.release()

    def _require_time(self, deadline: Deadline) -> None:
        if deadline.left <= 0 and not deadline.cancel.is_set():
            raise Failure(EngineUnavailableError(f"{self._url}: {deadline.overrun}"), repeat=False)

    def _told(self, ask: Callable[[Inquiry], _Told | None], deadline: Deadline) -> _Told | None:
        """Return what the server tells, None where it does not. Raise Failure where there is no server at all."""
        try:
            return ask(self._inquiry.until(deadline.cancel, deadline.left))
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise failure_of_connection(error, self._url, self._inquiry.connect_seconds) from error
        except httpx.HTTPError as error:
            _LOG.info("%s does not tell about itself: %s", self._url, error)
            return None
