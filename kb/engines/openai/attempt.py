"""One request to one server: its pieces of text, its usage, and the errors in between."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator
from typing import Final

import httpx

from indexes.errors import EngineUnavailableError
from kb.engines.base import GenerationOptions, Restart
from kb.engines.foreign_json import parse
from kb.engines.openai.deadlines import Deadline, Watch
from kb.engines.openai.dialect_parts import Part, quotable
from kb.engines.openai.endings import at_bound, trouble, trouble_of_nothing
from kb.engines.openai.endpoints import Endpoint
from kb.engines.openai.exchange import End, Exchange, Head
from kb.engines.openai.failures import Failure, failure_of_connection, failure_of_status
from kb.engines.openai.messages import messages
from kb.engines.openai.surrogates import SurrogateJoiner
from kb.engines.stopping import StopFilter
from kb.engines.thinking import ThinkFilter
from kb.records import Usage

_LOG = logging.getLogger(__name__)
# What an answer may take: of text far more than any tokenizer puts into a token, and of bytes the JSON around each
# token besides. A server that sends more does not keep to the bound of the request, or means harm.
_CHARACTERS_OF_A_TOKEN: Final = 64
_CHARACTERS_BESIDE: Final = 1 << 16
_BYTES_OF_A_TOKEN: Final = 1 << 12
_BYTES_BESIDE: Final = 4 << 20


class Attempt:
    """Reads one response. Until the answer has begun every trouble is a Failure, from then on final."""

    def __init__(self, endpoint: Endpoint, exchange: Exchange, deadline: Deadline, options: GenerationOptions) -> None:
        self._endpoint = endpoint
        self._exchange = exchange
        self._limits = deadline.limits
        self._watch = Watch(deadline)
        self._options = options
        self._stops = StopFilter(options.stop)
        self._shown = ThinkFilter(likely=endpoint.thinks_unmarked)
        self._most_characters = _CHARACTERS_OF_A_TOKEN * options.max_new_tokens + _CHARACTERS_BESIDE
        self._most_bytes = _BYTES_OF_A_TOKEN * options.max_new_tokens + _BYTES_BESIDE
        self._begun = False
        self._complete = False
        self._tells_finish = False
        self._finish = self._strange = ""
        self.prompt_tokens: int | None = None
        self.completion_tokens: int | None = None

    @property
    def usage(self) -> Usage | None:
        """The usage that the server told, once the answer is there."""
        if self.prompt_tokens is None or self.completion_tokens is None:
            return None
        return Usage(self.prompt_tokens, self.completion_tokens)

    @property
    def cut(self) -> bool:
        """Whether the server ended the answer at its bound of tokens.

        Where it gives no reason for the end the count of tokens tells; one that says "stop" right there is taken at
        its word.
        """
        if self._stops.stopped:
            return False
        made = self.completion_tokens or 0
        return at_bound(self._finish) or (not self._finish and made >= self._options.max_new_tokens)

    def read(self, cancel: threading.Event) -> Iterator[str | Restart]:
        """Yield the text that is to be shown; a Restart takes back what was. Raises Failure or EngineUnavailableError.

        An answer without text, be it nothing but a thought, is a Failure: another server may do better.
        """
        joiner, thought, worded = SurrogateJoiner(), False, False
        try:
            for part in self._parts(cancel):
                if part.text or part.thinking:
                    self._begun = True
                    self._watch.begun()
                self._take_end(part)
                self._count(part)
                self._most_characters -= len(part.text)
                self._require_bound(self._most_characters)
                thought = thought or part.thinking
                shown = self._shown.release() if part.thinking else ""
                shown += self._shown.feed(joiner.feed(part.text))
                if self._shown.withdrawn:
                    self._stops, self._shown.withdrawn = StopFilter(self._options.stop), False
                    worded = False
                    yield Restart()
                if text := self._stops.feed(shown):
                    worded = worded or bool(text.strip())
                    yield text
                if self._stops.stopped:
                    # Not every server stops where it is told to.
                    return
        except httpx.HTTPError as error:
            failure = failure_of_connection(error, self._endpoint.url, self._limits.connect)
            raise (failure.error if self._begun else failure) from error
        except EngineUnavailableError as error:
            if self._begun:
                raise
            raise Failure(error, repeat=False) from error
        except OSError as error:
            raise Failure(EngineUnavailableError(f"{self._endpoint.url}: {error}"), repeat=False) from error
        if cancel.is_set():
            return
        if not self._begun and not self._complete and self._strange:
            raise Failure(self._trouble("it sent no answer but ", self._strange), repeat=False)
        if not self._begun and not self._complete:
            # llama-cpp-python, for one, streams nothing at all for a prompt over its context.
            raise Failure(
                EngineUnavailableError(
                    f"{self._endpoint.url} ended its response without an answer; if its context is too small for the "
                    f"prompt, lower engine.window, or {self._endpoint.dialect.raises_context}"
                ),
                repeat=True,
            )
        if not self._complete and (self._endpoint.dialect.marks_end or self._tells_finish):
            raise self._trouble("the connection broke off before the answer was complete")
        rest = self._shown.feed(joiner.finish()) + self._shown.finish(cut=at_bound(self._finish))
        if text := self._stops.feed(rest) + self._stops.finish():
            worded = worded or bool(text.strip())
            yield text
        self._learn(thought or worded)
        if not worded and not self._stops.stopped:
            why = trouble_of_nothing(self._finish, thought or self._shown.thought, self._options.max_new_tokens)
            raise Failure(self._trouble(why), repeat=False, blames=False)

    def _take_end(self, part: Part) -> None:
        self._tells_finish = self._tells_finish or part.tells_finish
        self._finish = part.finish or self._finish
        if why := trouble(part.finish):
            raise self._trouble(why)
        if part.done:
            self._complete = True
            self._watch.ended()

    def _learn(self, plain: bool) -> None:
        """Note how this server marks thoughts. `plain`: it has a field for them, or answered without one."""
        if self._shown.unopened and not self._endpoint.thinks_unmarked:
            _LOG.warning(
                "%s shows what its model thinks as part of the answer: start it with the reasoning parser of the model "
                "(vLLM and SGLang: --reasoning-parser). Its answers are held back until the thought has ended",
                self._endpoint.url,
            )
        if self._shown.unopened or plain:
            self._endpoint.thinks_unmarked = self._shown.unopened

    def _count(self, part: Part) -> None:
        self.prompt_tokens = part.prompt_tokens if part.prompt_tokens is not None else self.prompt_tokens
        self.completion_tokens = (
            part.completion_tokens if part.completion_tokens is not None else self.completion_tokens
        )

    def _require_bound(self, left: int) -> None:
        if left < 0:
            raise EngineUnavailableError(f"{self._endpoint.url} sent far more than the answer that it was asked for")

    def _parts(self, cancel: threading.Event) -> Iterator[Part]:
        url = self._endpoint.url
        items = self._exchange.read(cancel, self._watch)
        head = next(items, None)
        if head is None:
            return
        if isinstance(head, End) and head.error is not None:
            raise head.error
        if not isinstance(head, Head):
            raise EngineUnavailableError(f"{url} gave no response")
        if head.status != httpx.codes.OK:
            raise self._refusal(head)
        if head.packed:
            raise EngineUnavailableError(f"{url} sent its answer packed ({head.packed[:20]!r}), as it was asked not to")

        def pieces() -> Iterator[bytes]:
            for item in items:
                if isinstance(item, bytes):
                    self._most_bytes -= len(item)
                    self._require_bound(self._most_bytes)
                    yield item
                elif isinstance(item, End) and item.error is not None and not self._complete:
                    raise item.error

        if head.content_type == "text/html":
            raise EngineUnavailableError(f"{url} sent a web page: is engine.base_url the address of the API?")
        dialect = self._endpoint.dialect
        for message in messages(pieces(), dialect.is_lines, self._trouble):
            if message.strip() == "[DONE]":
                self._complete = self._complete or self._begun
                return
            try:
                part = dialect.read(message, self._endpoint.masked)
            except EngineUnavailableError as error:
                if self._complete:
                    # Torn off behind the end: the answer stands.
                    return
                raise self._trouble(str(error)) from None
            if part.strange:
                # Written anew, without the escapes behind which the key might hide.
                self._strange = json.dumps(parse(message), ensure_ascii=False)
            yield part
            if part.done and dialect.route != "openai":
                return

    def _trouble(self, said: str, quoted: str = "") -> EngineUnavailableError:
        masked = self._endpoint.masked
        return EngineUnavailableError(f"{self._endpoint.url}: {masked(said)}{quotable(masked(quoted))}")

    def _refusal(self, head: Head) -> Failure:
        endpoint = self._endpoint
        return failure_of_status(
            head,
            endpoint.url,
            endpoint.model,
            endpoint.api_key is not None,
            endpoint.dialect.raises_context,
            endpoint.masked,
        )
