"""The benchmark of the engine runs whole on a tiny model, so that it works where a large one is at hand."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from indexes.errors import EngineUnavailableError
from tests.tiny_qwen import make_tiny_qwen

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
pytestmark = pytest.mark.models


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    """The benchmark sets how many threads torch uses, for the whole process."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_the_cpu_part(capsys: pytest.CaptureFixture[str]) -> None:
    """Every row is there, answers come as forced, and the queue keeps its order."""
    from benchmarks.engine import main

    main(["--shape", "tiny", "--scale", "0.3"])
    found = json.loads(capsys.readouterr().out)["cpu"]
    assert found["prompt_lookup"]["ours_per_cpu_s"] > 0
    assert [row["shared_tokens"] > 100 for row in found["prefix_reuse"].values()] == [True] * 3
    product = found["prefix_reuse_product_prompt"]
    instructions, follow_up = (product[name]["shared_tokens"] for name in product if name != "tokens")
    assert 150 < instructions < 230
    assert follow_up > 2 * instructions
    assert found["queue"]["in_order"]
    assert len(found["queue"]["first_s"]) == 4


def test_the_product_prompt_in_a_models_own_tokens(tmp_path: Path) -> None:
    """With a model's tokenizer prompts are its own; a follow-up on the same passages begins as the first question."""
    from benchmarks.product_prompt import product_prompts, real_encoder

    prompts = product_prompts(real_encoder(make_tiny_qwen(tmp_path / "Tiny")), 2)
    first, follow_up = prompts["a follow-up on the same passages"]
    shared = next(place for place, (left, right) in enumerate(zip(first, follow_up, strict=False)) if left != right)
    assert shared > 0.9 * len(follow_up)
    assert first == prompts["other passages"][0]


def test_the_gpu_part_on_a_tiny_model(capsys: pytest.CaptureFixture[str]) -> None:
    """What is measured on a GPU runs here too: plain, compiled, together, and to the first token, in all variants."""
    from benchmarks.engine_gpu import main

    main(["--shape", "tiny", "--device", "cpu", "--scale", "0.02"])
    found = json.loads(capsys.readouterr().out)["gpu"]
    assert found["generate"]["one_stream_per_s"] > 0
    assert [(row["steps"][:4], row["repetition_penalty"]) for row in found["ours"]] == [
        ("as b", 1.0), ("as b", 1.05), ("CUDA", 1.0), ("CUDA", 1.05)
    ]  # fmt: skip
    assert all(row["together_per_s"] > 0 and row["first_token_p50_ms"] > 0 for row in found["ours"])
    assert found["generate_static"]["compiled"] == "not compiled at all"


def test_the_limits_of_a_card() -> None:
    """One stream of the 7B shape on an H100 can reach 237 tokens/s: its bandwidth over the weights that are read."""
    from benchmarks.engine_gpu import Load, Loads, limits
    from benchmarks.random_qwen import make_model

    model = make_model("qwen2.5-7b", torch.device("meta"), torch.bfloat16)
    loads = Loads(Load(1, 2048, 200), Load(32, 2048, 200), Load(8, 2048, 32))
    found = limits(model, "NVIDIA H100 80GB HBM3", loads)
    assert found == {"one_stream_per_s": 237, "first_token_p50_ms": 117}
    assert limits(model, "NVIDIA L4", loads) is None


def test_what_was_found_outlives_a_failure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A part that fails leaves what it had, and the other part, in the file; its error is raised as it was."""
    from benchmarks import engine_gpu, engine_results

    def breaks(*arguments: object) -> None:
        raise EngineUnavailableError("the card fell off the bus")

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(engine_gpu, "RESULTS", tmp_path / "engine.json")
        engine_results.Results(tmp_path / "engine.json").keep("cpu", {"queue": 1})
        patched.setattr("kb.engines.qwen.paged.PagedLoop.add", breaks)
        with pytest.raises(EngineUnavailableError, match="fell off the bus"):
            engine_gpu.main(["--shape", "tiny", "--device", "cpu", "--scale", "0.02", "--write"])
    found = json.loads((tmp_path / "engine.json").read_text())
    assert found["cpu"]["queue"] == 1
    assert found["gpu"]["generate"]["one_stream_per_s"] > 0
    assert json.loads(capsys.readouterr().out)["gpu"] == found["gpu"]


@pytest.mark.long
def test_the_gpu_part_needs_little() -> None:
    """It runs where only torch, transformers and numpy are, as on a machine that is lent for an hour."""
    program = """
import sys
for name in ("fastapi", "faiss", "pydantic", "onnxruntime", "opencc", "typer", "pypdfium2", "sentence_transformers"):
    sys.modules[name] = None
from benchmarks.engine_gpu import main
main(["--shape", "tiny", "--device", "cpu", "--scale", "0.01"])
"""
    root = Path(__file__).parents[3]
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=root)
    assert ended.returncode == 0, ended.stderr[-2000:]
    assert json.loads(ended.stdout)["gpu"]["shape"] == "tiny"
