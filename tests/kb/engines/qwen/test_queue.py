"""The queue before a model is fair and bounded, and no request in it waits for ever."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from indexes.errors import EngineUnavailableError
from kb.engines.base import GenerationOptions
from kb.engines.qwen.queue import OneAtATime
from kb.engines.qwen.requests import Request

OPTIONS = GenerationOptions(max_new_tokens=3)
PATIENCE = 20.0


class GatedModel:
    """Stands for the loaded model: says each request's first token and goes on when the test lets it."""

    device = "cpu"
    vocabulary = 100

    def __init__(self) -> None:
        self.begun: list[int] = []
        self.entered = threading.Semaphore(0)
        self.gate = threading.Semaphore(0)

    def generate(
        self,
        prompt: list[int],
        options: GenerationOptions,
        emit: Callable[[list[int]], None],
        stopped: Callable[[], bool],
    ) -> int:
        self.begun.append(prompt[0])
        self.entered.release()
        assert self.gate.acquire(timeout=PATIENCE)
        if prompt[0] == 13:
            raise RuntimeError("unlucky")
        emit([prompt[0]])
        return 1


def make(waiting: int = 64) -> tuple[GatedModel, OneAtATime]:
    model = GatedModel()
    return model, OneAtATime(model, waiting)  # type: ignore[arg-type]  # what a queue needs of a model


def ask(queue: OneAtATime, number: int, cancel: threading.Event | None = None) -> Request:
    request = Request([number], OPTIONS, cancel or threading.Event())
    queue.start(request)
    return request


def test_first_asked_first_answered() -> None:
    """A request is overtaken by none that comes later, however many do: its first token never starves."""
    model, queue = make()
    requests = [ask(queue, 0)]
    assert model.entered.acquire(timeout=PATIENCE)
    requests += [ask(queue, number) for number in range(1, 4)]
    for number in range(4, 12):
        model.gate.release()
        assert model.entered.acquire(timeout=PATIENCE)
        requests.append(ask(queue, number))
    for _ in range(4):
        model.gate.release()
    assert [list(request.tokens()) for request in requests] == [[[number]] for number in range(12)]
    assert model.begun == list(range(12))


def test_a_full_queue_refuses() -> None:
    """More than may wait are refused at once, and those who gave up make room."""
    model, queue = make(waiting=2)
    first = ask(queue, 0)
    assert model.entered.acquire(timeout=PATIENCE)
    gone = threading.Event()
    waiting = [ask(queue, 1, gone), ask(queue, 2)]
    with pytest.raises(EngineUnavailableError, match=r"2 questions wait.*engine\.waiting"):
        ask(queue, 3)
    gone.set()
    waiting.append(ask(queue, 4))
    for _ in range(3):
        model.gate.release()
    assert [list(request.tokens()) for request in (first, *waiting)] == [[[0]], [], [[2]], [[4]]]
    assert model.begun == [0, 2, 4]


def test_an_error_fails_one_request_alone() -> None:
    """What goes wrong with one request is raised to its reader, and the next is answered."""
    model, queue = make()
    requests = [ask(queue, 13), ask(queue, 1)]
    model.gate.release()
    model.gate.release()
    with pytest.raises(RuntimeError, match="unlucky"):
        list(requests[0].tokens())
    assert list(requests[1].tokens()) == [[1]]


def test_the_thread_goes_when_nobody_waits() -> None:
    """No thread stays behind once all are answered, and the next request gets one again."""
    model, queue = make()
    for number in (1, 2):
        model.gate.release()
        request = ask(queue, number)
        worker = queue._worker
        assert list(request.tokens()) == [[number]]
        if worker is not None:
            worker.join(PATIENCE)
        assert queue._worker is None
