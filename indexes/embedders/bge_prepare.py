"""Preparing a bge model for the processor, once: export, 8-bit weights, the check of both against torch, timing."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from filelock import FileLock, Timeout
from tokenizers import Tokenizer

from indexes.embedders.bge_directory import BgeDirectory
from indexes.embedders.bge_export import export_graph, quantise_graph
from indexes.embedders.bge_onnx import OnnxRuntime
from indexes.embedders.bge_prepared import (
    Prepared,
    file_hash,
    graph_file,
    onnxruntime_version,
    read_prepared,
    write_prepared,
)
from indexes.embedders.bge_runtime import Runtime, RuntimeName, embed_tokens
from indexes.embedders.bge_torch import TorchRuntime
from indexes.embedders.bge_trial import least_cosine, tokens_per_second, trial_tokens
from indexes.errors import DamagedError, EngineUnavailableError

logger = logging.getLogger(__name__)

# Least cosine to torch's vector that every fixed text must have. The fp32 graph is the same arithmetic in another
# order. Of 8-bit weights, 0.995 is an angle of under six degrees: the inner product with any unit vector moves by at
# most sqrt(2 - 2 * 0.995) = 0.1.
FP32_COSINE, INT8_COSINE = 0.9999, 0.995
# Eight bits are taken only where they embed at least so many times as fast.
_INT8_GAIN = 1.2
_LOCK_SECONDS = 900.0

Quantise = Callable[[Path, Path], None]
Speed = Callable[[Sequence[Runtime], list[list[int]]], list[float]]


def prepare_model(
    directory: BgeDirectory,
    tokenizer: Tokenizer,
    folder: Path,
    *,
    again: bool = False,
    quantise: Quantise = quantise_graph,
    speed: Speed = tokens_per_second,
) -> Prepared:
    """Return what is prepared in `folder`, made where it is missing, damaged, or of other versions.

    One process at a time works on a folder; the others wait for it. `again` makes anew what could not be exported
    before. `quantise` and `speed` make the 8-bit graph and time the paths. Raises EngineUnavailableError where packages
    are missing or the weights cannot be loaded, OSError where the folder cannot be written.
    """

    def usable() -> Prepared | None:
        prepared = _read(folder)
        return None if prepared is not None and again and prepared.runtime == "torch" else prepared

    # Without the lock first: a cache that is only read needs none.
    prepared = usable()
    if prepared is not None:
        return prepared
    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder.with_name(folder.name + ".lock"), timeout=_LOCK_SECONDS):
            prepared = usable()
            if prepared is not None:
                return prepared
            logger.info("preparing the model in %s for this processor", directory.path)
            return write_prepared(folder, lambda filling: _made(directory, tokenizer, filling, quantise, speed))
    except Timeout as error:
        raise EngineUnavailableError(f"another process has been preparing {folder} for 15 minutes") from error


def _read(folder: Path) -> Prepared | None:
    """Return what is prepared in `folder`; None where that is nothing, or damaged, which is logged."""
    try:
        return read_prepared(folder)
    except DamagedError as error:
        logger.warning("%s: the model is prepared again", error)
        return None


def _made(directory: BgeDirectory, tokenizer: Tokenizer, filling: Path, quantise: Quantise, speed: Speed) -> Prepared:
    model = TorchRuntime(directory, device="cpu")
    token_ids = trial_tokens(directory, tokenizer)
    truth = embed_tokens(model, token_ids)
    exported, small = filling / "fp32.onnx", filling / "int8.onnx"
    cosines: dict[str, float] = {}

    def checked(name: RuntimeName, graph: Path, least: float) -> OnnxRuntime:
        runtime = OnnxRuntime(name, graph)
        cosines[name] = least_cosine(embed_tokens(runtime, token_ids), truth)
        if not cosines[name] >= least:
            raise EngineUnavailableError(f"its least cosine to torch is {cosines[name]:.4f}, under {least}")
        return runtime

    try:
        export_graph(model, exported)
        runtimes: list[Runtime] = [model, checked("onnx-fp32", exported, FP32_COSINE)]
    except EngineUnavailableError as error:
        return Prepared("torch", f"no usable export: {error}", cosines, {}, "", onnxruntime_version())
    refused = ""
    try:
        quantise(exported, small)
        runtimes.append(checked("onnx-int8", small, INT8_COSINE))
    except EngineUnavailableError as error:
        refused = f"8-bit weights refused: {error}"
    names: list[str] = [runtime.name for runtime in runtimes]
    speeds = dict(zip(names, speed(runtimes, token_ids), strict=True))
    gain = speeds.get("onnx-int8", 0.0) / speeds["onnx-fp32"]
    chosen: RuntimeName = "onnx-fp32"
    if refused:
        reason = refused
    elif gain < _INT8_GAIN:
        reason = f"8-bit weights are only {gain:.2f} times as fast"
    else:
        chosen = "onnx-int8"
        reason = f"8-bit weights are {gain:.1f} times as fast, least cosine to torch {cosines[chosen]:.4f}"
    (small if chosen == "onnx-int8" else exported).rename(graph_file(filling))
    return Prepared(chosen, reason, cosines, speeds, file_hash(graph_file(filling)), onnxruntime_version())
