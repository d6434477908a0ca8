"""Writing a bge model as an ONNX graph, and quantising that graph to 8-bit weights."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from indexes.embedders.bge_runtime import missing_extra
from indexes.embedders.bge_torch import TorchRuntime
from indexes.errors import EngineUnavailableError

# A graph is one protobuf message, which ends at 2 GiB; a little room for all that is not weights.
MOST_WEIGHT_BYTES = (2 << 30) - (64 << 20)
_OPSET = 17


def export_graph(model: TorchRuntime, target: Path) -> None:
    """Write what `model` computes for one text to `target`: `input_ids`, int64 (1, tokens), in; `vector`, float32
    (1, dimension), out.

    The whole sentence-transformers module is traced, pooling included, with torch's own exporter. Two things that
    cannot change the result are left out: the attention mask, for one text has no padding, and all but the first token
    in the last layer, for nothing else is pooled. Raises EngineUnavailableError where the model is too large or cannot
    be traced.
    """
    import torch

    weights = sum(parameter.numel() * 4 for parameter in model.module.parameters())
    if weights > MOST_WEIGHT_BYTES:
        raise EngineUnavailableError(f"its weights take {weights >> 20} MiB, more than one ONNX file holds")

    class Sentence(torch.nn.Module):  # type: ignore[misc]  # torch is not followed: its classes are Any
        def __init__(self, module: Any) -> None:
            super().__init__()
            self.module = module

        def forward(self, input_ids: Any) -> Any:
            features = {"input_ids": input_ids, "attention_mask": torch.ones_like(input_ids)}
            return self.module(features)["sentence_embedding"]

    try:
        with _quiet(), _one_text(model.module), torch.inference_mode():
            torch.onnx.export(
                # In evaluation mode itself, or the exporter would leave the model in training mode, with dropout.
                Sentence(model.module).eval(),
                (torch.ones((1, 7), dtype=torch.int64),),
                str(target),
                input_names=["input_ids"],
                output_names=["vector"],
                dynamic_axes={"input_ids": {1: "tokens"}},
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
def _one_text(module: Any) -> Iterator[None]:
    """Let a BERT leave out what one text without padding does not need; a model built in another way stays as it is.

    Its attention gets no mask. Its last layer goes on with the first token only, once attention has mixed all of them
    into it: the output projection and the feed-forward part, three quarters of a layer's work, are done for one token
    instead of all (19 % less of four layers, 6 % of twelve).
    """
    encoder = next(
        (part.encoder for part in module.modules() if hasattr(getattr(part, "encoder", None), "layer")), None
    )
    attention: Any = getattr(encoder.layer[-1], "attention", None) if encoder is not None else None
    if encoder is None or not (hasattr(attention, "self") and hasattr(attention, "output")):
        yield
        return

    def first(states: Any) -> Any:
        return states[:, :1]

    hooks = (
        encoder.register_forward_pre_hook(
            lambda _, given, named: (given, {**named, "attention_mask": None}), with_kwargs=True
        ),
        attention.self.register_forward_hook(lambda _, given, result: (first(result[0]), *result[1:])),
        attention.output.register_forward_pre_hook(lambda _, given: (given[0], first(given[1]))),
    )
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


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
