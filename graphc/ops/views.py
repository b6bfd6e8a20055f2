"""Views: each element of the result is one element of the operand at a mapped index.

In eager mode a view shares memory with its operand (but ``flip`` copies, as PyTorch's does); compiled, it is an index
map and costs nothing. ``slice_update`` is the value of a base after a write through a slice of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphc.ir.integers import Dimension, Integer, product
from graphc.ir.primitive import Attributes, Elementwise, View, register
from graphc.ir.scalars import Index, Operand, Scalar, both, choose, within
from graphc.ir.types import TensorType, contiguous_strides
from graphc.ops import gathers, reductions
from graphc.ops.pointwise_family import made_by, operand_of
from graphc.ops.sources import Full, number_like
from graphc.sizes import stretches

Shape = tuple[Dimension, ...]


def _full_again(symbol: Any, shape: Shape) -> Any | None:
    """For a symbol that is one number everywhere: that number in another shape."""
    return number_like(symbol, symbol.node.attrs["value"], shape=shape) if made_by(symbol, Full) else None


def _require_permutation(name: str, dims: tuple[int, ...], rank: int) -> None:
    if sorted(dims) != list(range(rank)):
        raise ValueError(f"{name} expects each of the dims 0..{rank - 1} once, got {dims}")


@register
class Reshape(View):
    """The same elements in row-major order under another shape of the same size."""

    name = "reshape"
    implicit = True

    def infer(self, x: TensorType, *, shape: Shape) -> TensorType:
        if x.size != product(shape):
            raise ValueError(f"reshape of {x} to {list(shape)}: expected a shape of {x.size} elements")
        return TensorType(x.dtype, tuple(shape))

    def evaluate(self, x: np.ndarray, *, shape: tuple[int, ...]) -> np.ndarray:
        return x.reshape(shape)

    def source_index(self, index: Index, source: TensorType, output: TensorType, **attrs: Any) -> Index:
        if 0 in source.shape:
            return (0,) * source.rank  # there is no element to map
        mapped: list[Integer] = []
        for inner, outer in _matching_groups(source.shape, output.shape):
            flat: Integer = 0
            for position, stride in zip(index[outer], contiguous_strides(output.shape[outer]), strict=True):
                flat = flat + position * stride
            extents = source.shape[inner]
            for position, (extent, stride) in enumerate(zip(extents, contiguous_strides(extents), strict=True)):
                quotient = flat // stride
                mapped.append(quotient if position == 0 else quotient % extent)
        return tuple(mapped)

    def vjp(self, cotangent: Any, output: Any, x: Any, *, shape: Shape) -> tuple[Any, ...]:
        return (Reshape.bind(cotangent, shape=tuple(x.shape)),)

    def write_back(self, base: Any, update: Any, *, shape: Shape) -> Any:
        return Reshape.bind(update, shape=tuple(base.shape))

    def simplify(self, inputs: Sequence[Any], attrs: Attributes, output_type: TensorType) -> Any | None:
        (x,) = inputs
        if x.shape == output_type.shape:
            return x
        if made_by(x, Reshape):
            return Reshape.bind(operand_of(x), shape=output_type.shape)
        return _full_again(x, output_type.shape)


def _matching_groups(source: Shape, output: Shape) -> list[tuple[slice, slice]]:
    """Runs of dimensions of two shapes that have equal products, as short as can be told: they map independently."""
    groups: list[tuple[slice, slice]] = []
    left = right = 0
    while left < len(source) and right < len(output):
        first, second = left, right
        inner, outer = source[left], output[right]
        left, right = left + 1, right + 1
        while inner != outer:
            comparable = isinstance(inner, int) and isinstance(outer, int)
            if comparable and inner < outer and left < len(source):
                inner, left = inner * source[left], left + 1
            elif comparable and inner > outer and right < len(output):
                outer, right = outer * output[right], right + 1
            else:  # sizes with symbols (or an empty value): all that remains is one run
                return [*groups, (slice(first, len(source)), slice(second, len(output)))]
        groups.append((slice(first, left), slice(second, right)))
    if left < len(source) or right < len(output):  # ones at the end
        groups.append((slice(left, len(source)), slice(right, len(output))))
    return groups


@register
class Permute(View):
    """Dimension ``dims[k]`` of the operand becomes dimension k."""

    name = "permute"

    def infer(self, x: TensorType, *, dims: tuple[int, ...]) -> TensorType:
        _require_permutation("permute", dims, x.rank)
        return TensorType(x.dtype, tuple(x.shape[dim] for dim in dims))

    def evaluate(self, x: np.ndarray, *, dims: tuple[int, ...]) -> np.ndarray:
        return x.transpose(dims)

    def source_index(self, index: Index, source: TensorType, output: TensorType, **attrs: Any) -> Index:
        return tuple(index[position] for position in _inverse(attrs["dims"]))

    def vjp(self, cotangent: Any, output: Any, x: Any, *, dims: tuple[int, ...]) -> tuple[Any, ...]:
        return (Permute.bind(cotangent, dims=_inverse(dims)),)

    def write_back(self, base: Any, update: Any, *, dims: tuple[int, ...]) -> Any:
        return Permute.bind(update, dims=_inverse(dims))

    def simplify(self, inputs: Sequence[Any], attrs: Attributes, output_type: TensorType) -> Any | None:
        (x,) = inputs
        dims = attrs["dims"]
        if dims == tuple(range(len(dims))):
            return x
        if made_by(x, Permute):
            return Permute.bind(operand_of(x), dims=tuple(x.node.attrs["dims"][dim] for dim in dims))
        return _full_again(x, output_type.shape)


def _inverse(dims: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(dims.index(position) for position in range(len(dims)))


def stretched(x: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The array under a shape of the same rank that it broadcasts to, or a number under any: read-only, since elements
    share memory."""
    if not x.ndim:
        strides: Any = (0,) * len(shape)
    elif not x.flags.c_contiguous or not x.size or len(shape) != x.ndim:
        return np.broadcast_to(x, shape)
    else:
        strides = []
        for extent, wanted, step in zip(x.shape, shape, x.strides, strict=True):
            if extent != wanted and extent != 1:
                return np.broadcast_to(x, shape)  # which says why it can't be
            strides.append(step if extent == wanted else 0)
    # As numpy's function gives it, in a third of the time.
    result = np.ndarray(shape, x.dtype, x, 0, strides)
    result.flags.writeable = False
    return result


@register
class Expand(View):
    """Dimensions of size 1 repeated; the rank stays."""

    name = "expand"
    implicit = True

    def infer(self, x: TensorType, *, shape: Shape) -> TensorType:
        if len(shape) != x.rank or any(old not in (1, new) for old, new in zip(x.shape, shape, strict=True)):
            raise ValueError(f"expand of {x} to {list(shape)}: expected the same rank, and other sizes only where 1 is")
        return TensorType(x.dtype, tuple(shape))

    def evaluate(self, x: np.ndarray, *, shape: tuple[int, ...]) -> np.ndarray:
        return x.view() if x.shape == shape else stretched(x, shape)

    def source_index(self, index: Index, source: TensorType, output: TensorType, **attrs: Any) -> Index:
        return tuple(0 if extent == 1 else position for position, extent in zip(index, source.shape, strict=True))

    @stretches
    def vjp(self, cotangent: Any, output: Any, x: Any, *, shape: Shape) -> tuple[Any, ...]:
        stretched = tuple(dim for dim, (old, new) in enumerate(zip(x.shape, shape, strict=True)) if old != new)
        if not stretched:
            return (cotangent,)
        return (Reshape.bind(reductions.Sum.bind(cotangent, dims=stretched), shape=tuple(x.shape)),)

    def write_back(self, base: Any, update: Any, *, shape: Shape) -> Any:
        if tuple(base.shape) != tuple(shape):
            raise RuntimeError(
                "unsupported operation: more than one element of the written-to tensor refers to a single memory "
                "location. Please clone() the tensor before performing the operation."
            )
        return update

    def simplify(self, inputs: Sequence[Any], attrs: Attributes, output_type: TensorType) -> Any | None:
        (x,) = inputs
        if x.shape == output_type.shape:
            return x
        if made_by(x, Expand):
            return Expand.bind(operand_of(x), shape=output_type.shape)
        return _full_again(x, output_type.shape)


def slice_extents(starts: Shape, stops: Shape, steps: tuple[int, ...]) -> Shape:
    """How many places ``range(start, stop, step)`` has, for each dimension."""
    return tuple((stop - start + step - 1) // step for start, stop, step in zip(starts, stops, steps, strict=True))


def _require_slice(name: str, x: TensorType, starts: Shape, stops: Shape, steps: tuple[int, ...]) -> None:
    given = f"{name} of {x} with starts={starts}, stops={stops}, steps={steps}"
    if not len(starts) == len(stops) == len(steps) == x.rank:
        raise ValueError(f"{given}: expected {x.rank} of each")
    for start, stop, step, extent in zip(starts, stops, steps, x.shape, strict=True):
        if step < 1:
            raise ValueError(f"{given}: expected steps of at least 1")
        known = [bound for bound in (0, start, stop, extent) if isinstance(bound, int)]
        if known != sorted(known):
            raise ValueError(f"{given}: expected 0 <= start <= stop <= extent in every dimension")


@register
class Slice(View):
    """Every ``step``-th place from ``start`` to before ``stop``, in each dimension. Bounds lie within the operand."""

    name = "slice"

    def infer(self, x: TensorType, *, starts: Shape, stops: Shape, steps: tuple[int, ...]) -> TensorType:
        _require_slice("slice", x, starts, stops, steps)
        return TensorType(x.dtype, slice_extents(starts, stops, steps))

    def evaluate(
        self, x: np.ndarray, *, starts: tuple[int, ...], stops: tuple[int, ...], steps: tuple[int, ...]
    ) -> np.ndarray:
        return x[(*map(slice, starts, stops, steps), ...)]

    def source_index(self, index: Index, source: TensorType, output: TensorType, **attrs: Any) -> Index:
        return tuple(
            start + position * step
            for start, position, step in zip(attrs["starts"], index, attrs["steps"], strict=True)
        )

    def vjp(
        self, cotangent: Any, output: Any, x: Any, *, starts: Shape, stops: Shape, steps: tuple[int, ...]
    ) -> tuple[Any, ...]:
        if all(step == 1 for step in steps):
            after = tuple(extent - stop for extent, stop in zip(x.shape, stops, strict=True))
            return (gathers.Pad.bind(cotangent, low=tuple(starts), high=after, value=0.0),)
        zeros = number_like(cotangent, 0, shape=tuple(x.shape))
        return (SliceUpdate.bind(zeros, cotangent, starts=starts, stops=stops, steps=steps),)

    def write_back(self, base: Any, update: Any, *, starts: Shape, stops: Shape, steps: tuple[int, ...]) -> Any:
        return SliceUpdate.bind(base, update, starts=starts, stops=stops, steps=steps)

    def simplify(self, inputs: Sequence[Any], attrs: Attributes, output_type: TensorType) -> Any | None:
        (x,) = inputs
        if _covers(x.shape, **attrs):
            return x
        if made_by(x, Slice):
            inner = x.node.attrs
            starts = tuple(
                first + start * step
                for first, step, start in zip(inner["starts"], inner["steps"], attrs["starts"], strict=True)
            )
            steps = tuple(a * b for a, b in zip(inner["steps"], attrs["steps"], strict=True))
            # The least stop that keeps the count of places: one past the last.
            stops = tuple(
                start if extent == 0 else start + (extent - 1) * step + 1
                for start, step, extent in zip(starts, steps, output_type.shape, strict=True)
            )
            return Slice.bind(operand_of(x), starts=starts, stops=stops, steps=steps)
        return _full_again(x, output_type.shape)


def _covers(shape: Shape, starts: Shape, stops: Shape, steps: tuple[int, ...]) -> bool:
    return (
        all(start == 0 for start in starts)
        and tuple(stops) == tuple(shape)
        and slice_extents(starts, stops, steps) == tuple(shape)
    )


@register
class SliceUpdate(Elementwise):
    """The base (operand 0) with one slice of it replaced by the update (operand 1)."""

    name = "slice_update"
    by_rows = True
    saves_inputs = ()
    moves = True

    def infer(
        self, base: TensorType, update: TensorType, *, starts: Shape, stops: Shape, steps: tuple[int, ...]
    ) -> TensorType:
        _require_slice("slice_update", base, starts, stops, steps)
        expected = TensorType(base.dtype, slice_extents(starts, stops, steps))
        if update != expected:
            raise ValueError(f"slice_update of {base} was given {update}; expected {expected}")
        return base

    def evaluate(
        self,
        base: np.ndarray,
        update: np.ndarray,
        *,
        starts: tuple[int, ...],
        stops: tuple[int, ...],
        steps: tuple[int, ...],
    ) -> np.ndarray:
        result = base.copy()
        result[(*map(slice, starts, stops, steps), ...)] = update
        return result

    def element(
        self, index: Index, operands: Sequence[Operand], types: Sequence[TensorType], output: TensorType, **attrs: Any
    ) -> Scalar:
        conditions: list[Scalar] = []
        places: list[Integer] = []
        for position, start, stop, step in zip(index, attrs["starts"], attrs["stops"], attrs["steps"], strict=True):
            conditions.append(within(position, start, stop))
            if step > 1:
                conditions.append(within((position - start) % step, 0, 1))
            places.append((position - start) // step)
        return choose(both(*conditions), operands[1](*places), operands[0](*index))

    def vjp(self, cotangent: Any, output: Any, base: Any, update: Any, **attrs: Any) -> tuple[Any, ...]:
        def of_base() -> Any:
            zeros = number_like(cotangent, 0, shape=tuple(update.shape))
            return SliceUpdate.bind(cotangent, zeros, **attrs)

        return of_base, lambda: Slice.bind(cotangent, **attrs)

    def simplify(self, inputs: Sequence[Any], attrs: Attributes, output_type: TensorType) -> Any | None:
        base, update = inputs
        if any(extent == 0 for extent in update.shape):
            return base
        return update if _covers(base.shape, **attrs) else None


@register
class Alias(View):
    """The same tensor once more: differentiable, sharing memory."""

    name = "alias"

    def infer(self, x: TensorType) -> TensorType:
        return x

    def evaluate(self, x: np.ndarray) -> np.ndarray:
        return x.view()

    def source_index(self, index: Index, source: TensorType, output: TensorType, **attrs: Any) -> Index:
        return index

    def vjp(self, cotangent: Any, output: Any, x: Any) -> tuple[Any, ...]:
        return (cotangent,)

    def write_back(self, base: Any, update: Any) -> Any:
        return update

    def simplify(self, inputs: Sequence[Any], attrs: Attributes, output_type: TensorType) -> Any | None:
        return inputs[0]


@register
class Detach(View):
    """The same tensor as a constant: no gradient flows through it, memory is shared.

    It has no rule of simplification, since a graph that holds it may yet be differentiated.
    """

    name = "detach"
    differentiable = False

    def infer(self, x: TensorType) -> TensorType:
        return x

    def evaluate(self, x: np.ndarray) -> np.ndarray:
        return x.view()

    def source_index(self, index: Index, source: TensorType, output: TensorType, **attrs: Any) -> Index:
        return index

    def write_back(self, base: Any, update: Any) -> Any:
        return update


@register
class Flip(View):
    """Dimensions in reverse order. Copies in eager mode, as PyTorch's does."""

    name = "flip"
    notable = True
    aliases = False

    def infer(self, x: TensorType, *, dims: tuple[int, ...]) -> TensorType:
        if len(set(dims)) != len(dims) or any(not 0 <= dim < x.rank for dim in dims):
            raise ValueError(f"flip of {x} expects distinct dims within 0..{x.rank - 1}, got {dims}")
        return x

    def evaluate(self, x: np.ndarray, *, dims: tuple[int, ...]) -> np.ndarray:
        return np.flip(x, dims).copy()

    def source_index(self, index: Index, source: TensorType, output: TensorType, **attrs: Any) -> Index:
        return tuple(
            source.shape[dim] - 1 - position if dim in attrs["dims"] else position for dim, position in enumerate(index)
        )

    def vjp(self, cotangent: Any, output: Any, x: Any, *, dims: tuple[int, ...]) -> tuple[Any, ...]:
        return (Flip.bind(cotangent, dims=dims),)

    def simplify(self, inputs: Sequence[Any], attrs: Attributes, output_type: TensorType) -> Any | None:
        (x,) = inputs
        if all(x.shape[dim] == 1 for dim in attrs["dims"]):
            return x
        if made_by(x, Flip):
            dims = tuple(sorted(set(x.node.attrs["dims"]) ^ set(attrs["dims"])))
            return Flip.bind(operand_of(x), dims=dims)
        return _full_again(x, output_type.shape)
