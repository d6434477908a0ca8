"""The queue before a loop of many requests: fair, bounded, and able to outlive the loop. The loop here is a small one.

What a real loop does is tested in test_qwen_paged.py; this one takes one step when it is told to, and can die, hang and
refuse, which the real one cannot be made to do at will.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from indexes.errors import EngineUnavailableError
from kb.engines.base import GenerationOptions
from kb.engines.qwen.batching import Batching, Progress
from kb.engines.qwen.requests import Request

PATIENCE = 20.0


class SmallLoop:
    """Gives every request a token a step, a step whenever `step` is called, until it has `max_new_tokens`."""

    def __init__(self) -> None:
        self.held: dict[str, tuple[int, list[int], int]] = {}
        self.order: list[int] = []
        self.cancelled: list[int] = []
        self.most_held = 0
        self.dead: str | None = None
        self.made = 0
        self.stopped = False
        self.said: queue.SimpleQueue[Progress] = queue.SimpleQueue()

    def add(self, name: str, prompt: list[int], options: GenerationOptions) -> None:
        if prompt[0] == 13:
            raise ValueError("no thirteen")
        self.held[name] = (prompt[0], [], options.max_new_tokens)
        self.order.append(prompt[0])
        self.most_held = max(self.most_held, len(self.held))

    def cancel(self, name: str) -> None:
        self.cancelled.append(self.held.pop(name)[0])

    def step(self) -> None:
        self.made += 1
        for name, (first, tokens, most) in list(self.held.items()):
            tokens.append(first)
            finished = len(tokens) >= most
            self.said.put(Progress(name, tuple(tokens), finished))
            if finished:
                del self.held[name]

    def progress(self, seconds: float) -> Iterator[Progress]:
        try:
            yield self.said.get(timeout=seconds)
        except queue.Empty:
            return

    def steps(self) -> int:
        return self.made

    def failure(self) -> str | None:
        return self.dead

    def stop(self) -> None:
        self.stopped = True


class Bench:
    """A queue over small loops, each kept for inspection."""

    def __init__(self, slots: int = 2, waiting: int = 64, stall_seconds: float = 600.0) -> None:
        self.loops: list[SmallLoop] = []
        self.batching = Batching(
            self._make, vocabulary=100, slots=slots, most_waiting=waiting, stall_seconds=stall_seconds
        )

    def _make(self) -> SmallLoop:
        self.loops.append(SmallLoop())
        return self.loops[-1]

    @property
    def loop(self) -> SmallLoop:
        # The queue's thread makes it, in its own time.
        self.until(lambda: bool(self.loops))
        return self.loops[-1]

    def ask(self, number: int, tokens: int = 2, cancel: threading.Event | None = None) -> Request:
        request = Request([number], GenerationOptions(max_new_tokens=tokens), cancel or threading.Event())
        self.batching.start(request)
        return request

    def until(self, what: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not what():
            assert time.monotonic() < deadline
            time.sleep(0.002)

    def held(self, *numbers: int) -> None:
        self.until(lambda: bool(self.loops) and sorted(n for n, _, _ in self.loop.held.values()) == sorted(numbers))

    def run(self, request: Request) -> list[int]:
        """Step until the request has ended; return its tokens."""
        found: list[int] = []
        done = threading.Event()

        def read() -> None:
            for tokens in request.tokens():
                found.extend(tokens)
            done.set()

        threading.Thread(target=read, daemon=True).start()
        deadline = time.monotonic() + PATIENCE
        while not done.wait(0.005):
            assert time.monotonic() < deadline
            self.loop.step()
        return found


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    made.batching.close()


def test_slots_are_filled_in_order(bench: Bench) -> None:
    """At most `slots` are in the loop, the next enters when one leaves, and nobody is overtaken."""
    requests = [bench.ask(number, tokens=1 + number % 3) for number in range(1, 9)]
    assert [bench.run(request) for request in requests] == [[n] * (1 + n % 3) for n in range(1, 9)]
    assert bench.loop.order == list(range(1, 9))
    assert bench.loop.most_held == 2


def test_a_full_queue_refuses() -> None:
    """More than may wait are refused at once; those who gave up make room."""
    bench = Bench(slots=1, waiting=2)
    first = bench.ask(1)
    bench.held(1)
    gone = threading.Event()
    waiting = [bench.ask(2, cancel=gone), bench.ask(3)]
    with pytest.raises(EngineUnavailableError, match=r"2 questions wait.*engine\.waiting"):
        bench.ask(4)
    gone.set()
    waiting.append(bench.ask(5))
    assert [bench.run(request) for request in (first, waiting[1], waiting[2])] == [[1, 1], [3, 3], [5, 5]]
    assert bench.loop.order == [1, 3, 5]
    bench.batching.close()


def test_cancelling_frees_the_slot_without_a_step(bench: Bench) -> None:
    """When a client goes its request leaves the loop at once, and the next one enters, without a step in between."""
    gone = threading.Event()
    bench.ask(1, cancel=gone)
    left = bench.ask(2)
    bench.held(1, 2)
    waiting = bench.ask(3)
    gone.set()
    bench.held(2, 3)
    left.leave()
    bench.held(3)
    assert bench.loop.cancelled == [1, 2]
    assert bench.run(waiting) == [3, 3]


def test_a_dead_loop_takes_only_what_it_held(bench: Bench) -> None:
    """Requests in a loop that dies fail with its reason; those that waited are answered by a new loop."""
    held = [bench.ask(1), bench.ask(2)]
    bench.held(1, 2)
    waiting = bench.ask(3)
    first = bench.loop
    first.dead = "RuntimeError: device-side assert"
    for request in held:
        with pytest.raises(EngineUnavailableError, match="device-side assert"):
            list(request.tokens())
    bench.until(lambda: len(bench.loops) == 2)
    assert bench.run(waiting) == [3, 3]
    assert first.stopped
    assert first.order == [1, 2]


class Clock:
    """Stands for the module `time`: goes on only when it is told to."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    stopped = Clock()
    monkeypatch.setattr("kb.engines.qwen.batching.time", stopped)
    return stopped


def test_a_silent_loop_is_given_up(clock: Clock) -> None:
    """A loop that has work and makes no step for the stall time is taken for dead; an idle one is not."""
    bench = Bench(stall_seconds=10.0)
    silent = bench.ask(1)
    bench.held(1)
    clock.now += 11
    with pytest.raises(EngineUnavailableError, match=r"no step for 10 s"):
        list(silent.tokens())
    bench.until(lambda: bench.loops[0].stopped)
    assert bench.run(bench.ask(2, tokens=1)) == [2]
    clock.now += 1000
    assert bench.run(bench.ask(3, tokens=1)) == [3]
    assert len(bench.loops) == 2
    bench.batching.close()


def test_a_long_prompt_is_no_stall(clock: Clock) -> None:
    """Steps without a word, as reading a long prompt takes, keep a loop alive for longer than the stall time."""
    bench = Bench(stall_seconds=10.0)
    request = bench.ask(1, tokens=1)
    bench.held(1)
    for _ in range(5):
        bench.loop.made += 1
        bench.until(lambda: bench.batching._steps == bench.loop.made)
        clock.now += 9
    assert bench.run(request) == [1]
    assert len(bench.loops) == 1
    bench.batching.close()


def test_a_refused_request_fails_alone(bench: Bench) -> None:
    """A request that the loop will not take is told so; the one beside it goes on."""
    good, bad = bench.ask(1), bench.ask(13)
    with pytest.raises(ValueError, match="no thirteen"):
        list(bad.tokens())
    assert bench.run(good) == [1, 1]
    assert len(bench.loops) == 1


def test_a_request_that_met_a_dead_loop_goes_to_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    """A loop that dies right before it is handed a request costs that request nothing; one that always does, all."""
    deaths = [1]
    add = SmallLoop.add

    def dying(self: SmallLoop, name: str, prompt: list[int], options: GenerationOptions) -> None:
        if deaths:
            if prompt[0] != 9:
                deaths.pop()
            self.dead = "it died"
            raise EngineUnavailableError("takes no requests")
        add(self, name, prompt, options)

    monkeypatch.setattr(SmallLoop, "add", dying)
    bench = Bench()
    saved = bench.ask(1)
    bench.held(1)
    assert bench.run(saved) == [1, 1]
    assert len(bench.loops) == 2
    deaths.append(1)
    with pytest.raises(EngineUnavailableError, match="takes no requests"):
        list(bench.ask(9).tokens())
    assert len(bench.loops) == 3
    bench.batching.close()


def test_a_loop_that_cannot_be_made_fails_the_request() -> None:
    """Where no loop can be made, as without memory, each request says why, and a later one tries again."""
    made: list[SmallLoop] = []

    def make() -> SmallLoop:
        if not made:
            made.append(SmallLoop())
            raise MemoryError("no room")
        made.append(SmallLoop())
        return made[-1]

    batching = Batching(make, vocabulary=9, slots=1, most_waiting=9)
    first = Request([1], GenerationOptions(max_new_tokens=1), threading.Event())
    batching.start(first)
    with pytest.raises(MemoryError, match="no room"):
        list(first.tokens())
    batching.start(Request([2], GenerationOptions(max_new_tokens=1), threading.Event()))
    deadline = time.monotonic() + PATIENCE
    while len(made) < 2 or made[1].order != [2]:
        assert time.monotonic() < deadline
        time.sleep(0.002)
    batching.close()


def test_closing_answers_what_is_there(bench: Bench) -> None:
    """After `close` what was asked is still answered, the loop is stopped then, and nothing new is taken."""
    request = bench.ask(1)
    bench.held(1)
    bench.batching.close()
    bench.batching.close()
    with pytest.raises(EngineUnavailableError, match="closed"):
        bench.ask(2)
    assert bench.run(request) == [1, 1]
    bench.until(lambda: bench.loop.stopped)


def test_closing_can_be_waited_for() -> None:
    """With a time to wait the loop has been stopped when `close` returns; a queue never used has none to wait for."""
    bench = Bench()
    request = bench.ask(1)
    bench.held(1)
    assert bench.run(request) == [1, 1]
    bench.batching.close(wait=PATIENCE)
    assert bench.loop.stopped
    Bench().batching.close(wait=PATIENCE)
