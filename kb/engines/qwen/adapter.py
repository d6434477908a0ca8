"""LoRA adapters as PEFT saves them: checked against the model, loaded, and merged into its weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from indexes.errors import ConfigurationError, EngineUnavailableError
from kb.engines.qwen.chat_template import first_line
from kb.engines.qwen.model_folder import read_json
from kb.engines.qwen.sizes import tensor_shapes

_PREFIX: Final = "base_model.model."
_PARTS: Final = (".lora_A.weight", ".lora_B.weight")


class Adapter:
    """A directory with adapter_config.json and adapter_model.safetensors."""

    def __init__(self, path: Path) -> None:
        """Read what the directory says; raise ConfigurationError where it is no LoRA adapter."""
        self.path = path
        if not (path / "adapter_config.json").is_file():
            raise ConfigurationError(f"engine.adapter: {path} is no adapter: it has no adapter_config.json")
        self._config = read_json(path / "adapter_config.json")
        kind = self._config.get("peft_type")
        if kind != "LORA":
            raise ConfigurationError(f"engine.adapter: {path} is an adapter of type {kind!r}; only LORA can be merged")
        self._weights = path / "adapter_model.safetensors"
        if not self._weights.is_file():
            other = ", but adapter_model.bin, a pickle, which is never loaded"
            detail = other if (path / "adapter_model.bin").is_file() else ""
            raise ConfigurationError(f"engine.adapter: {path} has no adapter_model.safetensors{detail}")

    @property
    def name(self) -> str:
        """The adapter's name in messages: that of its directory."""
        return self.path.name

    def merged_into(self, model: Any) -> Any:
        """Return `model` with the adapter added to its weights.

        Raises ConfigurationError where the adapter was made for another model, EngineUnavailableError where PEFT is
        missing or fails.
        """
        try:
            from peft import PeftModel
        except ImportError as error:
            raise EngineUnavailableError("engine.adapter needs peft: pip install 'qwen-kb[local]'") from error
        self._require_match(model)
        try:
            return PeftModel.from_pretrained(model, str(self.path), is_trainable=False).merge_and_unload()
        except Exception as error:  # settings of an adapter end in errors of many libraries
            raise EngineUnavailableError(f"the adapter {self.path} cannot be merged: {first_line(error)}") from error

    def _require_match(self, model: Any) -> None:
        """PEFT passes over weights that it finds no place for; an adapter of another model would do nothing."""
        modules = dict(model.named_modules())
        matched = 0
        for name, shape in tensor_shapes(self._weights).items():
            part = next((part for part in _PARTS if name.endswith(part)), None)
            if part is None:
                continue
            module = name.removeprefix(_PREFIX).removesuffix(part)
            weight = getattr(modules.get(module), "weight", None)
            if weight is None:
                raise ConfigurationError(f"{self._other_model()}: the model has no {module}")
            outputs, inputs = weight.shape
            if (part == _PARTS[0] and shape[-1] != inputs) or (part == _PARTS[1] and shape[0] != outputs):
                raise ConfigurationError(f"{self._other_model()}: its {module} is of another size")
            matched += 1
        if not matched:
            raise ConfigurationError(f"engine.adapter: {self._weights} holds no LoRA weights")

    def _other_model(self) -> str:
        base = self._config.get("base_model_name_or_path") or "another model"
        return f"engine.adapter: {self.path} was made for {base}, not for this model"
