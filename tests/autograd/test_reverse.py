"""Symbolic differentiation: the graph of a gradient equals what the tape computes, over the whole op table."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc.autograd.gradients import grad
from graphc.ir.graph import Builder, Graph, Symbol
from graphc.ir.integers import variable
from graphc.ir.interp import interpret
from graphc.ir.primitive import PRIMITIVES
from graphc.ir.types import TensorType, dtype_of, float32, float64
from graphc.ir.verify import verify
from graphc.ops.operands import cast
from graphc.tensor import Tensor
from tests.every_way import difference
from tests.ops.running import apply_sample, flat_values, keyword_arrays
from tests.ops.samples import ALL_SAMPLES, OpSample, flat_arrays, map_arrays

DIFFERENTIABLE = [sample for sample in ALL_SAMPLES if sample.differentiable_positions() and not sample.random]
# Writes in place, and results whose shape depends on values, are for tensors alone.
EAGER_ONLY = (AttributeError, TypeError)


def weighted(results: list[Any], total: Any = None) -> Any:
    """One number: every floating result, and the parts of every complex one, times fixed weights, as float64."""
    for place, result in enumerate(results):
        if result.dtype.is_complex:
            result = gc.view_as_real(result)
        if result.dtype.is_floating_point:
            shape = tuple(result.shape)
            weights = np.sin(0.7 * np.arange(np.prod(shape, dtype=int)) + place + 0.3).reshape(shape)
            part = (cast(result, float64) * constant_like(result, weights)).sum()
            total = part if total is None else total + part
    return total


def constant_like(reference: Any, array: np.ndarray) -> Any:
    from graphc.ops.sources import Constant, Literal

    return reference.apply(Constant.instance, (), {"literal": Literal(array)})


def graph_of(sample: OpSample) -> tuple[Graph, list[np.ndarray], list[str]]:
    """The weighted sum of a sample's results as a graph, its arrays, and the names of those to differentiate."""
    builder = Builder(sample.name.replace("-", "_"))
    positional, keywords = sample.make("float64")
    arrays: list[np.ndarray] = []

    def convert(array: np.ndarray) -> Symbol:
        arrays.append(array)
        return builder.input(f"input{len(arrays) - 1}", TensorType(dtype_of(array.dtype), array.shape))

    arguments = map_arrays(positional, convert)
    results = flat_values(apply_sample(sample, arguments, keyword_arrays(keywords, convert)))
    total = weighted(results)
    return (
        builder.build([("total", total.node)]),
        arrays,
        [f"input{place}" for place in sample.differentiable_positions()],
    )


def tape_gradients(sample: OpSample) -> list[np.ndarray]:
    positional, keywords = sample.make("float64")
    tensors: list[Tensor] = []

    def convert(array: np.ndarray) -> Tensor:
        tensors.append(Tensor.from_array(array))
        return tensors[-1]

    arguments = map_arrays(positional, convert)
    leaves = [tensors[place].requires_grad_() for place in sample.differentiable_positions()]
    total = weighted(flat_values(apply_sample(sample, arguments, keyword_arrays(keywords, convert))))
    if not total.requires_grad:
        return [np.zeros(leaf.shape, leaf.dtype.numpy) for leaf in leaves]
    return [gradient.numpy() for gradient in grad(total, leaves, materialize_grads=True)]


def named(arrays: list[np.ndarray]) -> dict[str, np.ndarray]:
    return {f"input{place}": array for place, array in enumerate(arrays)}


def inner(gradient: np.ndarray, direction: np.ndarray) -> float:
    """How fast a real number changes along a direction, of numbers or of points of the plane."""
    return float((np.conj(gradient) * direction).real.sum())


def test_the_whole_table() -> None:
    """For every differentiable sample that symbols can express, graph and tape give the same gradient."""
    wrong: list[str] = []
    checked = 0
    for sample in DIFFERENTIABLE:
        try:
            graph, arrays, names = graph_of(sample)
        except EAGER_ONLY:
            continue
        with np.errstate(all="ignore"):
            gradient = verify(gc.differentiate(graph, wrt=names))
            found = interpret(gradient, named(arrays)).outputs
            expected = tape_gradients(sample)
        checked += 1
        for name, other in zip(names, expected, strict=True):
            scale = float(np.abs(other[np.isfinite(other)]).max(initial=0.0))
            words = difference(found[f"{name}.grad"], other, 1e-12, 1e-12 * scale)
            if words:
                wrong.append(f"{sample.identity}: {name}: {words}")
    assert not wrong, "\n".join(["", *wrong])
    assert checked > 0.95 * len(DIFFERENTIABLE)


def test_second_order_over_the_table() -> None:
    """A gradient graph is differentiated again: along a direction it is the difference of first gradients."""
    wrong: list[str] = []
    smooth = [s for s in DIFFERENTIABLE if s.smooth and all(a.size for a in flat_arrays(s.make()[0]))]
    for sample in smooth[::3]:
        try:
            graph, arrays, names = graph_of(sample)
        except EAGER_ONLY:
            continue
        name = names[0]
        first = gc.differentiate(graph, wrt=[name])
        again = Builder("along")
        mapping = again.copy(first)
        slope = again.symbol(mapping[first.outputs[0].node])
        generator = np.random.default_rng(3)
        direction = generator.choice([-1.0, 1.0], slope.shape)
        if slope.dtype.is_complex:
            direction = direction + 1j * generator.choice([-1.0, 1.0], slope.shape)
            pairs = np.stack([direction.real, direction.imag], -1)
            total = (gc.view_as_real(slope) * constant_like(slope, pairs)).sum()
        else:
            total = (slope * constant_like(slope, direction)).sum()
        second = verify(gc.differentiate(again.build([("total", total.node)]), wrt=[name]))
        values = named(arrays)
        found = inner(interpret(second, values).outputs[f"{name}.grad"], direction)

        def at(step: float, values=values, name=name, first=first, direction=direction) -> float:
            moved = {**values, name: values[name] + step * direction}
            return inner(interpret(first, moved).outputs[f"{name}.grad"], direction)

        expected = (8 * (at(1e-4) - at(-1e-4)) - (at(2e-4) - at(-2e-4))) / 1.2e-3
        if found != pytest.approx(expected, rel=1e-5, abs=1e-5):
            wrong.append(f"{sample.identity}: {found} instead of {expected}")
    assert not wrong, "\n".join(["", *wrong])


def scalar_graph() -> Graph:
    return gc.trace(lambda w, x, b: (w * x + b).sum(), gc.ones(3), gc.ones(3), gc.ones(3))


def test_every_floating_input_by_default() -> None:
    """Without ``wrt`` all floating inputs have gradients, integers none."""
    graph = gc.trace(lambda w, i: (w[i] * 2).sum(), gc.ones(4), gc.tensor([0, 2, 2]))
    gradient = gc.differentiate(graph)
    assert [output.name for output in gradient.outputs] == ["w.grad"]
    found = interpret(gradient, {"w": np.ones(4, np.float32), "i": np.array([0, 2, 2])})
    np.testing.assert_array_equal(found.outputs["w.grad"], [2.0, 0.0, 4.0, 0.0])


def test_an_input_without_influence_has_zeros() -> None:
    """The gradient of an unused input is zeros of its shape."""
    graph = gc.trace(lambda x, y: (x * x).sum() + y.detach().sum() * 0, gc.ones(2), gc.ones(3))
    found = interpret(gc.differentiate(graph), {"x": np.ones(2, np.float32), "y": np.ones(3, np.float32)})
    np.testing.assert_array_equal(found.outputs["y.grad"], np.zeros(3))


def test_backward_nodes_carry_their_forward_lines() -> None:
    """Each node of the reverse sweep names the Python line of the operation that it belongs to."""
    graph = scalar_graph()
    lines = {node.location.line for node in graph.nodes if node.location is not None}
    backward = [n for n in gc.differentiate(graph).nodes if n.location is not None and n.location.phase == "backward"]
    assert backward
    assert {node.location.line for node in backward} <= lines


def test_symbolic_sizes() -> None:
    """A graph of any batch size has a gradient of any batch size."""
    builder = Builder("loss")
    n = variable("N")
    x = builder.input("x", TensorType(float32, (n, 3)))
    w = builder.input("w", TensorType(float32, (3, 2)))
    total = gc.tanh(gc.matmul(x, w)).sum()
    gradient = verify(gc.differentiate(builder.build([("total", total.node)])))
    generator = np.random.default_rng(0)
    weights = generator.standard_normal((3, 2)).astype(np.float32)
    for size in (1, 5, 8):
        batch = generator.standard_normal((size, 3)).astype(np.float32)
        found = interpret(gradient, {"x": batch, "w": weights}).outputs
        leaf_x, leaf_w = gc.tensor(batch, requires_grad=True), gc.tensor(weights, requires_grad=True)
        gc.tanh(leaf_x @ leaf_w).sum().backward()
        np.testing.assert_allclose(found["x.grad"], leaf_x.grad.numpy(), rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(found["w.grad"], leaf_w.grad.numpy(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("graph", "options", "words"),
    [
        (lambda: gc.trace(lambda x: x * 2, gc.ones(3)), {}, "one element"),
        (lambda: gc.trace(lambda x: (x > 0).any(), gc.ones(3)), {}, "floating output"),
        (lambda: gc.trace(lambda x: (x.sum(), x.mean()), gc.ones(3)), {}, "name the one to differentiate"),
        (lambda: gc.trace(lambda x: (x.sum(), x.mean()), gc.ones(3)), {"output": "other"}, "no output 'other'"),
        (scalar_graph, {"wrt": ["nothing"]}, "no input 'nothing'"),
        (lambda: gc.trace(lambda x, i: x[i].sum(), gc.ones(3), gc.tensor([1])), {"wrt": ["i"]}, "only floating"),
    ],
    ids=["many elements", "boolean", "which output", "unknown output", "unknown input", "integer input"],
)
def test_what_has_no_gradient_is_named(graph: Any, options: dict[str, Any], words: str) -> None:
    """Errors name the output or input, and what was expected."""
    with pytest.raises(ValueError, match=words):
        gc.differentiate(graph(), **options)


def test_one_of_several_outputs() -> None:
    """``output`` chooses what is differentiated."""
    graph = gc.trace(lambda x: (x.sum(), (x * x).sum()), gc.ones(3))
    found = interpret(gc.differentiate(graph, output="result_1"), {"x": np.full(3, 2.0, np.float32)})
    np.testing.assert_array_equal(found.outputs["x.grad"], [4.0, 4.0, 4.0])


def test_a_rule_is_one_for_tape_and_graph() -> None:
    """Every primitive that calls itself differentiable has a rule of its own."""
    from graphc.ir.primitive import Primitive

    missing = [
        name
        for name, primitive in PRIMITIVES.items()
        if primitive.differentiable and type(primitive).vjp is Primitive.vjp and primitive.effect is None
        and type(primitive).__module__.startswith("graphc.ops.") and name not in SOURCES
    ]  # fmt: skip
    assert missing == []


# Sources have no operands to give a cotangent to.
SOURCES = {name for name, primitive in PRIMITIVES.items() if type(primitive).__module__ == "graphc.ops.sources"}
