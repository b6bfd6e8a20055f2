"""The passes: each keeps every bit and does what its name says; the pipeline verifies them and can be halved."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc.ir.graph import Builder, Graph, Node, Output
from graphc.ir.interp import interpret
from graphc.ir.passes.canonicalize import canonicalize
from graphc.ir.passes.fold_constants import fold_constants
from graphc.ir.passes.pipeline import PIPELINE, optimize
from graphc.ir.passes.remove_dead import remove_dead
from graphc.ir.rewrite import rebuild
from graphc.ir.types import TensorType, float64
from graphc.ir.verify import VerificationError

SPECIAL = np.array([[0.0, -0.0, np.nan], [np.inf, -np.inf, 1.5]], np.float32)


def trace(function: Callable[..., Any], *arrays: np.ndarray) -> Graph:
    return gc.trace(function, *[gc.tensor(array) for array in (arrays or (SPECIAL,))])


def bits(graph: Graph, *arrays: np.ndarray) -> list[bytes]:
    """The results' bytes, NaN made one."""
    inputs = {node.name: array for node, array in zip(graph.inputs, arrays or (SPECIAL,), strict=True)}
    with np.errstate(all="ignore"):
        values = interpret(graph, inputs).outputs.values()
    return [
        np.where(np.isnan(value), np.float32(np.nan), value).astype(value.dtype).tobytes()
        if value.dtype.kind == "f" else value.tobytes()
        for value in values
    ]  # fmt: skip


def names(graph: Graph) -> list[str]:
    return [node.op.name for node in graph.nodes]


# What each function is after the pipeline: the operations left over.
LEFT = {
    "times one": (lambda x: x * 1.0, []),
    "minus zero": (lambda x: x - 0.0, []),
    "plus negative zero": (lambda x: x + -0.0, []),
    "negated twice": (lambda x: x.neg().neg(), []),
    "transposed twice": (lambda x: x.t().t() * 2, ["full", "mul"]),
    "reshaped twice": (lambda x: x.reshape(6).reshape(3, 2).reshape(2, 3) + x, ["add"]),
    "equal twice": (lambda x: x.exp() + x.exp(), ["exp", "add"]),
    "cast to itself": (lambda x: x.to(gc.float32).exp(), ["exp"]),
    "copied": (lambda x: x.clone().exp(), ["exp"]),
    "constants": (lambda x: x * (gc.full((2, 3), 2.0) * 3.0 + 1.0), ["full", "mul"]),
}


@pytest.mark.parametrize("name", LEFT)
def test_what_is_left(name: str) -> None:
    """Identities go, equal nodes merge, constants fold; bits stay, those of zeros, infinities, and NaN among them."""
    function, expected = LEFT[name]
    graph = trace(function)
    optimized = optimize(graph).graph
    assert sorted(names(optimized)) == sorted(expected)
    assert bits(optimized) == bits(graph)


# Rules of real numbers that floats do not obey: the operation must stay.
KEPT = {
    "plus zero": lambda x: x + 0.0,
    "times zero": lambda x: x * 0.0,
    "minus itself": lambda x: x - x,
    "divided by itself": lambda x: x / x,
    "zero minus": lambda x: 0.0 - x,
    "root of square": lambda x: (x * x).sqrt(),
    "log of exp": lambda x: x.exp().log(),
    "reassociated": lambda x: (x + 1e8) - 1e8,
    "distributed": lambda x: x * 3.1 + x * 0.7,
    "equal to itself": lambda x: x == x,
    "cast there and back": lambda x: x.clamp(-9, 9).nan_to_num().to(gc.int32).to(gc.float32),
    "narrowed and widened": lambda x: x.to(gc.float64).sin().to(gc.float32).to(gc.float64),
}


@pytest.mark.parametrize("name", KEPT)
def test_no_float_algebra(name: str) -> None:
    """What would change a result in some case is left alone."""
    graph = trace(KEPT[name])
    optimized = optimize(graph).graph
    assert bits(optimized) == bits(graph)
    assert [n for n in names(optimized) if n != "full"]


def test_constant_folding_of_one_number() -> None:
    """A 0-d constant expression folds."""
    graph = trace(lambda x: x.sum() * (gc.full((), 2.0) * 3.0).exp())
    optimized = optimize(graph).graph
    assert names(optimized).count("exp") == 0
    assert bits(optimized) == bits(graph)


def test_constant_folding_gives_no_warning_and_keeps_nan() -> None:
    """A constant that is NaN or infinite folds to that."""
    graph = trace(lambda x: x + gc.full((2, 3), -1.0).log() + gc.full((2, 3), 0.0).log())
    folded = fold_constants(graph)
    assert "log" not in names(remove_dead(folded))
    assert bits(folded) == bits(graph)


def test_random_nodes_are_neither_merged_nor_removed() -> None:
    """Each draw moves the stream, used or not."""

    def function(x):
        gc.rand(2, 3)
        return x + gc.rand(2, 3) + gc.rand(2, 3)

    optimized = optimize(trace(function)).graph
    assert names(optimized).count("random_uniform") == 3


def test_dead_nodes_go_and_inputs_stay() -> None:
    """What no result needs is dropped; the signature is kept."""

    def function(x, y):
        (x * 2).exp()
        return x + 1

    graph = trace(function, SPECIAL, SPECIAL)
    assert [node.name for node in remove_dead(graph).inputs] == ["x", "y"]
    assert "exp" not in names(remove_dead(graph))


def test_canonical_form_is_a_fixed_point() -> None:
    """A second run changes nothing."""
    graph = canonicalize(trace(lambda x: (x.t().reshape(6)[1:5] * 1.0).reshape(2, 2).t().exp()))
    assert canonicalize(graph) is graph


def test_the_pipeline_records_and_stops_where_it_is_told() -> None:
    """Each pass is recorded with its sizes and observed; a limit ends it early."""
    graph = trace(lambda x: x * 1.0 + 0.5)
    seen: list[str] = []
    whole = optimize(graph, observe=lambda name, _: seen.append(name))
    assert seen == [record.name for record in whole.records] == [run.__name__ for run, _ in PIPELINE]
    assert whole.records[0].before == len(graph)
    assert all(reason for _, reason in PIPELINE)
    assert optimize(graph, limit=0).graph is graph
    assert len(optimize(graph, limit=1).records) == 1


def test_what_changes_nothing_gives_the_graph_back() -> None:
    """Rebuilding a graph without equal nodes gives that very graph; an attribute that only looks equal is a change."""
    graph = remove_dead(trace(lambda x: (x.exp() + 1.0).sum()))
    assert rebuild(graph) is graph

    def as_integer(builder: Builder, node: Node, operands: tuple[Node, ...]) -> Node | None:
        if node.op.name != "full":
            return None
        return builder.add(node.op, operands, {**node.attrs, "value": int(node.attrs["value"])}, node.location)

    changed = rebuild(graph, as_integer)
    assert changed is not graph
    (number,) = (node for node in changed.nodes if node.op.name == "full")
    assert type(number.attrs["value"]) is int


def test_a_wrong_pass_is_caught_at_once() -> None:
    """A pass that breaks an invariant of the IR is named by the verification after it, also where a node of a
    wrong type stands behind nodes that were looked at before."""
    graph = trace(lambda x: x.exp().log())

    def wrong_type(given: Graph) -> Graph:
        *others, last = given.nodes
        other = Node(last.op, last.inputs, last.attributes, TensorType(float64, last.type.shape), last.location)
        outputs = tuple(Output(output.name, other) for output in given.outputs)
        return Graph(given.name, given.inputs, (*others, other), outputs, given.updates)

    with pytest.raises(VerificationError, match="its type rule gives"):
        optimize(graph, passes=((remove_dead, "nothing to do"), (wrong_type, "wrong on purpose")))

    def lose_a_node(given: Graph) -> Graph:
        return Graph(given.name, given.inputs, given.nodes[1:], given.outputs, given.updates)

    with pytest.raises(VerificationError, match="does not stand before it"):
        optimize(graph, passes=((lose_a_node, "wrong on purpose"),))


def test_locations_survive() -> None:
    """After the pipeline every node still names a line of this file."""
    optimized = optimize(trace(lambda x: (x.exp() * 2.0 + 1.0).sum())).graph
    assert all(node.location is not None and "test_passes" in node.location.file for node in optimized.nodes)
