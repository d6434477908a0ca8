"""Weights that are not those that config.json describes are refused: a part left to chance would answer nonsense."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

pytest.importorskip("transformers")
from kb.cli.main import main
from tests.tiny_qwen import make_tiny_qwen

pytestmark = pytest.mark.models


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"num_hidden_layers": 3, "layer_types": ["full_attention"] * 3}, r"model\.layers\.2\.\S+ is missing"),
        ({"num_hidden_layers": 1, "layer_types": ["full_attention"]}, r"model\.layers\.1\.\S+ has no place in it"),
        ({"model_type": "llama", "architectures": ["LlamaForCausalLM"]}, r"'llama'\): \S+_proj\.bias has no place"),
        ({"intermediate_size": 128}, r"mlp\.down_proj\.weight is of another size"),
    ],
    ids=["more layers", "fewer layers", "another model", "another size"],
)
def test_weights_of_another_model(
    kb_home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], changes: dict[str, object], said: str
) -> None:
    """Layers that are missing or too many, another architecture or other sizes: the engine is not available."""
    folder = make_tiny_qwen(tmp_path / "Tiny-Qwen2")
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    (folder / "config.json").write_text(json.dumps(config | changes), encoding="utf-8")
    assert main(["models", "check", str(folder)]) == 6
    assert re.search(said, capsys.readouterr().err)


def test_tied_weights(kb_home: Path, tmp_path: Path) -> None:
    """A head that is tied to the embeddings need not be stored."""
    from safetensors.torch import load_file, save_file

    folder = make_tiny_qwen(tmp_path / "Tiny-Qwen2")
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    (folder / "config.json").write_text(json.dumps({**config, "tie_word_embeddings": True}), encoding="utf-8")
    weights = folder / "model.safetensors"
    kept = {name: weight for name, weight in load_file(weights).items() if name != "lm_head.weight"}
    save_file(kept, weights, metadata={"format": "pt"})
    assert main(["models", "check", str(folder)]) == 0
