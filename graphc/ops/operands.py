"""From what a user passes to what the IR accepts: operands of one dtype and one shape, and normalised dimensions.

A value is anything with ``apply``, ``shape``, ``ndim``, and ``dtype``: a Tensor or a graph's Symbol.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from graphc.ir.integers import Dimension
from graphc.ir.primitive import Primitive
from graphc.ir.types import DType, bool_, float32
from graphc.ops.composites import Composite
from graphc.ops.half_precision import as_single
from graphc.ops.pointwise import Cast, Ne
from graphc.ops.promotion import result_type
from graphc.ops.reductions import Sum
from graphc.ops.sources import as_operand, number_like
from graphc.ops.views import Expand, Reshape
from graphc.recording import state
from graphc.sizes import stretches

Shape = tuple[Dimension, ...]
_NOTHING: dict[str, Any] = {}
_NUMBERS = (float, int)
# Numbers as operands, kept since programs compute with few different ones.
_constants: dict[Any, Any] = {}
_MOST_CONSTANTS = 1024


def is_value(operand: Any) -> bool:
    """Whether an operand is a tensor or a symbol, not a number."""
    return hasattr(operand, "apply")


def require_value(function: str, operand: Any) -> None:
    """Raises TypeError unless the operand is a tensor."""
    if not is_value(operand):
        raise TypeError(f"{function}(): argument 'input' (position 1) must be Tensor, not {type(operand).__name__}")


def cast(value: Any, dtype: DType) -> Any:
    """The value in that dtype; itself where it has it."""
    return value if value.dtype is dtype or value.dtype == dtype else Cast.bind(value, dtype=dtype)


def truth(value: Any) -> Any:
    """Whether each element differs from zero, as bool."""
    return value if value.dtype == bool_ else Ne.bind(value, number_like(value, 0))


@stretches
def broadcast_shapes(*shapes: Sequence[Dimension]) -> Shape:
    """The shape that shapes have in common, ones and missing leading dimensions stretched.

    Raises RuntimeError, with PyTorch's words, where two sizes differ and neither is 1.
    """
    result: list[Dimension] = []
    for shape in shapes:
        if len(shape) > len(result):
            result = [1] * (len(shape) - len(result)) + result
        offset = len(result) - len(shape)
        for position in range(len(result) - 1, offset - 1, -1):  # PyTorch names the last dim that does not fit
            extent, known = shape[position - offset], result[position]
            if known == extent or extent == 1:
                continue
            if known != 1:
                raise RuntimeError(
                    f"The size of tensor a ({known}) must match the size of tensor b ({extent}) at non-singleton "
                    f"dimension {position}"
                )
            result[position] = extent
    return tuple(result)


@stretches
def _same(shape: Shape, other: Shape) -> bool:
    """Whether shapes are equal. Of shapes of another rank no sizes are compared, which may be equal by chance."""
    return len(shape) == len(other) and shape == other


@stretches
def expand(value: Any, shape: Shape) -> Any:
    """The value stretched to a shape that it broadcasts to; itself where it has that shape."""
    if _same(value.shape, shape):
        return value
    if len(value.shape) < len(shape):
        value = Reshape.bind(value, shape=(1,) * (len(shape) - len(value.shape)) + tuple(value.shape))
        if value.shape == shape:
            return value
    return Expand.bind(value, shape=tuple(shape))


@stretches
def common_shape(values: Sequence[Any]) -> Shape:
    """The shape that values broadcast to. Raises RuntimeError where they do not."""
    shape = values[0].shape
    if all(_same(other.shape, shape) for other in values[1:]):
        return shape
    return broadcast_shapes(*(value.shape for value in values))


def prepare(*operands: Any, dtype: DType | None = None) -> list[Any]:
    """Tensors and numbers as operands of a pointwise primitive: of one dtype (by default the one they promote to), and
    of one shape but where the primitive broadcasts them itself.

    At least one must be a tensor. Raises TypeError for what is neither, RuntimeError where shapes do not broadcast.
    """
    dtype = result_type(*operands) if dtype is None else dtype
    values = [operand for operand in operands if is_value(operand)]
    if not values:
        raise TypeError(f"expected a tensor among the operands, got {', '.join(type(o).__name__ for o in operands)}")
    reference = values[0]
    if broadcasts_itself(reference):
        common_shape(values)
        return [
            cast(o, dtype) if is_value(o) else number_like(reference, as_operand(o, dtype), shape=(), dtype=dtype)
            for o in operands
        ]
    shape = common_shape(values)
    return [
        expand(cast(operand, dtype), shape)
        if is_value(operand)
        else number_like(reference, as_operand(operand, dtype), shape=shape, dtype=dtype)
        for operand in operands
    ]


def _holds(dtype: DType, number: float | int) -> bool:
    return dtype.is_differentiable or (dtype.is_integer and type(number) is int)


def number_operand(value: Any, number: float | int) -> Any:
    """A number as an operand beside a value: of its dtype, and of its shape where broadcasts are explicit."""
    if state.recorder is not None or not value.is_eager:
        return number_like(value, as_operand(number, value.dtype))
    key = (number, type(number), value.dtype.name, math.copysign(1.0, number) if number == 0 else 0.0)
    constant = _constants.get(key)
    if constant is None:
        if len(_constants) >= _MOST_CONSTANTS:
            _constants.clear()
        constant = _constants[key] = number_like(value, as_operand(number, value.dtype), shape=())
        constant._restriction = None  # it outlives the mode that it was first made in
    return constant


def broadcasts_itself(value: Any) -> bool:
    """Whether pointwise primitives take operands beside this value as they are: a tensor that runs without being
    recorded. Its tape sums the cotangents of operands that were stretched."""
    return value.is_eager and state.recorder is None


@stretches
def apply_binary(primitive: Primitive, x: Any, y: Any) -> Any:
    """A primitive of two operands applied to tensors or numbers, promoted and broadcast."""
    kind = type(y)
    if kind is type(x) and x.is_eager and x.dtype is y.dtype and state.recorder is None:
        return x.apply_pair(primitive, y)  # the common case of eager programs
    if kind in _NUMBERS:
        # The common case: a number that does not lift the category of the tensor.
        if is_value(x) and _holds(x.dtype, y):
            if x.dtype.is_half and primitive.exact_numbers:
                return cast(apply_binary(primitive, as_single(x), y), x.dtype)
            return x.apply(primitive, (x, number_operand(x, y)), _NOTHING)
    elif type(x) in _NUMBERS:
        if is_value(y) and _holds(y.dtype, x):
            if y.dtype.is_half and primitive.exact_numbers:
                return cast(apply_binary(primitive, x, as_single(y)), y.dtype)
            return y.apply(primitive, (number_operand(y, x), y), _NOTHING)
    elif is_value(x) and is_value(y) and x.dtype is y.dtype and (broadcasts_itself(x) or _same(x.shape, y.shape)):
        return x.apply(primitive, (x, y), _NOTHING)
    dtype = result_type(x, y)
    if dtype.is_half and primitive.exact_numbers and _is_number(x, dtype) != _is_number(y, dtype):
        # A 0-d tensor of another dtype is a number too.
        return cast(apply_binary(primitive, *prepare(x, y, dtype=float32)), dtype)
    x, y = prepare(x, y, dtype=dtype)
    return x.apply(primitive, (x, y), _NOTHING)


def _is_number(operand: Any, half: DType) -> bool:
    return not is_value(operand) or (operand.ndim == 0 and operand.dtype is not half)


def sum_to_shape(value: Any, shape: Shape) -> Any:
    """A value of a shape that ``shape`` broadcasts to, summed over what is stretched; other values as they are."""
    return SumToShape.bind(value, shape=shape) if value.ndim >= len(shape) else value


@stretches
def _stretched_dims(given: Shape, shape: Shape) -> tuple[int, ...]:
    missing = len(given) - len(shape)
    return tuple(
        [dim for dim, extent in enumerate(given) if dim < missing or (shape[dim - missing] == 1 and extent != 1)]
    )


class SumToShape(Composite):
    """A value summed over the dimensions to which ``shape`` is stretched in it."""

    name, differentiable = "sum_to_shape", False

    @stretches
    def decompose(self, value: Any, *, shape: Shape) -> Any:
        dims = _stretched_dims(tuple(value.shape), shape)
        summed = Sum.bind(value, dims=dims) if dims else value
        return summed if tuple(summed.shape) == shape else Reshape.bind(summed, shape=shape)

    def evaluate(self, value: np.ndarray, *, shape: tuple[int, ...]) -> np.ndarray:
        dims = _stretched_dims(value.shape, shape)
        return Sum.instance.evaluate(value, dims=dims).reshape(shape) if dims else value.reshape(shape).copy()


def normalize_dim(dim: int, rank: int) -> int:
    """A dimension counted from the front. Raises IndexError with PyTorch's words; a 0-d value has dimension 0."""
    if type(dim) is int and -rank <= dim < rank:
        return dim % rank
    extent = max(rank, 1)
    if not -extent <= dim < extent:
        raise IndexError(
            f"Dimension out of range (expected to be in range of [{-extent}, {extent - 1}], but got {dim})"
        )
    return dim % extent


def normalize_dims(dim: int | Sequence[int] | None, rank: int) -> tuple[int, ...]:
    """The dimensions of a reduction, ascending: all for None or an empty sequence.

    Raises IndexError for one out of range, RuntimeError for one named twice.
    """
    if dim is None:
        return tuple(range(rank))
    if type(dim) is int and -rank <= dim < rank:
        return (dim % rank,)
    one = hasattr(dim, "__index__")
    if not one and len(dim) == 0:
        return tuple(range(rank))
    if one:
        dims = (normalize_dim(operator.index(dim), rank),)
    else:
        dims = tuple(sorted(normalize_dim(int(each), rank) for each in dim))
        for first, second in pairwise(dims):
            if first == second:
                raise RuntimeError(f"dim {first} appears multiple times in the list of dims")
    return dims if rank else ()


def keep_dims(value: Any, shape: Sequence[Dimension], dims: tuple[int, ...]) -> Any:
    """A reduced value with the reduced dimensions kept as ones."""
    if not dims:
        return value
    return Reshape.bind(value, shape=tuple(1 if dim in dims else extent for dim, extent in enumerate(shape)))
