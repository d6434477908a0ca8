"""The benchmark of the engine runs whole on a tiny model, so that it works where a large one is at hand."""

from __future__ import annotations

import json

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
pytestmark = pytest.mark.models


def test_the_cpu_part(capsys: pytest.CaptureFixture[str]) -> None:
    """Every row is there, answers come as forced, and the queue keeps its order."""
    from benchmarks.engine import main

    threads = torch.get_num_threads()
    try:
        main(["--shape", "tiny", "--scale", "0.3"])
    finally:
        torch.set_num_threads(threads)
    found = json.loads(capsys.readouterr().out)["cpu"]
    assert found["prompt_lookup"]["ours_per_cpu_s"] > 0
    assert [row["shared_tokens"] > 100 for row in found["prefix_reuse"].values()] == [True] * 3
    assert found["queue"]["in_order"]
    assert len(found["queue"]["first_s"]) == 4


def test_the_gpu_part_on_a_tiny_model() -> None:
    """What is measured on a GPU runs here too: plain, together, and to the first token."""
    from benchmarks.engine_gpu import Load, generate_per_second, measure_model
    from benchmarks.random_qwen import make_model

    model = make_model("tiny", torch.device("cpu"), torch.float32)
    assert generate_per_second(model, 20, 5, static=False) > 0
    found = measure_model(model, Load(1, 40, 6), Load(4, 40, 6), Load(3, 40, 3), step_tokens=64)
    assert found["ours_together_per_s"] > 0
    assert found["first_token_p50_ms"] > 0
