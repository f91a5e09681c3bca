"""From a torch module to a graph that ONNX Runtime runs, checked against the module before anybody uses it."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np

from mmsearch.encoders import heavy
from mmsearch.encoders.session import open_session
from mmsearch.errors import ModelError

LEAST_COSINE: Final = 0.9999
"""Between the vectors of module and graph; what is worse is not used."""


class ExportFailed(ModelError):
    """A module cannot be exported, or the graph computes something else. Then torch does the work."""


def export(
    module: Any,  # noqa: ANN401  (torch is not imported here)
    example: Mapping[str, Any],
    path: Path,
    dynamic: Mapping[str, Mapping[int, str]],
    *,
    mapped: bool = False,
) -> None:
    """Write `path`, and its weights beside it as `path` + `.data`.

    Args:
        module: a torch module in float32 on the CPU, in eval mode; gives vectors `(n, d)`.
        example: its inputs, tensors by name. Axes of length 1 in it must not be dynamic.
        path: of the graph to write.
        dynamic: by input, the names of the axes that may have any length. Axes of the same name are as long.
        mapped: optimise now, once, and let sessions use the weights where they are mapped. Opening takes .05 s instead
            of .5; batches are a few percent slower. For what answers single questions.

    Raises:
        ExportFailed: the exporter cannot do it, or the vectors have a cosine under `LEAST_COSINE` to the module's.
    """
    torch, onnxruntime = heavy.torch(), _onnxruntime()
    names = {name for axes in dynamic.values() for name in axes.values()}
    dims = {name: torch.export.Dim(name, min=1, max=1 << 16) for name in names}
    shapes = {name: {axis: dims[of] for axis, of in dynamic.get(name, {}).items()} or None for name in example}
    raw = path.with_suffix(".raw.onnx") if mapped else path
    with _quiet():
        try:
            program = torch.onnx.export(
                module, kwargs=dict(example), dynamo=True, dynamic_shapes=shapes, input_names=list(example),
                output_names=["vectors"], verbose=False,
            )  # fmt: skip
            program.save(str(raw), external_data=True)
            if mapped:
                options = onnxruntime.SessionOptions()
                options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
                options.optimized_model_filepath = str(path)
                options.log_severity_level = 3
                external = "session.optimized_model_external_initializers_"
                options.add_session_config_entry(f"{external}file_name", f"{path.name}.data")
                options.add_session_config_entry(f"{external}min_size_in_bytes", "1024")
                onnxruntime.InferenceSession(str(raw), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # both raise anything
            _remove(path, raw)
            raise ExportFailed(f"{path.stem} cannot be exported: {_first_line(error.__cause__ or error)}") from error
        finally:
            if mapped:
                _remove(raw)
    worst = _agreement(module, example, path, mapped)
    if not worst >= LEAST_COSINE:
        _remove(path)
        raise ExportFailed(f"{path.stem} as exported gives other vectors: cosine {worst:.6f}")


def _agreement(module: Any, example: Mapping[str, Any], path: Path, mapped: bool) -> float:  # noqa: ANN401
    """The smallest cosine over the rows of the example."""
    torch = heavy.torch()
    with torch.inference_mode():
        wanted = module(**example).double().numpy()
    (found,) = open_session(path, optimised=mapped).run(None, {name: given.numpy() for name, given in example.items()})
    lengths = np.linalg.norm(wanted, axis=1) * np.linalg.norm(found, axis=1)
    return float(((wanted * found).sum(axis=1) / lengths).min())


def _remove(*paths: Path) -> None:
    for path in paths:
        path.unlink(missing_ok=True)
        path.with_name(f"{path.name}.data").unlink(missing_ok=True)


def _first_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"[:300]


def _onnxruntime() -> Any:  # noqa: ANN401
    import onnxruntime

    return onnxruntime


@contextmanager
def _quiet() -> Iterator[None]:
    """The exporter talks on standard output, warns, and logs."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
