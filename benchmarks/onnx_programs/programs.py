"""The forward workloads as ONNX graphs. Operators are ONNX's own, of version 20, in which gelu is one of them.

Source: https://onnx.ai/onnx/operators/
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from benchmarks.workloads import chain, softmax_norm, vgg
from benchmarks.workloads.workload import Step, images_and_classes, initial_values


def session(nodes: list, inputs: dict[str, np.ndarray], weights: dict[str, np.ndarray]) -> Callable:
    """A function of the inputs, in their order, that runs a graph; its last node makes the matrix "result"."""
    graph = helper.make_graph(
        nodes,
        "workload",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, array.shape) for name, array in inputs.items()],
        [helper.make_tensor_value_info("result", TensorProto.FLOAT, [None, None])],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.checker.check_model(model)
    loaded = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return lambda *arrays: loaded.run(["result"], dict(zip(inputs, arrays, strict=True)))[0]


def build_chain() -> Step:
    """gelu(x w + b) sigmoid(y)."""
    inputs = dict(zip("xywb", chain.operands(), strict=True))
    nodes = [
        helper.make_node("Mul", ["x", "w"], ["scaled"]),
        helper.make_node("Add", ["scaled", "b"], ["moved"]),
        helper.make_node("Gelu", ["moved"], ["left"], approximate="tanh"),
        helper.make_node("Sigmoid", ["y"], ["right"]),
        helper.make_node("Mul", ["left", "right"], ["result"]),
    ]
    run = session(nodes, inputs, {})
    return lambda: run(*inputs.values())[1, 1]


def build_softmax_norm() -> Step:
    """layer_norm(softmax(x)) of rows."""
    x, _, weight, bias = softmax_norm.operands()
    inputs = {"x": x, "weight": weight, "bias": bias}
    nodes = [
        helper.make_node("Softmax", ["x"], ["shares"], axis=-1),
        helper.make_node("LayerNormalization", ["shares", "weight", "bias"], ["result"], epsilon=1e-5),
    ]
    run = session(nodes, inputs, {})
    return lambda: run(*inputs.values())[0, 0]


def build_vgg16() -> Step:
    """VGG-16 without dropout, one image; its weights are part of the graph, as an exported model's are."""
    weights, nodes, value, channels, number = {}, [], "image", 3, 0
    names = (f"value{count}" for count in itertools.count())

    def add(operator: str, *operands: str, result: str | None = None, **attributes: object) -> None:
        nonlocal value
        result = result or next(names)
        nodes.append(helper.make_node(operator, [value, *operands], [result], **attributes))
        value = result

    shapes = {}
    for width, count in vgg.STAGES:
        for _ in range(count):
            shapes |= {f"{number}.weight": (width, channels, 3, 3), f"{number}.bias": (width,)}
            add("Conv", f"{number}.weight", f"{number}.bias", kernel_shape=[3, 3], pads=[1, 1, 1, 1])
            add("Relu")
            channels, number = width, number + 2
        add("MaxPool", kernel_shape=[2, 2], strides=[2, 2])
        number += 1
    add("Flatten")
    number += 1
    features = 512 * 7 * 7
    for width in (4096, 4096, vgg.CLASSES):
        shapes |= {f"{number}.weight": (width, features), f"{number}.bias": (width,)}
        last = width == vgg.CLASSES
        add("Gemm", f"{number}.weight", f"{number}.bias", result="result" if last else None, transB=1)
        if not last:
            add("Relu")
        features, number = width, number + 2
    weights = initial_values(shapes)
    images, _ = images_and_classes(1, 3, vgg.SIDE, vgg.SIDE)
    run = session(nodes, {"image": images[0]}, weights)
    turn = itertools.cycle(images)
    return lambda: run(next(turn))[0, 0]


PROGRAMS: dict[str, Callable[[], Step]] = {
    "chain": build_chain,
    "softmax_ln": build_softmax_norm,
    "vgg16_fwd": build_vgg16,
}
