"""Writing a bge model as an ONNX graph, and quantising that graph to 8-bit weights."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from indexes.bge_runtime import missing_extra
from indexes.bge_torch import TorchRuntime
from indexes.errors import EngineUnavailableError

# A graph is one protobuf message, which ends at 2 GiB; a little room for all that is not weights.
MOST_WEIGHT_BYTES = (2 << 30) - (64 << 20)
_OPSET = 17


def export_graph(model: TorchRuntime, target: Path) -> None:
    """Write what `model` computes to `target`: `input_ids` and `attention_mask`, int64 (texts, tokens), in;
    `vector`, float32 (texts, dimension), out.

    The whole sentence-transformers module is traced, pooling included, with torch's own exporter. Raises
    EngineUnavailableError where the model is too large or cannot be traced.
    """
    import torch

    weights = sum(parameter.numel() * 4 for parameter in model.module.parameters())
    if weights > MOST_WEIGHT_BYTES:
        raise EngineUnavailableError(f"its weights take {weights >> 20} MiB, more than one ONNX file holds")

    class Sentence(torch.nn.Module):  # type: ignore[misc]  # torch is not followed: its classes are Any
        def __init__(self, module: Any) -> None:
            super().__init__()
            self.module = module

        def forward(self, input_ids: Any, attention_mask: Any) -> Any:
            return self.module({"input_ids": input_ids, "attention_mask": attention_mask})["sentence_embedding"]

    # Two texts, one of them padded: a trace over a mask of ones alone could leave the mask out.
    ids = torch.ones((2, 7), dtype=torch.int64)
    mask = ids.clone()
    mask[1, 5:] = 0
    text_axes = {0: "texts", 1: "tokens"}
    try:
        with _quiet(), torch.inference_mode():
            torch.onnx.export(
                # In evaluation mode itself, or the exporter would leave the model in training mode, with dropout.
                Sentence(model.module).eval(),
                (ids, mask),
                str(target),
                input_names=["input_ids", "attention_mask"],
                output_names=["vector"],
                dynamic_axes={"input_ids": text_axes, "attention_mask": text_axes, "vector": {0: "texts"}},
                opset_version=_OPSET,
                dynamo=False,
            )
    except (RuntimeError, ValueError, TypeError, KeyError, AttributeError, torch.onnx.OnnxExporterError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise EngineUnavailableError(f"torch cannot export it: {reason}") from error


def quantise_graph(source: Path, target: Path) -> None:
    """Write `source` with 8-bit weights, one scale a channel; activations are quantised as they come.

    The graph as it was exported: fused nodes would not be quantised. FLOAT is named as the default type because the
    quantiser does not infer the types in that graph. Raises EngineUnavailableError where it cannot be quantised.
    """
    try:
        import onnx
        from onnxruntime.quantization import QuantType, quantize_dynamic
    except ImportError as error:
        raise missing_extra() from error
    try:
        with _quiet():
            quantize_dynamic(
                source,
                target,
                per_channel=True,
                weight_type=QuantType.QInt8,
                extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT},
            )
    except (RuntimeError, ValueError, TypeError, KeyError) as error:
        raise EngineUnavailableError(f"onnxruntime cannot quantise it: {error}") from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep tracer warnings and the quantiser's advice to the root logger off the terminal."""
    root = logging.getLogger()
    advice = logging.Filter("indexes")
    root.addFilter(advice)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        root.removeFilter(advice)
