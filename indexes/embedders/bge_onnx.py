"""Running an exported bge model with onnxruntime on the processor; torch is not imported."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from indexes.embedders.bge_runtime import RuntimeName, TokenIds, missing_extra
from indexes.embedding import Vectors
from indexes.errors import EngineUnavailableError

# Texts of like lengths that are handed out at once: enough that no processor waits long for the last one.
_TEXTS_A_PROCESSOR = 16


class OnnxRuntime:
    """A graph that `bge_export` wrote.

    One text a pass, and as many passes side by side as there are processors, each on one thread: nothing is padded,
    threads never wait for each other within a text, and since dynamic quantisation takes the range of the activations
    over the whole batch, it is what makes a vector independent of its neighbours.
    """

    def __init__(self, name: RuntimeName, graph: Path) -> None:
        """Load `graph`. Raises EngineUnavailableError where onnxruntime is missing or refuses it."""
        try:
            import onnxruntime
        except ImportError as error:
            raise missing_extra() from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        # Lengths vary: plans of memory by shape would only pile up.
        options.enable_mem_pattern = False
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's errors have no common base but Exception
            raise EngineUnavailableError(f"onnxruntime cannot load {graph}: {error}") from error
        self.name: RuntimeName = name
        self.batch_size = _TEXTS_A_PROCESSOR * _processors()
        self._pool = ThreadPoolExecutor(_processors(), thread_name_prefix="bge")

    def encode(self, token_ids: TokenIds) -> Vectors:
        """Return the sentence vectors (len(token_ids), dimension) of one batch."""
        if len(token_ids) == 1:
            return self._encode_one(token_ids[0])
        return np.concatenate(list(self._pool.map(self._encode_one, token_ids)))

    def _encode_one(self, tokens: Sequence[int]) -> Vectors:
        """Return the vector of one text, (1, dimension). onnxruntime lets go of Python's lock while it computes."""
        ids = np.asarray([tokens], dtype=np.int64)
        (vectors,) = self._session.run(None, {"input_ids": ids})
        return np.asarray(vectors, dtype=np.float32)


def _processors() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
