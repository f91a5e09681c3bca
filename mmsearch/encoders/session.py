"""ONNX Runtime sessions, opened when first needed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mmsearch.encoders.memory import is_shortage
from mmsearch.errors import WeightsDamaged


def open_session(path: Path, *, optimised: bool = False) -> Any:  # noqa: ANN401  (onnxruntime is not typed)
    """An inference session on the CPU for the graph at `path`.

    `optimised`: the graph was optimised when it was made, and its tensors lie in a file beside it. They are then used
    where they are mapped, not rearranged: opening takes .01 s instead of .05, and batches are no slower than by 2 %.

    Raises:
        WeightsDamaged: ONNX Runtime cannot open the graph.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    # Decoding threads work beside the encoder; a thread that spins while it waits for work takes a core from them.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3  # errors: warnings about graphs that we made help nobody
    if optimised:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.add_session_config_entry("session.disable_prepacking", "1")
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its exceptions have no public base class
        if is_shortage(error):
            raise
        raise WeightsDamaged(f"ONNX Runtime cannot open {path} ({error}); remove its folder and pull again") from error
