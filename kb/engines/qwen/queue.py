"""Answering one request at a time, in the order of asking."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING

from indexes.errors import EngineUnavailableError
from kb.engines.qwen.requests import Request

if TYPE_CHECKING:
    from kb.engines.qwen.local_model import LocalModel


class OneAtATime:
    """A bounded queue before a model. Who asked first is answered first, and a slow reader keeps nobody waiting."""

    def __init__(self, model: LocalModel, most_waiting: int) -> None:
        self._model = model
        self._most_waiting = most_waiting
        self._lock = threading.Lock()
        self._waiting: deque[Request] = deque()
        self._worker: threading.Thread | None = None

    @property
    def vocabulary(self) -> int:
        """Token ids lie below this."""
        return self._model.vocabulary

    def start(self, request: Request) -> None:
        """Queue a request; raise EngineUnavailableError where too many wait."""
        with self._lock:
            self._waiting = deque(waiting for waiting in self._waiting if not waiting.stopped())
            if len(self._waiting) >= self._most_waiting:
                raise EngineUnavailableError(
                    f"{len(self._waiting)} questions wait for the model already (engine.waiting): ask again later"
                )
            self._waiting.append(request)
            if self._worker is None:
                self._worker = threading.Thread(target=self._work, name=f"generate-{self._model.device}", daemon=True)
                self._worker.start()

    def close(self) -> None:
        """Nothing is held beyond the requests: the thread ends with the last of them."""

    def _work(self) -> None:
        """Answer until nobody waits."""
        while (request := self._next()) is not None:
            try:
                if not request.stopped():
                    self._model.generate(request.prompt, request.options, request.emit, request.stopped)
                request.end()
            except BaseException as error:  # whatever happens on this thread is raised on the reader's
                request.end(error)

    def _next(self) -> Request | None:
        with self._lock:
            if self._waiting:
                return self._waiting.popleft()
            self._worker = None
            return None
