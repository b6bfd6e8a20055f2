"""From what a user passes to what the IR accepts: operands of one dtype and one shape, and normalised dimensions.

A value is anything with ``apply``, ``shape``, ``ndim``, and ``dtype``: a Tensor or a graph's Symbol.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from graphc.ir.integers import Dimension
from graphc.ir.primitive import Primitive
from graphc.ir.types import DType, bool_
from graphc.ops.pointwise import Cast, Ne
from graphc.ops.promotion import result_type
from graphc.ops.sources import number_like
from graphc.ops.views import Expand, Reshape

Shape = tuple[Dimension, ...]
_NOTHING: dict[str, Any] = {}
_NUMBERS = (float, int)


def is_value(operand: Any) -> bool:
    """Whether an operand is a tensor or a symbol, not a number."""
    return hasattr(operand, "apply")


def require_value(function: str, operand: Any) -> None:
    """Raises TypeError unless the operand is a tensor."""
    if not is_value(operand):
        raise TypeError(f"{function}(): argument 'input' must be Tensor, not {type(operand).__name__}")


def cast(value: Any, dtype: DType) -> Any:
    """The value in that dtype; itself where it has it."""
    return value if value.dtype is dtype or value.dtype == dtype else Cast.bind(value, dtype=dtype)


def truth(value: Any) -> Any:
    """Whether each element differs from zero, as bool."""
    return value if value.dtype == bool_ else Ne.bind(value, number_like(value, 0))


def broadcast_shapes(*shapes: Sequence[Dimension]) -> Shape:
    """The shape that shapes have in common, ones and missing leading dimensions stretched.

    Raises RuntimeError, with PyTorch's words, where two sizes differ and neither is 1.
    """
    result: list[Dimension] = []
    for shape in shapes:
        if len(shape) > len(result):
            result = [1] * (len(shape) - len(result)) + result
        offset = len(result) - len(shape)
        for position, extent in enumerate(shape, offset):
            known = result[position]
            if known == extent or extent == 1:
                continue
            if known != 1:
                raise RuntimeError(
                    f"The size of tensor a ({known}) must match the size of tensor b ({extent}) at non-singleton "
                    f"dimension {position}"
                )
            result[position] = extent
    return tuple(result)


def expand(value: Any, shape: Shape) -> Any:
    """The value stretched to a shape that it broadcasts to; itself where it has that shape."""
    if value.shape == shape:
        return value
    if len(value.shape) < len(shape):
        value = Reshape.bind(value, shape=(1,) * (len(shape) - len(value.shape)) + tuple(value.shape))
        if value.shape == shape:
            return value
    return Expand.bind(value, shape=tuple(shape))


def common_shape(values: Sequence[Any]) -> Shape:
    """The shape that values broadcast to. Raises RuntimeError where they do not."""
    shape = values[0].shape
    if all(other.shape == shape for other in values[1:]):
        return shape
    return broadcast_shapes(*(value.shape for value in values))


def prepare(*operands: Any, dtype: DType | None = None) -> list[Any]:
    """Tensors and numbers as values of one shape and one dtype (by default the one they promote to).

    At least one must be a tensor. Raises TypeError for what is neither, RuntimeError where shapes do not broadcast.
    """
    dtype = result_type(*operands) if dtype is None else dtype
    values = [operand for operand in operands if is_value(operand)]
    if not values:
        raise TypeError(f"expected a tensor among the operands, got {', '.join(type(o).__name__ for o in operands)}")
    reference, shape = values[0], common_shape(values)
    return [
        expand(cast(operand, dtype), shape)
        if is_value(operand)
        else number_like(reference, operand, shape=shape, dtype=dtype)
        for operand in operands
    ]


def _holds(category: str, number: float | int) -> bool:
    return category == "float" or (category == "int" and type(number) is int)


def apply_binary(primitive: Primitive, x: Any, y: Any) -> Any:
    """A primitive of two operands applied to tensors or numbers, promoted and broadcast."""
    if type(y) in _NUMBERS:
        # The common case: a number that does not lift the category of the tensor.
        if is_value(x) and _holds(x.dtype.category, y):
            return x.apply(primitive, (x, number_like(x, y)), _NOTHING)
    elif type(x) in _NUMBERS:
        if is_value(y) and _holds(y.dtype.category, x):
            return y.apply(primitive, (number_like(y, x), y), _NOTHING)
    elif is_value(x) and is_value(y) and x.dtype is y.dtype and x.shape == y.shape:
        return x.apply(primitive, (x, y), _NOTHING)
    x, y = prepare(x, y)
    return x.apply(primitive, (x, y), _NOTHING)


def normalize_dim(dim: int, rank: int) -> int:
    """A dimension counted from the front. Raises IndexError with PyTorch's words; a 0-d value has dimension 0."""
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
    if dim is None or (not isinstance(dim, int) and len(dim) == 0):
        return tuple(range(rank))
    if isinstance(dim, int):
        dims = (normalize_dim(dim, rank),)
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
