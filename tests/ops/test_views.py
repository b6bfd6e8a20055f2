"""Views: rules of simplification, writing through them, sharing of memory, and errors of the shape functions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc.ir.graph import Builder, Symbol
from graphc.ir.integers import variable
from graphc.ir.types import TensorType, float32, int64
from graphc.ops.functions import matrices, padding, shaping
from graphc.ops.sources import Full, number_like
from graphc.ops.views import Alias, Detach, Expand, Flip, Permute, Reshape, Slice, SliceUpdate
from graphc.tensor import Tensor


def given(*shape: Any, builder: Builder | None = None) -> Symbol:
    """A float32 input of a graph that simplifies as it grows."""
    builder = Builder(simplify=True) if builder is None else builder
    return builder.input(f"x{len(builder.inputs)}", TensorType(float32, shape))


def tensor(*shape: int) -> Tensor:
    return Tensor.from_array(np.arange(np.prod(shape, dtype=int), dtype=np.float32).reshape(shape))


def whole(x: Symbol) -> dict[str, Any]:
    return {"starts": (0,) * x.ndim, "stops": tuple(x.shape), "steps": (1,) * x.ndim}


def test_a_view_that_changes_nothing_is_its_operand() -> None:
    """Reshape to the same shape, identity permute and expand, the whole slice, alias and two flips vanish."""
    x = given(2, 3)
    assert Reshape.bind(x, shape=(2, 3)).node is x.node
    assert Permute.bind(x, dims=(0, 1)).node is x.node
    assert Expand.bind(x, shape=(2, 3)).node is x.node
    assert Slice.bind(x, **whole(x)).node is x.node
    assert Alias.bind(x).node is x.node
    assert Flip.bind(Flip.bind(x, dims=(0, 1)), dims=(0, 1)).node is x.node
    assert Flip.bind(x, dims=()).node is x.node


def test_views_of_views_are_one_view() -> None:
    """Reshapes, permutes, expands, slices, and flips of their own kind are merged."""
    x = given(2, 3, 4)
    twice = Reshape.bind(Reshape.bind(x, shape=(6, 4)), shape=(3, 8))
    assert twice.node.inputs == (x.node,)
    turned = Permute.bind(Permute.bind(x, dims=(2, 0, 1)), dims=(1, 2, 0))
    assert turned.node is x.node
    grown = Expand.bind(Expand.bind(given(1, 1), shape=(2, 1)), shape=(2, 5))
    assert grown.node.inputs[0].is_input
    flipped = Flip.bind(Flip.bind(x, dims=(0, 1)), dims=(1, 2))
    assert flipped.node.attrs["dims"] == (0, 2)


@pytest.mark.parametrize("inner", [slice(1, 17, 3), slice(0, 20, 1), slice(2, 3, 1), slice(5, 5, 1)])
@pytest.mark.parametrize("outer", [slice(0, 5, 2), slice(1, 4, 1), slice(0, 1, 1), slice(0, 0, 1)])
def test_a_slice_of_a_slice_selects_the_same(inner: slice, outer: slice) -> None:
    """The merged slice has numpy's result for both in turn."""
    values = np.arange(20.0, dtype=np.float32)
    x = given(20)

    def sliced(value: Any, part: slice, extent: int) -> Any:
        start, stop, step = part.indices(extent)
        return Slice.bind(value, starts=(start,), stops=(max(start, stop),), steps=(step,))

    first = sliced(x, inner, 20)
    result = sliced(first, outer, first.shape[0])
    found = values if result.node is x.node else result.node.op.evaluate(values, **result.node.attrs)
    assert result.node is x.node or result.node.inputs == (x.node,)
    np.testing.assert_array_equal(found, values[inner][outer])


def test_a_view_of_a_number_is_the_number() -> None:
    """Any view of a full is a full of the view's shape."""
    x = number_like(given(1, 6), 2.5, shape=(1, 6))
    for made in (
        Reshape.bind(x, shape=(2, 3)),
        Permute.bind(x, dims=(1, 0)),
        Expand.bind(x, shape=(4, 6)),
        Slice.bind(x, starts=(0, 1), stops=(1, 5), steps=(1, 2)),
        Flip.bind(x, dims=(1,)),
    ):
        assert made.node.op is Full.instance
        assert made.node.attrs["value"] == 2.5


def test_detach_stays_in_a_graph() -> None:
    """A graph may still be differentiated, so detach is not simplified away."""
    assert Detach.bind(given(2)).node.op is Detach.instance


def test_slice_update_simplifies_only_where_it_covers_all_or_nothing() -> None:
    """A write of everything is the update, a write of nothing is the base, any other stays."""
    builder = Builder(simplify=True)
    base, update = given(3, 2, builder=builder), given(3, 2, builder=builder)
    nothing, row = given(0, 2, builder=builder), given(1, 2, builder=builder)
    assert SliceUpdate.bind(base, update, **whole(base)).node is update.node
    none = SliceUpdate.bind(base, nothing, starts=(1, 0), stops=(1, 2), steps=(1, 1))
    assert none.node is base.node
    assert SliceUpdate.bind(base, row, starts=(1, 0), stops=(2, 2), steps=(1, 1)).node.op is SliceUpdate.instance


def test_reshape_maps_runs_of_dims_independently() -> None:
    """A symbolic batch in front takes no part in the index map of what is behind it."""
    x = TensorType(float32, (variable("N", 1), 4, 6))
    output = TensorType(float32, (variable("N", 1), 24))
    sample, place = variable("i0"), variable("i1", 0, 23)
    mapped = Reshape.instance.source_index((sample, place), x, output)
    assert mapped == (sample, place // 6, place % 6)


VIEWS = {
    "reshape": lambda x: x.reshape(4, 6),
    "permute": lambda x: x.permute(2, 0, 1),
    "transpose": lambda x: x.transpose(0, 2),
    "slice": lambda x: x[:, 1:3, ::2],
    "select": lambda x: x[1, :, -1],
    "alias": lambda x: x[...],
    "detach": lambda x: x.detach(),
    "squeeze": lambda x: x.unsqueeze(1).squeeze(1),
    "expand of the same size": lambda x: x.expand(2, 3, 4),
    "chain": lambda x: x.permute(2, 0, 1)[1:3].reshape(2, 2, 3)[:, 0],
}


@pytest.mark.parametrize("name", VIEWS)
def test_writing_through_a_view_writes_to_the_base(name: str) -> None:
    """In eager mode the memory is shared; the gradient of a write is that of the rewritten base."""
    x, reference = tensor(2, 3, 4), np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    VIEWS[name](x).mul_(10.0)
    marked = VIEWS[name](tensor(2, 3, 4)).numpy()
    expected = np.where(np.isin(reference, marked), reference * 10, reference)
    np.testing.assert_array_equal(x.numpy(), expected)


@pytest.mark.parametrize("name", [name for name in VIEWS if name != "detach"])
def test_the_gradient_follows_a_write_through_a_view(name: str) -> None:
    """d(sum of the base)/d(x) is 10 where the view was scaled by 10, and 1 elsewhere."""
    x = tensor(2, 3, 4).requires_grad_()
    base = x * 1.0
    VIEWS[name](base).mul_(10.0)
    base.sum().backward()
    marked = VIEWS[name](tensor(2, 3, 4)).numpy()
    expected = np.where(np.isin(np.arange(24).reshape(2, 3, 4), marked), 10.0, 1.0)
    np.testing.assert_array_equal(x.grad.numpy(), expected)


def test_writing_through_a_stretched_view_is_refused() -> None:
    """Several elements in one place of memory: PyTorch's error, and nothing is written."""
    x = tensor(3, 1)
    with pytest.raises(RuntimeError, match="more than one element of the written-to tensor"):
        x.expand(3, 4).add_(1.0)
    np.testing.assert_array_equal(x.numpy(), [[0], [1], [2]])
    with pytest.raises(RuntimeError, match="more than one element of the written-to tensor"):
        Expand.instance.write_back(x, tensor(3, 4), shape=(3, 4))


def test_flip_and_repeat_copy() -> None:
    """As in PyTorch, a write to their result does not reach the operand."""
    x = tensor(2, 3)
    for made in (x.flip(0), x.flip(()), x.repeat(1, 1), x.repeat(2, 1, 1), x.tile(3, 1, 1), x.roll(0, 0), x.roll(1)):
        made.zero_()
    np.testing.assert_array_equal(x.numpy(), np.arange(6).reshape(2, 3))


def test_view_refuses_to_copy() -> None:
    """Where strides do not allow a view, reshape copies and view raises."""
    x = tensor(2, 3).t()
    assert x.reshape(6).tolist() == [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]
    with pytest.raises(RuntimeError, match="view size is not compatible with input tensor's size and stride"):
        x.view(6)


@pytest.mark.parametrize(
    ("primitive", "attrs", "words"),
    [
        (Reshape, {"shape": (5,)}, "expected a shape of 6 elements"),
        (Permute, {"dims": (0, 0)}, "each of the dims"),
        (Expand, {"shape": (2, 4)}, "other sizes only where 1 is"),
        (Slice, {"starts": (0, 0), "stops": (2, 4), "steps": (1, 1)}, "0 <= start <= stop <= extent"),
        (Slice, {"starts": (0,), "stops": (2,), "steps": (1,)}, "expected 2 of each"),
        (Slice, {"starts": (0, 0), "stops": (2, 3), "steps": (0, 1)}, "steps of at least 1"),
        (Flip, {"dims": (2,)}, "distinct dims within"),
    ],
)
def test_type_rules_say_what_was_given_and_expected(primitive: Any, attrs: dict[str, Any], words: str) -> None:
    """The message holds the operand's type and the rule that it broke."""
    with pytest.raises(ValueError, match=words) as error:
        primitive.bind(given(2, 3), **attrs)
    assert primitive.name in str(error.value)


@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        (lambda x: x.reshape(4, 2), RuntimeError, r"shape '\[4, 2\]' is invalid for input of size 6"),
        (lambda x: x.reshape(-1, -1), RuntimeError, "only one dimension can be inferred"),
        (lambda x: x.permute(0, 0), RuntimeError, "duplicate dims are not allowed"),
        (lambda x: x.transpose(0, 2), IndexError, r"Dimension out of range \(expected to be in range of \[-2, 1\]"),
        (lambda x: x.expand(2, 4), RuntimeError, r"The expanded size of the tensor \(4\) must match"),
        (lambda x: gc.cat([x, tensor(3, 2)]), RuntimeError, "Expected size 3 but got size 2 for tensor number 1"),
        (lambda x: gc.cat([]), ValueError, "expected a non-empty list of Tensors"),
        (lambda x: gc.stack([x, tensor(3, 2)]), RuntimeError, "stack expects each tensor to be equal size"),
        (lambda x: x.split([1, 2]), RuntimeError, "split_with_sizes expects split_sizes to sum exactly to 2"),
        (lambda x: x.narrow(0, 1, 2), RuntimeError, r"start \(1\) \+ length \(2\) exceeds dimension size \(2\)"),
        (lambda x: x.select(0, 2), IndexError, r"select\(\): index 2 out of range for tensor of size \[2, 3\]"),
        (lambda x: padding.pad(x, (1,)), RuntimeError, "Padding length must be divisible by 2"),
        (lambda x: padding.pad(x, (3, 0), mode="reflect"), RuntimeError, "Padding size should be less than"),
        (lambda x: x.flatten(1, 0), RuntimeError, "start_dim cannot come after end_dim"),
        (lambda x: x.repeat(2), RuntimeError, "Number of dimensions of repeat dims can not be smaller"),
    ],
)
def test_functions_raise_pytorch_errors(call: Any, kind: type[Exception], words: str) -> None:
    """Class and first words are PyTorch's."""
    with pytest.raises(kind, match=words):
        call(tensor(2, 3))


def test_functions_work_on_a_symbolic_batch() -> None:
    """Sizes with symbols pass through: -1 is what is left, products and sums are polynomials."""
    builder = Builder(simplify=True)
    batch, time = variable("N", 1), variable("T", 1)
    x = given(batch, time, 6, builder=builder)
    assert shaping.reshape(x, -1, 6).shape == (batch * time, 6)
    assert shaping.reshape(shaping.reshape(x, -1, 6), batch, -1, 6).node is x.node
    assert shaping.flatten(x).shape == (6 * batch * time,)
    assert shaping.cat([x, x], 0).shape == (2 * batch, time, 6)
    assert [part.shape for part in shaping.split(x, 4, -1)] == [(batch, time, 4), (batch, time, 2)]
    assert matrices.tril(x, 1).shape == (batch, time, 6)
    assert shaping.transpose(x, 0, 1).dtype == float32
    assert builder.input("index", TensorType(int64, (batch,))).shape == (batch,)


def test_bits_in_another_dtype_are_the_same_memory() -> None:
    """A write through them is seen; sizes, strides, and ranks that do not fit are refused with PyTorch's words."""
    x = gc.zeros(2, 4)
    bits = x.view(gc.int32)
    bits[0, 1] = 0x3F800000
    assert x.tolist() == [[0, 1, 0, 0], [0, 0, 0, 0]]
    assert x.view(gc.int16).shape == (2, 8)
    assert x.view(gc.float64).shape == (2, 2)
    for call, words in (
        (lambda: gc.ones(()).view(gc.int16), r"self.dim\(\) cannot be 0 to view Float as Short"),
        (lambda: gc.ones(3).view(gc.float64), "self.size\\(-1\\) must be divisible by 2 to view Float as Double"),
        (lambda: x.t().view(gc.int16), "self.stride\\(-1\\) must be 1 to view Float as Short"),
    ):
        with pytest.raises(RuntimeError, match=words):
            call()
