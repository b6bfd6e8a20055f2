"""Printer and parser: what is printed is read back to an equal graph."""

import math

import pytest

import graphc  # noqa: F401  registers the primitives
from graphc.ir.graph import Builder, Graph, Location
from graphc.ir.integers import variable
from graphc.ir.parser import ParseError, parse_graph
from graphc.ir.primitive import PRIMITIVES
from graphc.ir.printer import print_graph
from graphc.ir.types import TensorType, float32, float64, int64
from graphc.ir.verify import verify


def example() -> Graph:
    builder = Builder("step")
    n = variable("N")
    x = builder.input("x", TensorType(float32, (n, 128)))
    weight = builder.input("fc.weight", TensorType(float32, (n, 128)), "state")
    builder.location = Location("samples/mlp.py", 12)
    y = builder.apply(PRIMITIVES["tanh"], (x,), {})
    builder.location = Location("samples/mlp.py", 13, "backward")
    z = builder.apply(PRIMITIVES["mul"], (y, weight), {})
    scale = builder.add(PRIMITIVES["full"], (), {"value": math.inf, "shape": (n, 128), "dtype": float32})
    total = builder.apply(PRIMITIVES["sum"], (z,), {"dims": (0, 1)})
    return builder.build([("loss", total.node), ("scale", scale)], [(weight.node, z.node)])


def test_the_text_of_a_graph():
    """The text reads as documentation: a line for each value, with its type and its Python line."""
    assert (
        print_graph(example())
        == """\
graph step {
  input %x: f32[N,128] argument
  input %fc.weight: f32[N,128] state
  %0: f32[N,128] = tanh %x                                                # samples/mlp.py:12
  %1: f32[N,128] = mul %0, %fc.weight                                     # samples/mlp.py:13 (backward)
  %2: f32[N,128] = full {dtype=f32, shape=(N, 128), value=inf}            # samples/mlp.py:13 (backward)
  %3: f32[] = sum %1 {dims=(0, 1)}                                        # samples/mlp.py:13 (backward)
  output loss = %3
  output scale = %2
  update %fc.weight = %1
}"""
    )


def test_print_and_parse_are_inverse():
    """Text → graph → text is the same text, and the graph that was read is well formed."""
    text = print_graph(example())
    parsed = verify(parse_graph(text))
    assert print_graph(parsed) == text
    assert parsed.nodes[0].location == Location("samples/mlp.py", 12)


@pytest.mark.parametrize("name", ["a b", '*/ system("x"); /*', 'quote"', "new\nline", "%3", "ünï", "# hash:1"])
def test_any_name_survives(name):
    """Names and paths of the user's can hold anything; they are quoted, not trusted."""
    builder = Builder(name)
    x = builder.input(name, TensorType(float64, (2,)))
    builder.location = Location(name, 7, "update")
    y = builder.apply(PRIMITIVES["exp"], (x,), {})
    text = print_graph(builder.build([(name, y.node)]))
    parsed = verify(parse_graph(text))
    assert print_graph(parsed) == text
    assert parsed.inputs[0].name == name
    assert parsed.outputs[0].name == name
    assert parsed.nodes[0].location == Location(name, 7, "update")


@pytest.mark.parametrize("value", [0.1, -0.0, math.inf, -math.inf, 1e-45, 1.7976931348623157e308])
def test_floats_keep_every_bit(value):
    """An attribute that is a float reads back to the same float."""
    builder = Builder("g")
    node = builder.add(PRIMITIVES["full"], (), {"value": value, "shape": (), "dtype": float64})
    read = parse_graph(print_graph(builder.build([("y", node)]))).nodes[0].attrs["value"]
    assert math.copysign(1, read) == math.copysign(1, value)
    assert read == value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("graph g {\n  %0: f32[2] = tanh %x\n}", "no value is named %x"),
        ("graph g {\n  input %x: f99[2] argument\n}", "no dtype is spelled"),
        ("graph g {\n  input %x: f32[2] argument\n  %0: f32[2] = frobnicate %x\n}", "no primitive is named"),
        ("graph g {\n  input %x: f32[2] argument\n", "ends before"),
        ("nonsense", "expected 'graph"),
        ("graph g {\n  what is this\n}", "line 2"),
    ],
)
def test_what_cannot_be_read_is_named(text, message):
    """A fault in the text is reported with its line."""
    with pytest.raises(ParseError, match=message):
        parse_graph(text)


def test_a_wrong_type_in_the_text_is_found_by_verify():
    """The parser believes the text's types; the verifier does not."""
    parsed = parse_graph("graph g {\n  input %x: f32[2] argument\n  %0: f32[3] = tanh %x\n  output y = %0\n}")
    with pytest.raises(AssertionError, match="type rule"):
        verify(parsed)


def test_equal_nodes_are_one_node():
    """Interning makes common subexpressions free, and tells numbers of different type or sign apart."""
    builder = Builder("g")
    x = builder.input("x", TensorType(float32, (2,)))
    first = builder.apply(PRIMITIVES["tanh"], (x,), {})
    assert builder.apply(PRIMITIVES["tanh"], (x,), {}).node is first.node
    full = PRIMITIVES["full"]
    positive = builder.add(full, (), {"value": 0.0, "shape": (2,), "dtype": float32})
    assert builder.add(full, (), {"value": -0.0, "shape": (2,), "dtype": float32}) is not positive
    assert builder.add(full, (), {"value": 1, "shape": (2,), "dtype": int64}) is not builder.add(
        full, (), {"value": True, "shape": (2,), "dtype": int64}
    )
