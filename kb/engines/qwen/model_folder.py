"""Reading what a model's directory says about itself, before anything heavy is imported."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from indexes.errors import EngineUnavailableError
from kb.engines.foreign_json import parse

_DEFAULT_WINDOW = 4096


class ModelFolder:
    """A directory in the Hugging Face layout that can be loaded without running code of its own."""

    def __init__(self, path: Path) -> None:
        """Read and check `path`; raise EngineUnavailableError that says what is missing or refused."""
        self.path = path
        self.config = read_json(path / "config.json")
        self._refuse_remote_code()
        self.weight_files = self._check_weights()
        if not any((path / name).is_file() for name in ("tokenizer.json", "vocab.json", "tokenizer.model")):
            raise EngineUnavailableError(f"{path} has no tokenizer (tokenizer.json): copy the whole model directory")

    @property
    def window(self) -> int:
        """The largest number of tokens that the model was made for, RoPE scaling included."""
        scaling = self._scaling()
        window = scaling.get("original_max_position_embeddings") or self.config.get(
            "max_position_embeddings", _DEFAULT_WINDOW
        )
        factor = scaling.get("factor", 1)
        if not isinstance(window, int) or not isinstance(factor, int | float) or window < 1 or factor < 1:
            raise EngineUnavailableError(f"{self.path}/config.json has a max_position_embeddings that makes no sense")
        return int(window * factor)

    @property
    def scaled(self) -> bool:
        """Whether the directory stretches the window already."""
        return bool(self._scaling().get("factor"))

    def _scaling(self) -> dict[str, Any]:
        scaling = self.config.get("rope_scaling") or self.config.get("rope_parameters")
        return scaling if isinstance(scaling, dict) else {}

    def _refuse_remote_code(self) -> None:
        kind = self.config.get("model_type")
        if kind == "qwen":
            raise EngineUnavailableError(
                f"{self.path} is a first-generation Qwen model, which needs code from its own directory; that is never "
                'run here. Serve it with its own openai_api.py and set engine.name = "openai" with its base_url, or '
                "use Qwen1.5, Qwen2, Qwen2.5 or Qwen3"
            )
        if "auto_map" in self.config:
            raise EngineUnavailableError(
                f"{self.path} (model type {kind!r}) brings code of its own, which is never run here: serve it with "
                'vLLM or another server and set engine.name = "openai" with its base_url'
            )
        if not isinstance(kind, str):
            raise EngineUnavailableError(f"{self.path}/config.json names no model_type: it is not a model directory")

    def _check_weights(self) -> tuple[Path, ...]:
        """Return the files of weights."""
        index = self.path / "model.safetensors.index.json"
        if index.is_file():
            weights = read_json(index).get("weight_map", {})
            files = sorted(set(weights.values())) if isinstance(weights, dict) else []
            missing = [name for name in files if not (self.path / str(name)).is_file()]
            if missing or not files:
                named = missing[0] if missing else "every file of weights"
                raise EngineUnavailableError(
                    f"{self.path} is incomplete: {named} is missing ({len(missing)} of {len(files)} weight files)"
                )
            return tuple(self.path / str(name) for name in files)
        found = tuple(sorted(self.path.glob("*.safetensors")))
        if not found:
            other = next((p.name for p in sorted(self.path.glob("*.bin")) + sorted(self.path.glob("*.pt"))), None)
            detail = f"only {other}, which is a pickle and is never loaded" if other else "no weights at all"
            raise EngineUnavailableError(f"{self.path} has no *.safetensors: {detail}")
        return found


def refuse_gguf(name_or_path: str) -> None:
    """Raise EngineUnavailableError for a GGUF file, or a directory of such: they are another program's models."""
    given = Path(name_or_path).expanduser()
    files = [given] if given.suffix.lower() == ".gguf" else sorted(given.glob("*.gguf"))
    if files and not (given / "config.json").is_file():
        raise EngineUnavailableError(
            f"{given} holds GGUF weights, which are llama.cpp's: run llama-server -m {files[0]} --port 8080, then set "
            'engine.name = "openai" and engine.base_url = "http://127.0.0.1:8080/v1"'
        )


def read_json(path: Path) -> dict[str, Any]:
    """Return the JSON object in `path`; raise EngineUnavailableError where there is none."""
    try:
        value = parse(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise EngineUnavailableError(f"there is no {path}: engine.model must be a model directory") from None
    except (OSError, ValueError) as error:
        raise EngineUnavailableError(f"{path} cannot be read: {error}") from error
    if not isinstance(value, dict):
        raise EngineUnavailableError(f"{path} is not a JSON object")
    return value
