"""Gathers: elements read at computed indices, or chosen between operands by the index.

Every index that a primitive reads lies in ``0 <= i < extent``. Negative indices are wrapped by the front end where
PyTorch wraps them (``x[index]``), and are errors where they are errors there (gather, index_select, embedding).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphc.ir.integers import Dimension, Integer
from graphc.ir.primitive import Attributes, Gather, Indexed, register
from graphc.ir.scalars import Constant, Index, Operand, Scalar, as_index, both, choose, within
from graphc.ir.types import TensorType
from graphc.ops import scatters, views
from graphc.ops.sources import Full, Number, as_number, number_like

Shape = tuple[Dimension, ...]


def first_outside(index: np.ndarray, extent: int) -> int | None:
    """The first index, in row-major order, that does not lie in ``0 <= i < extent``; None where all do."""
    if not index.size:
        return None
    # Seen as unsigned, a negative index is a great one: a single comparison finds both.
    unsigned = index if index.dtype.kind == "u" else index.view(f"u{index.dtype.itemsize}")
    if unsigned.max() < extent:
        return None
    return int(index[(index < 0) | (index >= extent)].flat[0])


def require_inside(primitive: Indexed, index: np.ndarray, extent: int, **attrs: Any) -> None:
    """Raise the primitive's error for the first index that is out of bounds."""
    outside = first_outside(index, extent)
    if outside is not None:
        raise primitive.index_error(outside, extent, **attrs)


def out_of_bounds(index: int, extent: int, dim: int) -> str:
    """PyTorch's words for an index into one dimension."""
    return f"index {index} is out of bounds for dimension {dim} with size {extent}"


def require_index_type(name: str, index: TensorType) -> None:
    """Raise TypeError for an index that is not an integer tensor."""
    if index.dtype.category != "int":
        raise TypeError(f"{name} expects integers as index, got {index}")


@register
class Pad(Gather):
    """A border of a constant around the operand; a negative width cuts off instead."""

    by_rows = always_by_rows = True
    name = "pad"
    saves_inputs = ()

    def infer(self, x: TensorType, *, low: Shape, high: Shape, value: Number) -> TensorType:
        if not len(low) == len(high) == x.rank:
            raise ValueError(f"pad of {x} expects {x.rank} widths on each side, got low={low}, high={high}")
        shape = tuple(before + extent + after for before, extent, after in zip(low, x.shape, high, strict=True))
        if any(isinstance(extent, int) and extent < 0 for extent in shape):
            raise ValueError(f"pad of {x} with low={low}, high={high} would have the negative shape {shape}")
        return TensorType(x.dtype, shape)

    def evaluate(self, x: np.ndarray, *, low: tuple[int, ...], high: tuple[int, ...], value: Number) -> np.ndarray:
        shape = tuple(before + extent + after for before, extent, after in zip(low, x.shape, high, strict=True))
        if any(extent < 0 for extent in shape):
            raise ValueError(f"pad of shape {x.shape} with low={low}, high={high}")
        result = np.full(shape, value, x.dtype)
        into, taken = [], []
        for before, extent, size in zip(low, x.shape, shape, strict=True):
            first, last = max(before, 0), max(min(before + extent, size), 0)
            into.append(slice(first, last))
            taken.append(slice(first - before, max(last - before, 0)))
        if all(part.stop > part.start for part in into):
            result[(*into, ...)] = x[(*taken, ...)]
        return result

    def element(
        self, index: Index, operands: Sequence[Operand], types: Sequence[TensorType], output: TensorType, **attrs: Any
    ) -> Scalar:
        places = tuple(position - before for position, before in zip(index, attrs["low"], strict=True))
        inside = both(*(within(place, 0, extent) for place, extent in zip(places, types[0].shape, strict=True)))
        border = Constant(as_number(attrs["value"], output.dtype), output.dtype)
        return choose(inside, operands[0](*places), border)

    def among_zeros(self, types: Sequence[TensorType], **attrs: Any) -> tuple[int, int] | None:
        widths = list(zip(attrs["low"], attrs["high"], strict=True))
        wide = [dim for dim, pair in enumerate(widths) if pair != (0, 0)]
        if len(wide) != 1 or repr(as_number(attrs["value"], types[0].dtype)) not in ("0", "0.0"):
            return None
        (dim,) = wide
        low, high = widths[dim]
        known = isinstance(low, int) and isinstance(high, int) and isinstance(types[0].shape[dim], int)
        return (dim, low) if known and low >= 0 and high >= 0 else None

    def vjp(self, cotangent: Any, output: Any, x: Any, *, low: Shape, high: Shape, value: Number) -> tuple[Any, ...]:
        if all(isinstance(width, int) and width >= 0 for width in (*low, *high)):
            stops = tuple(before + extent for before, extent in zip(low, x.shape, strict=True))
            return (views.Slice.bind(cotangent, starts=tuple(low), stops=stops, steps=(1,) * len(stops)),)
        cut_low, cut_high = tuple(-width for width in low), tuple(-width for width in high)
        return (Pad.bind(cotangent, low=cut_low, high=cut_high, value=0.0),)

    def simplify(self, inputs: Sequence[Any], attrs: Attributes, output_type: TensorType) -> Any | None:
        (x,) = inputs
        if all(width == 0 for width in (*attrs["low"], *attrs["high"])):
            return x
        if x.node.op is Full.instance:
            value = as_number(attrs["value"], x.dtype)
            if repr(value) == repr(x.node.attrs["value"]):  # the text tells -0.0 from 0.0
                return number_like(x, value, shape=output_type.shape)
        return None


@register
class Cat(Gather):
    """Operands one after the other along ``dim``; the other extents are equal."""

    by_rows = True
    name = "cat"
    saves_inputs = ()

    def infer(self, *types: TensorType, dim: int) -> TensorType:
        first = types[0]
        if not 0 <= dim < first.rank:
            raise ValueError(f"cat along dim {dim} of {first}: expected a dim within 0..{first.rank - 1}")
        for type in types:
            others = type.shape[:dim] + type.shape[dim + 1 :]
            if type.dtype != first.dtype or others != first.shape[:dim] + first.shape[dim + 1 :]:
                given = ", ".join(map(str, types))
                raise ValueError(f"cat of {given} along dim {dim}: expected one dtype and equal extents elsewhere")
        total = sum((type.shape[dim] for type in types[1:]), first.shape[dim])
        return TensorType(first.dtype, (*first.shape[:dim], total, *first.shape[dim + 1 :]))

    def evaluate(self, *arrays: np.ndarray, dim: int) -> np.ndarray:
        return np.concatenate(arrays, axis=dim)

    def element(
        self, index: Index, operands: Sequence[Operand], types: Sequence[TensorType], output: TensorType, **attrs: Any
    ) -> Scalar:
        dim = attrs["dim"]
        parts: list[tuple[Integer, Integer, Operand]] = []
        offset: Integer = 0
        for operand, type in zip(operands, types, strict=True):
            if type.shape[dim] != 0:
                parts.append((offset, offset + type.shape[dim], operand))
            offset = offset + type.shape[dim]

        def part(start: Integer, operand: Operand) -> Scalar:
            return operand(*index[:dim], index[dim] - start, *index[dim + 1 :])

        if not parts:
            return operands[0](*index)
        start, _, operand = parts[-1]
        result = part(start, operand)
        for start, stop, operand in reversed(parts[:-1]):
            result = choose(within(index[dim], start, stop), part(start, operand), result)
        return result

    def starts(self, types: Sequence[TensorType], **attrs: Any) -> tuple[Index, ...]:
        dim, offset, found = attrs["dim"], 0, []
        for type in types:
            found.append((0,) * dim + (offset,) + (0,) * (type.rank - dim - 1))
            offset = offset + type.shape[dim]
        return tuple(found)

    def vjp(self, cotangent: Any, output: Any, *inputs: Any, dim: int) -> tuple[Any, ...]:
        def part(start: Dimension, stop: Dimension) -> Any:
            starts, stops = [0] * len(cotangent.shape), list(cotangent.shape)
            starts[dim], stops[dim] = start, stop
            return views.Slice.bind(
                cotangent, starts=tuple(starts), stops=tuple(stops), steps=(1,) * len(cotangent.shape)
            )

        parts: list[Any] = []
        offset: Dimension = 0
        for x in inputs:
            following = offset + x.shape[dim]
            parts.append(lambda start=offset, stop=following: part(start, stop))
            offset = following
        return tuple(parts)

    def simplify(self, inputs: Sequence[Any], attrs: Attributes, output_type: TensorType) -> Any | None:
        filled = [x for x in inputs if x.shape[attrs["dim"]] != 0]
        if len(inputs) == 1 or not filled:
            return inputs[0]
        return Cat.bind(*filled, dim=attrs["dim"]) if len(filled) < len(inputs) else None


@register
class GatherAlong(Gather):
    """``result[i, j, k] = x[i, index[i, j, k], k]`` for ``dim`` 1: PyTorch's gather."""

    by_rows = True
    name = "gather"
    saves_inputs = (1,)
    cost = 2.0

    def infer(self, x: TensorType, index: TensorType, *, dim: int) -> TensorType:
        require_index_type("gather", index)
        fits = x.rank == index.rank and 0 <= dim < x.rank
        for position, (extent, size) in enumerate(zip(index.shape, x.shape, strict=False)):
            if position != dim and isinstance(extent, int) and isinstance(size, int) and extent > size:
                fits = False
        if not fits:
            raise ValueError(
                f"gather of {x} with index {index} along dim {dim}: expected an index of the same rank, no larger than "
                "the operand in the other dimensions"
            )
        return TensorType(x.dtype, index.shape)

    def evaluate(self, x: np.ndarray, index: np.ndarray, *, dim: int) -> np.ndarray:
        if x.ndim != index.ndim:
            raise ValueError(f"gather of rank {x.ndim} with an index of rank {index.ndim}")
        require_inside(self, index, x.shape[dim], dim=dim)
        if dim == x.ndim - 1 and index.size and index.shape[:-1] == x.shape[:-1]:
            # Each row's places in all elements: what numpy's function does takes it four times as long.
            begins = np.arange(0, x.size, x.shape[dim]).reshape(*x.shape[:-1], 1)
            return x.reshape(-1).take(index + begins)
        corner = tuple(slice(None) if position == dim else slice(extent) for position, extent in enumerate(index.shape))
        return np.take_along_axis(x[corner], index.astype(np.int64, copy=False), dim)

    def element(
        self, index: Index, operands: Sequence[Operand], types: Sequence[TensorType], output: TensorType, **attrs: Any
    ) -> Scalar:
        dim = attrs["dim"]
        place = as_index(operands[1](*index), types[0].shape[dim])
        return operands[0](*index[:dim], place, *index[dim + 1 :])

    def checked_indices(self, types: Sequence[TensorType], **attrs: Any) -> tuple[tuple[int, Dimension], ...]:
        return ((1, types[0].shape[attrs["dim"]]),)

    def index_error(self, index: int, bound: int, *, dim: int, **attrs: Any) -> Exception:
        return RuntimeError(out_of_bounds(index, bound, dim))

    def vjp(self, cotangent: Any, output: Any, x: Any, index: Any, *, dim: int) -> tuple[Any, ...]:
        zeros = number_like(cotangent, 0, shape=tuple(x.shape))
        return scatters.ScatterAdd.bind(zeros, index, cotangent, dim=dim), None


@register
class IndexSelect(Gather):
    """Places of one dimension selected by an index of any rank, whose dimensions stand in the place of ``dim``."""

    by_rows = always_by_rows = True
    name = "index_select"
    saves_inputs = (1,)
    cost = 2.0

    def infer(self, x: TensorType, index: TensorType, *, dim: int) -> TensorType:
        require_index_type("index_select", index)
        if not 0 <= dim < x.rank:
            raise ValueError(f"index_select along dim {dim} of {x}: expected a dim within 0..{x.rank - 1}")
        return TensorType(x.dtype, (*x.shape[:dim], *index.shape, *x.shape[dim + 1 :]))

    def evaluate(self, x: np.ndarray, index: np.ndarray, *, dim: int) -> np.ndarray:
        require_inside(self, index, x.shape[dim])
        return np.asarray(x.take(index, axis=dim))

    def element(
        self, index: Index, operands: Sequence[Operand], types: Sequence[TensorType], output: TensorType, **attrs: Any
    ) -> Scalar:
        dim, rank = attrs["dim"], types[1].rank
        place = as_index(operands[1](*index[dim : dim + rank]), types[0].shape[dim])
        return operands[0](*index[:dim], place, *index[dim + rank :])

    def checked_indices(self, types: Sequence[TensorType], **attrs: Any) -> tuple[tuple[int, Dimension], ...]:
        return ((1, types[0].shape[attrs["dim"]]),)

    def vjp(self, cotangent: Any, output: Any, x: Any, index: Any, *, dim: int) -> tuple[Any, ...]:
        count: Dimension = 1
        for extent in index.shape:
            count = count * extent
        zeros = number_like(cotangent, 0, shape=tuple(x.shape))
        flat = views.Reshape.bind(index, shape=(count,))
        rows = views.Reshape.bind(cotangent, shape=(*x.shape[:dim], count, *x.shape[dim + 1 :]))
        return scatters.IndexAdd.bind(zeros, flat, rows, dim=dim), None


class Check(Gather):
    """The operand as it is, once each of its elements is known to lie in ``0 <= i < bound``. Raises the class's
    ``index_error`` where one does not."""

    differentiable = False
    cost = 0.0

    def bound(self, *, extent: Dimension, **attrs: Any) -> Dimension:
        """What all elements are below."""
        return extent

    def element(
        self, index: Index, operands: Sequence[Operand], types: Sequence[TensorType], output: TensorType, **attrs: Any
    ) -> Scalar:
        return operands[0](*index)

    def checked_indices(self, types: Sequence[TensorType], **attrs: Any) -> tuple[tuple[int, Dimension], ...]:
        return ((0, self.bound(**attrs)),)

    def simplify(self, inputs: Sequence[Any], attrs: Attributes, output_type: TensorType) -> Any | None:
        (checked,) = inputs
        repeated = checked.node.op is self and self.bound(**checked.node.attrs) == self.bound(**attrs)
        return checked if repeated and self.effect is None else None


@register
class CheckIndex(Check):
    """The operand itself, an index that was wrapped (``i + extent`` for negative i) and must now lie within.

    Raises the IndexError of ``x[index]`` where it does not; ``dim`` is the indexed dimension, for the message.
    """

    name = "check_index"
    cost = 1.0

    def infer(self, index: TensorType, *, extent: Dimension, dim: int) -> TensorType:
        require_index_type("check_index", index)
        return index

    def evaluate(self, index: np.ndarray, *, extent: int, dim: int) -> np.ndarray:
        require_inside(self, index, extent, dim=dim)
        return index

    def index_error(self, index: int, bound: int, *, dim: int, **attrs: Any) -> Exception:
        if bound == 0:
            return IndexError("index is out of bounds for dimension with size 0")
        return IndexError(out_of_bounds(index if index >= 0 else index - bound, bound, dim))
