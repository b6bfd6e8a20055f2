"""Pointwise primitives: evaluation, type rules, and rules of simplification that keep every bit."""

from __future__ import annotations

import itertools
import math
import warnings

import numpy as np
import pytest

from graphc.ir.graph import Builder, Symbol
from graphc.ir.types import TensorType, bool_, float32, float64, int32, int64, uint8
from graphc.ops import pointwise
from graphc.ops.error_function import erf
from graphc.ops.operators import bind_operators
from graphc.ops.sources import Full, number_like
from graphc.tensor import Tensor

bind_operators(Tensor)

VALUES = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, -1.0, 3.1, -2.7, 1e-42, 3e38, 1e-30], np.float32)


def symbols(*dtypes, simplify=True, shape=(12,)) -> list[Symbol]:
    """Inputs of a graph that simplifies what is built on them."""
    builder = Builder(simplify=simplify)
    return [Symbol(builder, builder.input(f"x{k}", TensorType(d, shape)).node) for k, d in enumerate(dtypes)]


def evaluate(symbol: Symbol, *arrays: np.ndarray) -> np.ndarray:
    """The value of a symbol by numpy."""
    known = dict(zip(symbol.builder.inputs, arrays, strict=True))

    def value(node):
        if node not in known:
            known[node] = node.op.evaluate(*(value(operand) for operand in node.inputs), **node.attrs)
        return known[node]

    return value(symbol.node)


RULES = [
    lambda x, y: x * 1,
    lambda x, y: x + (-0.0),
    lambda x, y: x + 0.0,
    lambda x, y: x - 0.0,
    lambda x, y: x - (-0.0),
    lambda x, y: x / 1,
    lambda x, y: x / 8,
    lambda x, y: x / -0.25,
    lambda x, y: x / 1e-45,
    lambda x, y: x / 2.0**127,
    lambda x, y: x.neg().neg(),
    lambda x, y: x + (-y),
    lambda x, y: (-x) + y,
    lambda x, y: x - (-y),
    lambda x, y: (-x) * (-y),
    lambda x, y: (-x).abs(),
    lambda x, y: x.abs().abs(),
    lambda x, y: x.floor().ceil(),
    lambda x, y: x.relu().relu(),
    lambda x, y: x.maximum(x),
    lambda x, y: ~(~(x < y)),
    lambda x, y: (x == y).logical_not(),
    lambda x, y: (x < y).logical_not(),
    lambda x, y: x == x,
    lambda x, y: (x < y).where(x > 1, x > 1),
    lambda x, y: x.where(~(x < y), y),
    lambda x, y: pointwise.Cast.bind(pointwise.Cast.bind(x, dtype=float64), dtype=float32),
    lambda x, y: pointwise.Cast.bind(pointwise.Cast.bind(x < y, dtype=int64), dtype=float32),
    lambda x, y: x**1,
    lambda x, y: x**0,
    lambda x, y: (number_like(x, 0.1) + 0.2) * x,
    lambda x, y: (x < y) & (number_like(x, 1.0) < 2.0),
    lambda x, y: (x < y) | (number_like(x, 1.0) < 2.0),
    lambda x, y: (x < y) ^ (x < y),
    lambda x, y: x.clone() * 2,
    lambda x, y: 3 * x,
]


@pytest.mark.parametrize("rule", RULES)
def test_simplification_keeps_bits(rule) -> None:
    """What simplification gives is bit for bit what the operations as written give, NaN and signed zeros included."""
    other = np.roll(VALUES, 5)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plain = evaluate(rule(*symbols(float32, float32, simplify=False)), VALUES, other)
        simple = evaluate(rule(*symbols(float32, float32)), VALUES, other)
    assert plain.dtype == simple.dtype
    if plain.dtype.kind != "f":
        np.testing.assert_array_equal(plain, simple)
        return
    numbers = ~np.isnan(plain)
    np.testing.assert_array_equal(np.isnan(simple), ~numbers)
    np.testing.assert_array_equal(
        plain[numbers].view(np.uint32), np.broadcast_to(simple, plain.shape)[numbers].view(np.uint32)
    )


def test_simplification_finds() -> None:
    """Identities vanish, numbers fold, and what would change a bit stays."""
    x, y, truth = symbols(float32, float32, bool_)
    for same in (x * 1, 1 * x, x + (-0.0), x - 0.0, x / 1, x.neg().neg(), x.maximum(x), x.clone(), x**1):
        assert same.node is x.node
    assert (x + 0.0).node is not x.node
    assert (x * 0).node.op.name == "mul"
    assert (x - x).node.op.name == "sub"
    assert (x / 8).node.op.name == "mul"
    assert (x / 3).node.op.name == "div"
    assert (number_like(x, 2) * number_like(x, 3)).node.attrs["value"] == 6.0
    assert pointwise.Cast.bind(number_like(x, 2.75), dtype=int64).node.attrs["value"] == 2
    assert truth.logical_not().logical_not().node is truth.node
    assert (x + y).node is (x - (-y)).node


def test_integer_simplification() -> None:
    """Integers have more identities than floats: zero absorbs, differences vanish; division by zero stays."""
    (x,) = symbols(int64)
    assert (x + 0).node is x.node
    assert (x - 0).node is x.node
    assert (x // 1).node is x.node
    assert (x * 0).node.op is Full.instance
    assert (x - x).node.op is Full.instance
    assert (x == x).node.attrs["value"] is True
    assert (number_like(x, 3) // number_like(x, 0)).node.op.name == "floor_divide"
    (small,) = symbols(int32)
    wide = pointwise.Cast.bind(pointwise.Cast.bind(small, dtype=int64), dtype=int32)
    assert wide.node is small.node
    narrow = pointwise.Cast.bind(pointwise.Cast.bind(x, dtype=float64), dtype=int64)
    assert narrow.node is not x.node  # float64 cannot hold all of int64


def test_results_have_the_inferred_type() -> None:
    """Evaluation of a 0-d operand gives a 0-d array, of the dtype of the type rule."""
    for primitive in (pointwise.Exp, pointwise.Neg, pointwise.Sign, pointwise.Relu, pointwise.Sigmoid, pointwise.Erf):
        result = primitive.instance.evaluate(np.array(0.5, np.float32))
        assert isinstance(result, np.ndarray)
        assert (result.dtype, result.shape) == (np.float32, ())
    for x, y in itertools.product((np.int64(7), np.int64(-7)), (np.int64(2), np.int64(-3))):
        for primitive in (pointwise.FloorDivide, pointwise.Remainder, pointwise.Pow, pointwise.Maximum):
            result = primitive.instance.evaluate(np.asarray(x), np.asarray(y))
            assert (type(result), result.dtype) == (np.ndarray, np.int64)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda x, y, n: pointwise.Add.bind(x, n), TypeError, "operands of one dtype"),
        (lambda x, y, n: pointwise.Exp.bind(n), TypeError, "exp expects float or complex operands, got int64"),
        (
            lambda x, y, n: pointwise.LogicalAnd.bind(x, x),
            NotImplementedError,
            "\"logical_and_cpu\" not implemented for 'Float'",
        ),
        (lambda x, y, n: pointwise.Add.bind(x, y), ValueError, "one shape"),
        (lambda x, y, n: pointwise.Where.bind(n, x, x), TypeError, "boolean"),
        (lambda x, y, n: x + y, RuntimeError, r"size of tensor a \(12\) must match the size of tensor b \(5\)"),
        (lambda x, y, n: n**-1, RuntimeError, "Integers to negative integer powers"),
        (lambda x, y, n: n.clamp(), RuntimeError, "At least one of"),
        (lambda x, y, n: -(x < 1), RuntimeError, "Negation, the `-` operator, on a bool tensor is not supported"),
        (lambda x, y, n: (x < 1) - (x < 1), RuntimeError, "Subtraction, the `-` operator, with two bool tensors"),
        (lambda x, y, n: x & x, NotImplementedError, "\"bitwise_and_cpu\" not implemented for 'Float'"),
    ],
)
def test_errors(call, error, message) -> None:
    """Operands that do not fit are refused, with what was given and what was expected."""
    x, n = symbols(float32, int64)
    y = Symbol(x.builder, x.builder.input("y", TensorType(float32, (5,))).node)
    with pytest.raises(error, match=message):
        call(x, y, n)


def test_integer_division_by_zero() -> None:
    """Raises, as in PyTorch; of floats it gives inf and NaN without a warning."""
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        Tensor.from_array(np.array([1, 2])) // 0
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        Tensor.from_array(np.array([1, 2])) % 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = (Tensor.from_array(np.array([1.0, -1.0, 0.0])) / 0).tolist()
    assert result[:2] == [math.inf, -math.inf]
    assert math.isnan(result[2])


def test_numpy_still_warns_the_user() -> None:
    """Evaluation leaves numpy's settings as they were, after an error too."""
    before = np.geterr()
    Tensor.from_array(np.array([0.0])).log()
    with pytest.raises(TypeError):
        pointwise.Neg.instance.evaluate(np.array([True]))
    assert np.geterr() == before


def test_error_function() -> None:
    """Against the C library: 2 units in the last place in float32 and float64, few elements and many."""
    for dtype in (np.float32, np.float64):
        values = np.concatenate([np.linspace(-7, 7, 20001), np.linspace(-1e-4, 1e-4, 101), [np.inf, -np.inf]])
        values = values.astype(dtype)
        expected = np.array([math.erf(value) for value in values.tolist()])
        assert np.abs(erf(values) - expected).max() <= 2 * np.finfo(dtype).eps
        np.testing.assert_allclose(erf(values), expected, rtol=4 * np.finfo(dtype).eps)
        np.testing.assert_array_equal(erf(values[:5]), expected[:5].astype(dtype))
        zeros = erf(np.array([0.0, -0.0] * 50, dtype))
        assert np.signbit(zeros[:2]).tolist() == [False, True]
        assert np.isnan(erf(np.full(100, np.nan, dtype))).all()


def test_operators_of_tensors() -> None:
    """Each operator and its reflected form, against numpy."""
    array = np.array([1.5, -2.0, 3.25])
    x = Tensor.from_array(array)
    for found, expected in [
        (x + 2, array + 2),
        (2 + x, 2 + array),
        (x - 2, array - 2),
        (2 - x, 2 - array),
        (x * 2, array * 2),
        (2 * x, 2 * array),
        (x / 2, array / 2),
        (2 / x, 2 / array),
        (x // 2, array // 2),
        (7 // x, 7 // array),
        (x % 2, array % 2),
        (7 % x, 7 % array),
        (x**2, array**2),
        (2**x, 2**array),
        (-x, -array),
        (abs(x), abs(array)),
        (x == 1.5, array == 1.5),
        (x.lt(1.5), array < 1.5),
        ((x > 0) & (x < 2), (array > 0) & (array < 2)),
        (~(x > 0), ~(array > 0)),
        (np.float64(2) * x, 2 * array),
    ]:
        np.testing.assert_allclose(found.numpy(), expected, rtol=1e-15)
    assert (x == None) is False  # noqa: E711
    assert len({x, x}) == 1
    assert Tensor.from_array(np.array([250], np.uint8)).add(10).dtype == uint8


def test_in_place_methods() -> None:
    """A method with an underscore writes to the tensor's own memory and returns the tensor."""
    array = np.array([1.0, -2.0, 3.0])
    x = Tensor.from_array(array)
    alias = x
    assert x.mul_(2).add_(1, alpha=3).clamp_(min=0) is alias
    x += 1
    x **= 2
    assert x is alias
    np.testing.assert_array_equal(array, [36.0, 1.0, 100.0])
    assert not hasattr(Symbol, "add_")
