"""Running an exported bge model with onnxruntime on the processor; torch is not imported."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from indexes.bge_runtime import RuntimeName, TokenIds, missing_extra, padded
from indexes.embedding import Vectors
from indexes.errors import EngineUnavailableError


class OnnxRuntime:
    """A graph that `bge_export` wrote.

    One text a pass: on a processor it is as fast as any batch, nothing is padded, and since dynamic quantisation
    takes the range of the activations over the whole batch, it is what makes a vector independent of its neighbours.
    """

    batch_size = 1

    def __init__(self, name: RuntimeName, graph: Path, pad_token: int) -> None:
        """Load `graph`. Raises EngineUnavailableError where onnxruntime is missing or refuses it."""
        try:
            import onnxruntime
        except ImportError as error:
            raise missing_extra() from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = _processors()
        # Lengths vary: plans of memory by shape would only pile up. Threads that wait by spinning cost other work
        # (a question, a second ingest) more than they gain here.
        options.enable_mem_pattern = False
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's errors have no common base but Exception
            raise EngineUnavailableError(f"onnxruntime cannot load {graph}: {error}") from error
        self.name: RuntimeName = name
        self._pad_token = pad_token

    def encode(self, token_ids: TokenIds) -> Vectors:
        """Return the sentence vectors (len(token_ids), dimension) of one batch."""
        ids, mask = padded(token_ids, self._pad_token)
        (states,) = self._session.run(None, {"input_ids": ids, "attention_mask": mask})
        return np.asarray(states, dtype=np.float32)


def _processors() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
