"""The engine that asks OpenAI-compatible servers: vLLM, SGLang, TGI, llama.cpp, Ollama, LM Studio and others."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace
from typing import Final

from indexes.errors import EngineUnavailableError, UsageError
from kb.engines.base import Cut, GenerationOptions, Restart
from kb.engines.openai.attempt import Attempt
from kb.engines.openai.context_guard import ContextGuard
from kb.engines.openai.deadlines import Deadline, Limits
from kb.engines.openai.dialect_bodies import Body, minimal_body
from kb.engines.openai.endpoints import Endpoint, EndpointPool, ServerAddress
from kb.engines.openai.exchange import Exchange
from kb.engines.openai.failures import Failure, FieldsRefused
from kb.engines.openai.inquiry import Inquiry
from kb.engines.openai.tls import trust
from kb.engines.openai.token_estimate import estimate_tokens
from kb.records import Message, Prompt, Usage

_LOG = logging.getLogger(__name__)
_BACK_OFF_SECONDS: Final = (0.4, 1.2)
_LONGEST_RETRY_AFTER: Final = 10.0
# Questions about the context are answered at once by a server that is alive.
_INQUIRY_SECONDS: Final = 3.0
_LONGEST_MESSAGE: Final = 600


class OpenAIEngine:
    """Streams answers from one server or several. Nothing is sent before the first question.

    Of several, the sound one with the fewest answers running is asked; where a server fails before its answer has
    begun the next is, and the failed one is left alone for a while. Once text has come nothing is asked twice.
    `window` is the context that servers have, in tokens, or that Ollama is told to have; `ca_file` names authorities
    to trust beside the system's. The tokenizer is out of reach, so tokens are estimated; the guard against cut
    prompts asks the server's own where the dialect has a route for it.
    """

    name = "openai"
    quotes = False

    def __init__(
        self, servers: Sequence[ServerAddress], *, window: int = 8192, limits: Limits = Limits(), ca_file: str = ""
    ) -> None:
        self._pool = EndpointPool(servers)
        self._window = window
        self._limits = limits
        self._trust = trust((endpoint.url for endpoint in self._pool.endpoints), ca_file)
        self._guards = {endpoint: self._guard(endpoint) for endpoint in self._pool.endpoints}
        self._running: set[Exchange] = set()
        self._closing = threading.Lock()

    @property
    def window(self) -> int:
        """The largest number of tokens, prompt and answer together, as configured."""
        return self._window

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """Return an estimate that the server's own count will hardly exceed (see `estimate_tokens`)."""
        return estimate_tokens(messages)

    def stream(
        self, prompt: Prompt, options: GenerationOptions, cancel: threading.Event
    ) -> Iterator[str | Usage | Restart | Cut]:
        """Yield pieces of the answer without any `<think>` block, and its `Usage` where the server tells it.

        Each server is asked once, and those that were busy or could not be reached twice more with pauses, as long as
        nothing of an answer has come. The connection is cut as soon as `cancel` is set or the reader leaves. Raises
        UsageError where the prompt cannot fit the window, EngineUnavailableError for all that goes wrong with the
        servers, also where one cut the prompt.
        """
        room = self._window - self.count_tokens(prompt.messages)
        if room < 1:
            raise UsageError(
                f"the prompt has about {self._window - room} tokens, but engine.window is {self._window}: lower "
                "retrieval.top_k, shorten the question, or raise engine.window if the server's context is larger"
            )
        options = replace(options, max_new_tokens=min(options.max_new_tokens, room))
        deadline = Deadline(self._limits, cancel)
        waits = iter(_BACK_OFF_SECONDS)
        untried = set(self._pool.endpoints)
        again: dict[Endpoint, Failure] = {}
        failures: dict[Endpoint, Failure] = {}
        while not cancel.is_set():
            endpoint = self._pool.take(untried)
            try:
                yield from self._ask(endpoint, prompt, options, deadline, cancel)
                if not cancel.is_set():
                    self._pool.succeeded(endpoint)
                return
            except Failure as failure:
                self._pool.failed(endpoint, failure)
                failures[endpoint] = failure
                if failure.repeat:
                    again[endpoint] = failure
            finally:
                self._pool.give_back(endpoint)
            untried.discard(endpoint)
            if untried and deadline.left > 0:
                _LOG.warning("%s; asking another server", failures[endpoint].error)
                continue
            wait = next(waits, None)
            if not again or wait is None or not self._pause(wait, again, deadline, cancel):
                raise _all_failed(list(failures.values()))
            untried, again = set(again), {}

    def close(self) -> None:
        """Cut off all running answers."""
        with self._closing:
            running, self._running = self._running, set()
        for exchange in running:
            exchange.close()

    def _pause(self, wait: float, again: dict[Endpoint, Failure], deadline: Deadline, cancel: threading.Event) -> bool:
        """Wait before the next round, as long as the servers ask for; return False where no time is left for one."""
        asked = min(failure.after or 0.0 for failure in again.values())
        wait = min(_LONGEST_RETRY_AFTER, max(wait, asked))
        if wait >= deadline.left:
            return False
        cancel.wait(wait)
        return True

    def _ask(
        self,
        endpoint: Endpoint,
        prompt: Prompt,
        options: GenerationOptions,
        deadline: Deadline,
        cancel: threading.Event,
    ) -> Iterator[str | Usage | Restart | Cut]:
        fit = self._guards[endpoint].before(prompt.messages, options.max_new_tokens, deadline)
        options = replace(options, max_new_tokens=min(options.max_new_tokens, fit.room))
        model = self._guards[endpoint].served_model(deadline)
        if cancel.is_set():
            return
        body = endpoint.dialect.body(model, prompt.messages, options, self._window)
        fewest = minimal_body(body)
        if endpoint.only_fewest_fields:
            body = fewest
        try:
            attempt = yield from self._attempt(endpoint, body, options, deadline, cancel)
        except FieldsRefused as refused:
            if not endpoint.tolerant or body == fewest:
                raise
            _LOG.info("%s; asking again with fewer fields", refused.error)
            attempt = yield from self._attempt(endpoint, fewest, options, deadline, cancel)
            endpoint.only_fewest_fields = True
        if cancel.is_set():
            return
        self._guards[endpoint].after(fit.least, attempt.prompt_tokens)
        if attempt.cut:
            yield Cut()
        if attempt.usage is not None:
            yield attempt.usage

    def _attempt(
        self,
        endpoint: Endpoint,
        body: Body,
        options: GenerationOptions,
        deadline: Deadline,
        cancel: threading.Event,
    ) -> Generator[str | Restart, None, Attempt]:
        headers = {"content-type": "application/json", "accept": "text/event-stream", "accept-encoding": "identity"}
        if endpoint.api_key:
            headers["authorization"] = f"Bearer {endpoint.api_key}"
        sent = json.dumps(body, ensure_ascii=False).encode()
        exchange = Exchange(endpoint.url, sent, headers, self._limits.connect, self._trust)
        with self._closing:
            self._running.add(exchange)
        attempt = Attempt(endpoint, exchange, deadline, options)
        try:
            yield from attempt.read(cancel)
        finally:
            exchange.close()
            with self._closing:
                self._running.discard(exchange)
        return attempt

    def _guard(self, endpoint: Endpoint) -> ContextGuard:
        inquiry = Inquiry(
            endpoint.base_url, endpoint.api_key, self._trust, min(self._limits.connect, 5.0), _INQUIRY_SECONDS
        )
        return ContextGuard(endpoint.url, endpoint.model, endpoint.dialect, inquiry, self._window)


def _all_failed(failures: Sequence[Failure]) -> EngineUnavailableError:
    """Return the one error, or what each server said."""
    if len(failures) == 1:
        return failures[0].error
    said = "; ".join(dict.fromkeys(str(failure.error) for failure in failures))
    return EngineUnavailableError(f"none of {len(failures)} servers answered: {said}"[:_LONGEST_MESSAGE])
