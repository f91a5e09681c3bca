"""YAMNet as a float ONNX graph over batches, made once from the published quantised one, at pull.

YAMNet (Plakal and Ellis, TensorFlow Model Garden, 2019) is a MobileNet v1 over log-mel patches of .96 s, trained on
AudioSet. The published graph quantises a fixed batch of one; its weights are still float, so that leaving out the
quantise and dequantise nodes gives back the float network.
"""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmsearch.errors import WeightsDamaged

CLASSES, EMBEDDING = 521, 1024


def build(archive: Path, target: Path) -> NDArray[np.float32]:
    """Write the float graph to `target`; returns the classifier's weights `(521, 1024)`.

    Input `patches` `(n, 1, 96, 64)` float32, log-mel. Outputs `logits` `(n, 521)` and `embedding` `(n, 1024)`, the
    pooled activations before the classifier, both float32.

    Raises:
        WeightsDamaged: the archive does not hold the graph that is expected.
    """
    import onnx

    model = _read(archive)
    graph = model.graph
    alias: dict[str, str] = {}
    nodes: list[Any] = []
    for node in graph.node:
        inputs = [alias.get(name, name) for name in node.input]
        if node.op_type in ("QuantizeLinear", "DequantizeLinear"):
            alias[node.output[0]] = inputs[0]
        elif node.op_type == "Reshape":
            nodes.append(onnx.helper.make_node("Flatten", inputs[:1], ["embedding"], axis=1))
            alias[node.output[0]] = "embedding"
        elif node.op_type == "Gemm":
            nodes.append(onnx.helper.make_node("Gemm", inputs, ["logits"], transB=1))
            classifier = inputs[1]
        else:
            del node.input[:]
            node.input.extend(inputs)
            nodes.append(node)
    used = {name for node in nodes for name in node.input}
    constants = [tensor for tensor in graph.initializer if tensor.name in used]
    weights = next((onnx.numpy_helper.to_array(t) for t in constants if t.name == classifier), None)
    if weights is None or weights.shape != (CLASSES, EMBEDDING):
        raise WeightsDamaged(f"{archive.name} does not hold YAMNet's classifier")
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    made = helper.make_graph(
        nodes,
        "yamnet",
        [helper.make_tensor_value_info(graph.input[0].name, kind, ["n", 1, 96, 64])],
        [
            helper.make_tensor_value_info("logits", kind, ["n", CLASSES]),
            helper.make_tensor_value_info("embedding", kind, ["n", EMBEDDING]),
        ],
        constants,
    )
    result = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(result)
    onnx.save(result, str(target))
    return np.array(weights, np.float32)


def _read(archive: Path) -> Any:  # noqa: ANN401  (onnx.ModelProto, imported late)
    """The published graph, with its external weights read from the same archive and from nowhere else."""
    import onnx

    try:
        with zipfile.ZipFile(archive) as bundle:
            names = {name.rsplit("/", 1)[-1]: name for name in bundle.namelist()}
            model = onnx.load_model_from_string(bundle.read(names["model.onnx"]))
            raw = bundle.read(names["model.data"])
        for tensor in model.graph.initializer:
            if tensor.data_location == onnx.TensorProto.EXTERNAL:
                place = {entry.key: entry.value for entry in tensor.external_data}
                start = int(place.get("offset", 0))
                tensor.raw_data = raw[start : start + int(place["length"])]
                tensor.data_location = onnx.TensorProto.DEFAULT
                del tensor.external_data[:]
    except (zipfile.BadZipFile, KeyError, ValueError) as error:
        raise WeightsDamaged(f"{archive.name} does not hold the graph of YAMNet: {error}") from error
    return model
