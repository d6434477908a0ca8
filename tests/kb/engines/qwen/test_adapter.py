"""LoRA adapters are merged into the weights where they belong to the model, and refused clearly where not."""

from __future__ import annotations

import json
import logging
import shutil
import threading
from pathlib import Path
from typing import Any

import pytest

from indexes.errors import ConfigurationError, KBError
from kb.engines.base import GenerationOptions
from kb.engines.qwen.engine import QwenEngine
from kb.engines.qwen.options import RunOptions
from kb.records import Message, Prompt
from tests.tiny_qwen import make_tiny_qwen

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
peft = pytest.importorskip("peft")
pytestmark = pytest.mark.models

GREEDY = GenerationOptions(max_new_tokens=24, temperature=0.0, repetition_penalty=1.0)
PROMPT = Prompt((Message("user", "知识库问答系统"),), (), "知识库问答系统", "zh", "test")


def adapted(model: Any) -> Any:
    """The model with a LoRA adapter of random weights: as trained, not as begun, where B is zero."""
    config = peft.LoraConfig(
        r=4, lora_alpha=32, target_modules=["q_proj", "v_proj", "down_proj"], task_type="CAUSAL_LM"
    )
    torch.manual_seed(1)
    wrapped = peft.get_peft_model(model, config)
    for name, weight in wrapped.named_parameters():
        if "lora_B" in name:
            weight.data.normal_(0, 0.5)
    return wrapped.eval()


def base_model(folder: Path) -> Any:
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(folder)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_qwen(tmp_path_factory.mktemp("model") / "Tiny-Qwen2")


@pytest.fixture(scope="module")
def adapter(folder: Path) -> Path:
    path = folder.parent / "manuals-lora"
    adapted(base_model(folder)).save_pretrained(path)
    return path


def said(folder: Path, adapter: Path | None) -> str:
    engine = QwenEngine(str(folder), RunOptions(device="cpu", adapter=adapter))
    return "".join(piece for piece in engine.stream(PROMPT, GREEDY, threading.Event()) if isinstance(piece, str))


def test_answers_are_those_of_the_adapted_model(folder: Path, adapter: Path, caplog: pytest.LogCaptureFixture) -> None:
    """With an adapter the answer is the one that PEFT itself gives with it unmerged, and the log names it."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    text = tokenizer.apply_chat_template(
        [{"role": "user", "content": PROMPT.question}], tokenize=False, add_generation_prompt=True
    )
    ids = torch.tensor([tokenizer(text)["input_ids"]])
    made = adapted(base_model(folder)).generate(
        input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=24, do_sample=False
    )
    expected = tokenizer.decode(made[0, ids.shape[1] :], skip_special_tokens=True)
    with caplog.at_level(logging.INFO, logger="kb.engines.qwen.loading"):
        assert said(folder, adapter) == expected
    assert "with the adapter manuals-lora" in caplog.text
    assert said(folder, None) != expected


def test_the_name_shows_the_adapter(folder: Path, adapter: Path) -> None:
    """The engine's model is named with its adapter."""
    assert QwenEngine("Qwen/Q", RunOptions(adapter=adapter)).model_name == "Qwen/Q + manuals-lora"
    assert QwenEngine("Qwen/Q").model_name == "Qwen/Q"


def changed(adapter: Path, to: Path, **values: object) -> Path:
    shutil.copytree(adapter, to)
    config = json.loads((to / "adapter_config.json").read_text())
    (to / "adapter_config.json").write_text(json.dumps({**config, **values}))
    return to


def test_wrong_adapters(folder: Path, adapter: Path, tmp_path: Path) -> None:
    """Each kind of wrong adapter is a clear error before or while the model loads, never a silent nothing."""
    (tmp_path / "empty").mkdir()
    pickled = changed(adapter, tmp_path / "pickled")
    (pickled / "adapter_model.safetensors").rename(pickled / "adapter_model.bin")
    cut = changed(adapter, tmp_path / "cut")
    (cut / "adapter_model.safetensors").write_bytes(b"\xff" * 20)
    deeper = tmp_path / "deeper"
    adapted(base_model(make_tiny_qwen(tmp_path / "Deep", layers=3))).save_pretrained(deeper)
    cases = [
        (tmp_path / "nothing", "no adapter_config.json"),
        (tmp_path / "empty", "no adapter_config.json"),
        (pickled, "a pickle, which is never loaded"),
        (changed(adapter, tmp_path / "prefix", peft_type="PREFIX_TUNING"), "only LORA"),
        (cut, "no safetensors file"),
        (deeper, "was made for .*, not for this model: the model has no model.layers.2"),
    ]
    for path, message in cases:
        with pytest.raises(KBError, match=message):
            said(folder, path)


def test_an_adapter_of_another_size(folder: Path, adapter: Path, tmp_path: Path) -> None:
    """An adapter whose matrices do not fit those of the model is refused by the name of the first."""
    from safetensors.torch import load_file, save_file

    wide = changed(adapter, tmp_path / "wide")
    tensors = {
        name: torch.zeros(4, 128) if name.endswith("q_proj.lora_A.weight") else tensor
        for name, tensor in load_file(wide / "adapter_model.safetensors").items()
    }
    save_file(tensors, wide / "adapter_model.safetensors")
    with pytest.raises(ConfigurationError, match=r"q_proj is of another size"):
        said(folder, wide)


def test_quantised_weights_take_no_adapter(folder: Path, adapter: Path, tmp_path: Path) -> None:
    """Merging into quantised weights is refused and pointed to a server that can do both."""
    quantised = Path(shutil.copytree(folder, tmp_path / "fp8"))
    config = json.loads((quantised / "config.json").read_text())
    (quantised / "config.json").write_text(json.dumps({**config, "quantization_config": {"quant_method": "fp8"}}))
    with pytest.raises(ConfigurationError, match="--enable-lora"):
        said(quantised, adapter)
