"""The engine that asks an OpenAI-compatible server: vLLM, SGLang, TGI, llama.cpp, Ollama, LM Studio and others."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from urllib.parse import SplitResult, urlsplit

import httpx

from indexes.errors import ConfigurationError, EngineUnavailableError, UsageError
from kb.engines.base import GenerationOptions
from kb.engines.dialects import Body, Part, dialect_of, error_text, minimal_body
from kb.engines.exchange import End, Exchange, Head, make_timeout
from kb.engines.sse import LONGEST_LINE, events, lines
from kb.engines.thinking import ThinkFilter
from kb.engines.token_estimate import estimate_tokens, least_tokens
from kb.records import Message, Prompt, Usage

_LOG = logging.getLogger(__name__)
_BACK_OFF_SECONDS = (0.4, 1.2)
_LONGEST_RETRY_AFTER = 10.0
_BUSY = frozenset({429, 502, 503, 504})
# Under this many tokens a prompt is not cut by any server, and estimates are too rough to accuse one.
_LEAST_ALARM = 200


class _Retry(Exception):
    """Nothing of an answer has come; trying again may help."""

    def __init__(self, error: EngineUnavailableError, after: float | None = None) -> None:
        super().__init__(str(error))
        self.error = error
        self.after = after


class _Refused(Exception):
    """The server does not like the request's fields (400 or 422)."""

    def __init__(self, error: EngineUnavailableError) -> None:
        super().__init__(str(error))
        self.error = error


class OpenAIEngine:
    """Streams answers from `base_url`. Nothing is sent before the first question, and `/v1/models` is never needed.

    `dialect` names the kind of server ("auto": only standard fields; Ollama is known by its port); `window` is the
    context the server has, in tokens, or with Ollama the one it is told to have. `connect_seconds` bounds connecting,
    `read_seconds` the silence between two pieces. The server's tokenizer is out of reach, so tokens are estimated.
    """

    name = "openai"

    def __init__(
        self,
        base_url: str,
        model: str,
        *,
        api_key: str | None = None,
        dialect: str = "auto",
        window: int = 8192,
        connect_seconds: float = 5.0,
        read_seconds: float = 120.0,
    ) -> None:
        parts = urlsplit(base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname or not _has_sound_port(parts):
            raise ConfigurationError("engine.base_url must be an address such as http://127.0.0.1:8000/v1")
        if parts.username is not None or parts.password is not None:
            raise ConfigurationError("engine.base_url must not hold a password: name a variable in engine.api_key_env")
        if api_key is not None and not (api_key.isascii() and api_key.isprintable()):
            raise ConfigurationError("the API key holds characters that cannot be sent in a header")
        self._dialect = dialect_of(dialect, base_url)
        self._tolerant = dialect == "auto"
        self._url = self._dialect.url(base_url)
        self._model = model
        self._api_key = api_key
        self._window = window
        self._timeout = make_timeout(connect_seconds, read_seconds)
        self._read_seconds = read_seconds
        self._running: set[Exchange] = set()
        self._closing = threading.Lock()

    @property
    def window(self) -> int:
        """The largest number of tokens, prompt and answer together, as configured."""
        return self._window

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """Return an estimate that the server's own count will hardly exceed (see `estimate_tokens`)."""
        return estimate_tokens(messages)

    def stream(self, prompt: Prompt, options: GenerationOptions, cancel: threading.Event) -> Iterator[str | Usage]:
        """Yield pieces of the answer without any `<think>` block, and its `Usage` where the server tells it.

        Tries again, at most twice, where nothing has come yet and the server is busy or could not be reached. The
        connection is cut as soon as `cancel` is set or the reader leaves. Raises UsageError where the prompt cannot fit
        the window, EngineUnavailableError for all that goes wrong with the server, also where it cut the prompt.
        """
        room = self._window - self.count_tokens(prompt.messages)
        if room < 1:
            raise UsageError(
                f"the prompt has about {self._window - room} tokens, but engine.window is {self._window}: lower "
                "retrieval.top_k, shorten the question, or raise engine.window if the server's context is larger"
            )
        options = replace(options, max_new_tokens=min(options.max_new_tokens, room))
        body = self._dialect.body(self._model, prompt.messages, options, self._window)
        waits = iter(_BACK_OFF_SECONDS)
        while not cancel.is_set():
            try:
                yield from self._attempt(body, prompt, cancel)
                return
            except _Refused as refused:
                if body == minimal_body(body) or not self._tolerant:
                    raise refused.error from None
                _LOG.info("%s; asking again with fewer fields", refused.error)
                body = minimal_body(body)
            except _Retry as retry:
                wait = next(waits, None)
                if wait is None:
                    raise retry.error from None
                cancel.wait(min(_LONGEST_RETRY_AFTER, max(wait, retry.after or 0.0)))

    def close(self) -> None:
        """Cut off all running answers."""
        with self._closing:
            running, self._running = self._running, set()
        for exchange in running:
            exchange.close()

    def _attempt(self, body: Body, prompt: Prompt, cancel: threading.Event) -> Iterator[str | Usage]:
        headers = {"content-type": "application/json", "accept": "text/event-stream", "accept-encoding": "identity"}
        if self._api_key:
            headers["authorization"] = f"Bearer {self._api_key}"
        sent = json.dumps(body, ensure_ascii=False).encode()
        exchange = Exchange(self._url, sent, headers, self._timeout)
        with self._closing:
            self._running.add(exchange)
        try:
            yield from self._answer(exchange, prompt, cancel)
        finally:
            exchange.close()
            with self._closing:
                self._running.discard(exchange)

    def _answer(self, exchange: Exchange, prompt: Prompt, cancel: threading.Event) -> Iterator[str | Usage]:
        shown = ThinkFilter()
        answered = finished = False
        prompt_tokens = completion_tokens = None
        try:
            for part in self._parts(exchange, cancel):
                answered = answered or bool(part.text)
                finished = finished or part.done
                prompt_tokens = part.prompt_tokens if part.prompt_tokens is not None else prompt_tokens
                completion_tokens = part.completion_tokens if part.completion_tokens is not None else completion_tokens
                if text := shown.feed(part.text):
                    yield text
        except httpx.HTTPError as error:
            failure = EngineUnavailableError(f"{self._url}: {self._described(error)}")
            if answered or isinstance(error, httpx.ReadTimeout | httpx.WriteTimeout):
                raise failure from error
            raise _Retry(failure) from error
        except OSError as error:
            raise EngineUnavailableError(f"{self._url}: {error}") from error
        if cancel.is_set():
            return
        if not answered and not finished:
            raise _Retry(EngineUnavailableError(f"{self._url} ended its response without an answer"))
        if text := shown.finish():
            yield text
        self._check_whole(prompt.messages, prompt_tokens)
        if prompt_tokens is not None and completion_tokens is not None:
            yield Usage(prompt_tokens, completion_tokens)

    def _parts(self, exchange: Exchange, cancel: threading.Event) -> Iterator[Part]:
        items = exchange.read(cancel)
        head = next(items, None)
        if head is None:
            return
        if isinstance(head, End) and head.error is not None:
            raise head.error
        if not isinstance(head, Head):
            raise EngineUnavailableError(f"{self._url} gave no response")
        if head.status != httpx.codes.OK:
            self._raise_status(head)

        def pieces() -> Iterator[bytes]:
            for item in items:
                if isinstance(item, bytes):
                    yield item
                elif isinstance(item, End) and item.error is not None:
                    raise item.error

        if head.content_type == "application/json" and not self._dialect.native_ollama:
            # A server that does not stream sends the whole answer as one message.
            yield self._read(_whole(pieces()))
            return
        if head.content_type == "text/html":
            raise EngineUnavailableError(f"{self._url} sent a web page: is engine.base_url the address of the API?")
        for message in lines(pieces()) if self._dialect.native_ollama else events(lines(pieces())):
            if message.strip() == "[DONE]":
                return
            if message.strip():
                yield self._read(message)

    def _read(self, message: str) -> Part:
        try:
            return self._dialect.read(message)
        except EngineUnavailableError as error:
            raise EngineUnavailableError(f"{self._url}: {self._masked(str(error))}") from None

    def _masked(self, said: str) -> str:
        return said.replace(self._api_key, "***") if self._api_key else said

    def _raise_status(self, head: Head) -> None:
        """Raise what a status other than 200 means."""
        try:
            value = json.loads(head.error_body)
        except ValueError:
            value = None
        said = self._masked(error_text(value)) if isinstance(value, dict) else ""
        status = head.status
        detail = f" ({said})" if said else ""
        if status in (401, 403):
            advice = "check the key that engine.api_key_env names" if self._api_key else "set engine.api_key_env"
            raise EngineUnavailableError(f"{self._url} refused the request with {status}{detail}: {advice}")
        if status == 404:
            raise EngineUnavailableError(
                f"{self._url} answered 404{detail}: check engine.base_url and engine.model ({self._model!r})"
            )
        if 300 <= status < 400:
            raise EngineUnavailableError(f"{self._url} redirects elsewhere ({status}): correct engine.base_url")
        error = EngineUnavailableError(f"{self._url} answered {status}{detail}")
        if status in (400, 422):
            raise _Refused(error)
        if status in _BUSY:
            raise _Retry(error, head.retry_after)
        raise error

    def _check_whole(self, messages: Sequence[Message], prompt_tokens: int | None) -> None:
        """Raise where the server says that it read far fewer tokens than the prompt must have: it was cut."""
        least = least_tokens(messages)
        if prompt_tokens is not None and 0 < prompt_tokens < least and least >= _LEAST_ALARM:
            raise EngineUnavailableError(
                f"{self._url} read only {prompt_tokens} tokens of a prompt of at least {least}: it cut the prompt, so "
                f"the answer is not to be trusted. Lower engine.window, or {self._dialect.raises_context}"
            )

    def _described(self, error: httpx.HTTPError) -> str:
        if isinstance(error, httpx.ConnectTimeout):
            return f"no connection within {self._timeout.connect:g} s: is the server running?"
        if isinstance(error, httpx.ConnectError):
            return f"no connection ({error}): is the server running?"
        if isinstance(error, httpx.ReadTimeout):
            return f"the server was silent for {self._read_seconds:g} s"
        return f"the connection broke off ({error or type(error).__name__})"


def _has_sound_port(parts: SplitResult) -> bool:
    try:
        return parts.port is None or parts.port > 0
    except ValueError:
        return False


def _whole(pieces: Iterator[bytes]) -> str:
    """Return the whole of a body that is small enough to be an answer."""
    body = b""
    for piece in pieces:
        body += piece
        if len(body) > 4 * LONGEST_LINE:
            raise EngineUnavailableError("the server sent an answer of more than 4 MiB")
    return body.decode("utf-8", "replace")
