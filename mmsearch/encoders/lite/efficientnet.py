"""EfficientNet-Lite as an ONNX graph, made once from the published PyTorch weights, at pull.

Tan and Le, "EfficientNet: rethinking model scaling for convolutional neural networks", ICML 2019; the Lite variants
(no squeeze-and-excitation, ReLU6) are described in the TensorFlow TPU repository. Batch norms are folded into the
convolutions. The graph takes pictures as they are decoded and ends at the pooled features; the classifier is the
head's business.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmsearch.errors import WeightsDamaged

State = Mapping[str, NDArray[Any]]

STRIDES = (1, 2, 2, 2, 1, 2, 1)  # of the first block of each stage
REPEATS = {"lite0": (1, 2, 2, 3, 3, 4, 1), "lite2": (1, 3, 3, 4, 4, 5, 1)}
EPSILON = 1e-3  # of the batch norms, as in the TensorFlow original


def build(state: State, variant: str, target: Path) -> None:
    """Write the graph of `variant` (`lite0`, `lite2`) to `target`.

    Input `images` `(n, size, size, 3)` uint8 RGB, output `features` `(n, 1280)` float32: ReLU6, averaged over places.

    Raises:
        WeightsDamaged: a weight is missing or has another shape.
    """
    import onnx

    try:
        graph = _Graph(state)
        value = graph.add("Transpose", ["images"], perm=[0, 3, 1, 2])
        value = graph.add("Cast", [value], to=onnx.TensorProto.FLOAT)
        # The networks want x / 127.5 - 1. The division is folded into the first convolution; the shift cannot be,
        # for the zeros of its padding mean the shifted zero.
        value = graph.add("Sub", [value, graph.constant(np.array(127.5, np.float32))])
        value = graph.conv(value, "_conv_stem", "_bn0", stride=2, scale=1 / 127.5)
        for number, stride in enumerate(_strides(REPEATS[variant])):
            value = graph.block(value, f"_blocks.{number}", stride)
        value = graph.conv(value, "_conv_head", "_bn1")
        value = graph.add("GlobalAveragePool", [value])
        graph.add("Flatten", [value], output="features", axis=1)
    except KeyError as error:
        raise WeightsDamaged(f"the weights of EfficientNet-{variant} lack {error}") from error
    helper = onnx.helper
    made = helper.make_graph(
        graph.nodes,
        f"efficientnet-{variant}",
        [helper.make_tensor_value_info("images", onnx.TensorProto.UINT8, ["n", "height", "width", 3])],
        [helper.make_tensor_value_info("features", onnx.TensorProto.FLOAT, ["n", 1280])],
        graph.constants,
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, str(target))


def mean_features(state: State) -> NDArray[np.float32]:
    """What the pooled features are on average over ImageNet `(1280,)`, in closed form, without a picture.

    The last batch norm makes every channel's distribution over training pictures one of mean beta and deviation
    gamma; taken as normal, E[relu6(x)] follows from the integrals of the normal distribution.
    """
    from math import erf, exp, pi, sqrt

    def above(mean: float, deviation: float, level: float) -> float:
        """E[max(x - level, 0)] for a normal x."""
        z = (mean - level) / deviation
        return (mean - level) * (1 + erf(z / sqrt(2))) / 2 + deviation * exp(-z * z / 2) / sqrt(2 * pi)

    return np.array(
        [
            above(beta, abs(gamma) + 1e-9, 0) - above(beta, abs(gamma) + 1e-9, 6)
            for beta, gamma in zip(state["_bn1.bias"].tolist(), state["_bn1.weight"].tolist(), strict=True)
        ],
        np.float32,
    )


def _strides(repeats: tuple[int, ...]) -> list[int]:
    return [stride if i == 0 else 1 for stride, count in zip(STRIDES, repeats, strict=True) for i in range(count)]


class _Graph:
    def __init__(self, state: State) -> None:
        self.state = state
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def constant(self, value: NDArray[Any]) -> str:
        import onnx

        name = f"c{len(self.constants)}"
        self.constants.append(onnx.numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def add(self, operator: str, inputs: list[str], output: str | None = None, **attributes: Any) -> str:  # noqa: ANN401
        import onnx

        output = output or f"v{len(self.nodes)}"
        self.nodes.append(onnx.helper.make_node(operator, inputs, [output], **attributes))
        return output

    def conv(
        self, value: str, name: str, norm: str, *, stride: int = 1, scale: float = 1.0, linear: bool = False
    ) -> str:
        """Convolution, batch norm and, unless `linear`, ReLU6. Padding is TensorFlow's SAME."""
        weight = self.state[f"{name}.weight"]
        factor = self.state[f"{norm}.weight"] / np.sqrt(self.state[f"{norm}.running_var"] + EPSILON)
        bias = self.state[f"{norm}.bias"] - self.state[f"{norm}.running_mean"] * factor
        folded = (weight * factor[:, None, None, None] * scale).astype(np.float32)
        value = self.add(
            "Conv",
            [value, self.constant(folded), self.constant(bias.astype(np.float32))],
            kernel_shape=list(weight.shape[2:]),
            strides=[stride, stride],
            auto_pad="SAME_UPPER",
            group=1 if weight.shape[1] > 1 or "depthwise" not in name else weight.shape[0],
        )
        if linear:
            return value
        zero, six = (self.constant(np.array(limit, np.float32)) for limit in (0, 6))
        return self.add("Clip", [value, zero, six])

    def block(self, value: str, name: str, stride: int) -> str:
        """Inverted residual: widen (but for the first block), convolve each channel, narrow."""
        before = value
        if f"{name}._expand_conv.weight" in self.state:
            value = self.conv(value, f"{name}._expand_conv", f"{name}._bn0")
        value = self.conv(value, f"{name}._depthwise_conv", f"{name}._bn1", stride=stride)
        project = self.state[f"{name}._project_conv.weight"]
        value = self.conv(value, f"{name}._project_conv", f"{name}._bn2", linear=True)
        widest = self.state.get(f"{name}._expand_conv.weight")
        same = widest is not None and widest.shape[1] == project.shape[0] and stride == 1
        return self.add("Add", [value, before]) if same else value
