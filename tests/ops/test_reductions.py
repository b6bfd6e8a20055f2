"""Reductions: type rules, simplification, and the product whose factors may be zero."""

from __future__ import annotations

import numpy as np
import pytest

from graphc.ir.graph import Builder, Symbol
from graphc.ir.integers import variable
from graphc.ir.types import TensorType, bool_, float32, int64
from graphc.ops import reductions
from graphc.ops.functions import reduction
from graphc.ops.operators import bind_operators
from graphc.ops.reductions import product_of_others
from graphc.ops.sources import number_like
from graphc.tensor import Tensor

bind_operators(Tensor)


def symbol(*shape, dtype=float32, simplify=True) -> Symbol:
    """The input of a new graph."""
    builder = Builder(simplify=simplify)
    return Symbol(builder, builder.input("x", TensorType(dtype, shape)).node)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 7, 16])
def test_product_of_others(count) -> None:
    """Each element's product of the others, zeros among them, along any dims."""
    generator = np.random.default_rng(count)
    array = generator.integers(-2, 3, (3, count, 2)).astype(float)
    found = product_of_others(Tensor.from_array(array), (1,)).numpy()
    expected = np.stack([np.delete(array, place, 1).prod(1) for place in range(count)], 1)
    np.testing.assert_array_equal(found, expected)
    both = product_of_others(Tensor.from_array(array), (0, 2)).numpy()
    for position in np.ndindex(array.shape):
        row = array[:, position[1], :].copy()
        row[position[0], position[2]] = 1
        assert both[position] == row.prod()


def test_product_of_others_for_a_symbolic_extent() -> None:
    """The rule for an extent that is not known is written with other operations; it gives the same numbers."""
    array = np.array([[2.0, 0.0, 3.0], [4.0, 5.0, 6.0]])
    expected = np.array([[0.0, 6.0, 0.0], [30.0, 24.0, 20.0]])
    np.testing.assert_array_equal(reductions._products_but_one(Tensor.from_array(array)).numpy(), expected)
    result = product_of_others(symbol(2, variable("N", 1)), (1,))
    assert str(result.node.type) == "f32[2,N]"


def test_simplification() -> None:
    """A reduction of single elements is a reshape; the extreme of a number is that number."""
    x = symbol(3, 1, 4)
    assert reductions.Amin.bind(x, dims=(1,)).node.op.name == "reshape"
    assert reductions.Sum.bind(x, dims=(1,)).node.op.name == "sum"  # -0.0 alone sums to 0.0
    assert reductions.Amax.bind(x, dims=()).node is x.node
    assert reductions.ArgMax.bind(x, dims=(1,)).node.attrs["value"] == 0
    assert reductions.Amax.bind(number_like(x, 2.5), dims=(0, 2)).node.attrs["value"] == 2.5
    assert reductions.Sum.bind(x, dims=(0,)).node.op.name == "sum"


def test_symbolic_mean() -> None:
    """The mean over a symbolic dimension divides by that dimension."""
    result = reduction.mean(symbol(variable("N", 1), 3), 0)
    assert str(result.node.type) == "f32[3]"
    divisor = result.node.inputs[1]
    assert str(divisor.attrs["value"]) == "N"


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: reduction.sum(symbol(2, 3), 2), IndexError, r"\[-2, 1\], but got 2"),
        (lambda: reduction.sum(symbol(2, 3), (0, -2)), RuntimeError, "dim 0 appears multiple times"),
        (lambda: reduction.amax(symbol(0, 3), 0), IndexError, "Expected reduction dim 0 to have non-zero size"),
        (lambda: reduction.argmax(symbol(0)), IndexError, "Specify the reduction dim"),
        (lambda: reduction.mean(symbol(3, dtype=int64)), RuntimeError, "could not infer output dtype"),
        (lambda: reductions.Any_.bind(symbol(3), dims=(0,)), TypeError, "any expects bool"),
        (lambda: reductions.Sum.bind(symbol(3, dtype=bool_), dims=(0,)), TypeError, "sum expects int or float"),
        (lambda: reductions.Sum.bind(symbol(3, 2), dims=(1, 0)), ValueError, "ascending dims"),
    ],
)
def test_errors(call, error, message) -> None:
    """Dims and dtypes that do not fit are refused with PyTorch's words or what was expected."""
    with pytest.raises(error, match=message):
        call()


def test_named_results() -> None:
    """The maximum along a dimension comes with its indices, by name and by position."""
    result = Tensor.from_array(np.array([[1.0, 5.0, 5.0], [9.0, 2.0, 9.0]])).max(dim=1)
    assert result.values.tolist() == [5.0, 9.0]
    assert result.indices.tolist() == [1, 0]
    values, _ = result
    assert values is result.values


@pytest.mark.parametrize("shape", [(200_000, 6), (3, 70_000, 4), (1000, 300)])
@pytest.mark.parametrize("transposed", [False, True])
def test_long_sums_keep_their_digits(shape: tuple[int, ...], transposed: bool) -> None:
    """The error of a float32 sum does not grow with the number of terms, along whichever dimension."""
    array = np.random.default_rng(0).uniform(0.5, 2.5, shape).astype(np.float32)
    array = array.T if transposed else array
    for dim in range(array.ndim):
        found = reductions.Sum.instance.evaluate(array, dims=(dim,))
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, array.sum(dim, np.float64), rtol=1e-6)


@pytest.mark.parametrize("name", ["max", "min"])
def test_gradient_of_an_extreme_that_is_nan(name: str) -> None:
    """That of a whole tensor goes to the elements that are NaN; along dimensions amax and amin make all NaN."""
    values = [[1.0, np.nan], [np.nan, 3.0]]
    whole = Tensor.from_array(np.array(values)).requires_grad_()
    getattr(whole, name)().backward()
    assert whole.grad.tolist() == [[0.0, 0.5], [0.5, 0.0]]
    along = Tensor.from_array(np.array(values)).requires_grad_()
    getattr(along, f"a{name}")((0, 1)).backward()
    assert np.isnan(along.grad.numpy()).all()


OF_NUMBERS = (
    *("x.max(0)[0]", "x.min(0)[0]", "x.max(0, keepdim=True)[0]", "x.cummax(0)[0]", "x.cummin(0)[0]", "x.movedim(0, 0)"),
    *("x.sum_to_size(())", "x.flip(0)", "x.median(0)[0]", "x.mode(0)[0]", "x.kthvalue(1, 0)[0]", "x.topk(1, 0)[0]"),
    *("x.sort(0)[0]", "x.amax(0)", "x.aminmax(dim=0)[1]", "x.cumsum(0)", "x.prod(0)", "x.nanmedian(0)[0]"),
)


@pytest.mark.parametrize("text", OF_NUMBERS)
def test_a_number_alone_is_followed_too(text):
    """Along the one dim that a 0-d tensor is taken to have: a new tensor with a history, and the gradient is one."""
    x = Tensor.from_array(np.array(1.5, np.float32)).requires_grad_()
    result = eval(text, {"x": x})
    assert result is not x
    assert result.grad_fn is not None
    assert result.shape == ()
    result.backward()
    assert x.grad.item() == 1.0
