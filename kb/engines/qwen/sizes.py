"""The sizes that a model's directory tells: bytes of its weights, and the shape of its key-value cache."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from indexes.errors import EngineUnavailableError
from kb.engines.foreign_json import parse
from kb.engines.qwen.model_folder import ModelFolder

# Bits of one element, by the names that the safetensors format gives its types.
_BITS: Final = {
    "BOOL": 8, "U8": 8, "I8": 8, "F8_E4M3": 8, "F8_E5M2": 8, "F8_E8M0": 8, "F4": 4,
    "I16": 16, "U16": 16, "F16": 16, "BF16": 16, "I32": 32, "U32": 32, "F32": 32,
    "I64": 64, "U64": 64, "F64": 64, "C64": 64,
}  # fmt: skip
_CONVERTED: Final = ("F16", "BF16", "F32", "F64")
_SMALL_FLOATS: Final = ("F8_E4M3", "F8_E5M2")
# The format's own limit for a header.
_LARGEST_HEADER: Final = 100_000_000


def weight_bytes(folder: ModelFolder, element_bytes: int | None, small_float_bytes: int | None = None) -> int:
    """Return the bytes of all weights, from the headers of the safetensors files.

    Floating-point weights count `element_bytes` each where that is given, 8-bit ones `small_float_bytes`; packed
    integers stay as they are. Raises EngineUnavailableError for a file without a sound header.
    """
    bits = 0
    for file in folder.weight_files:
        for name, tensor in _header(file).items():
            if name == "__metadata__":
                continue
            count = 1
            for size in tensor["shape"]:
                count *= size
            kind = tensor["dtype"]
            wanted = element_bytes if kind in _CONVERTED else small_float_bytes if kind in _SMALL_FLOATS else None
            bits += count * (_BITS[kind] if wanted is None else 8 * wanted)
    return bits // 8


def tensor_shapes(file: Path) -> dict[str, tuple[int, ...]]:
    """Return the shape of each tensor in a safetensors file."""
    return {name: tuple(tensor["shape"]) for name, tensor in _header(file).items() if name != "__metadata__"}


def _header(file: Path) -> dict[str, Any]:
    """Return the header of a safetensors file: eight bytes of length, little end first, then JSON."""
    try:
        with file.open("rb") as stream:
            length = struct.unpack("<Q", stream.read(8))[0]
            if length > _LARGEST_HEADER:
                raise ValueError(f"a header of {length} bytes")
            header: dict[str, Any] = parse(stream.read(length))
        sound = isinstance(header, dict) and all(
            name == "__metadata__"
            or (tensor["dtype"] in _BITS and all(isinstance(size, int) and size >= 0 for size in tensor["shape"]))
            for name, tensor in header.items()
        )
    except (OSError, ValueError, KeyError, TypeError, struct.error) as error:
        raise EngineUnavailableError(f"{file} is no safetensors file: {type(error).__name__}") from error
    if not sound:
        raise EngineUnavailableError(f"{file} is no safetensors file: its header makes no sense")
    return header


def stored_bytes(config: Mapping[str, Any]) -> int:
    """Return the size of a number in the type that the model was published in."""
    name = str(config.get("dtype") or config.get("torch_dtype") or text_config(config).get("dtype") or "float32")
    return 4 if name.removeprefix("torch.") == "float32" else 2


def text_config(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the part that describes the language model; models that also see keep it apart."""
    nested = config.get("text_config")
    return nested if isinstance(nested, dict) else config


def cache_heads(config: Mapping[str, Any]) -> tuple[int, int]:
    """Return the number of key-value heads and the numbers in one."""
    heads = number(config, "num_attention_heads")
    own = config.get("head_dim")
    head = own if isinstance(own, int) and own > 0 else number(config, "hidden_size") // heads
    return (number(config, "num_key_value_heads") if config.get("num_key_value_heads") else heads), head


def number(config: Mapping[str, Any], name: str) -> int:
    """Return a positive whole number of config.json; raise EngineUnavailableError where it is none."""
    value = config.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise EngineUnavailableError(f"config.json of the model has no sound {name}: {value!r}")
    return value
