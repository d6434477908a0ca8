"""The overlapping steps of transformers' continuous batching, on a CPU.

On a GPU with flash attention a step is prepared while the one before is still being computed, and its results are read
one step late. The order of all that bookkeeping is that of `ContinuousBatchingAsyncIOs`, which runs here as it is; only
the streams that let it compute meanwhile are replaced by ones that compute at once.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest


class _AtOnce:
    """A stream without any delay, and with that nothing to wait for."""

    def record_event(self, event: Any) -> None:
        """Everything before has happened."""

    def wait_event(self, event: Any) -> None:
        """It has happened."""

    def synchronize(self) -> None:
        """There is nothing to wait for."""


class _Happened:
    """What is recorded on such a stream."""

    def __init__(self, *arguments: object, **named: object) -> None:
        pass

    def synchronize(self) -> None:
        """It has happened."""


def overlap_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every loop that is made from now on overlap its steps."""
    import torch
    from transformers import ContinuousBatchingConfig
    from transformers.generation.continuous_batching import input_outputs

    from kb.engines.qwen import paged

    monkeypatch.setattr(input_outputs.ContinuousBatchingAsyncIOs, "_supported_device_types", ("cpu",))
    monkeypatch.setattr(input_outputs, "create_device_stream", lambda device: _AtOnce())
    monkeypatch.setattr(torch, "Event", _Happened)
    overlapping = partial(ContinuousBatchingConfig, use_async_batching=True)
    monkeypatch.setattr(paged, "ContinuousBatchingConfig", overlapping)


def pad_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every loop that is made from now on fill its steps up to set sizes, as it does where they are CUDA graphs."""
    from transformers.generation.continuous_batching.model_runner import ModelRunner

    monkeypatch.setattr(
        ModelRunner, "pad_inputs", property(lambda runner: True, lambda runner, value: None), raising=False
    )
