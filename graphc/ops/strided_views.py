"""Views that numpy does not give by reshape, transpose, or slice: diagonals, windows, any strides, other bits.

``diagonal_update`` is the value of a base after a write through a diagonal of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphc.ir.integers import Dimension, Integer, product
from graphc.ir.primitive import Elementwise, External, View, register
from graphc.ir.scalars import Index, Operand, Scalar, choose, within
from graphc.ir.types import DType, TensorType, int64
from graphc.ops import arithmetic, scatters, views
from graphc.ops.sources import Iota, number_like

Shape = tuple[Dimension, ...]


def diagonal_extent(rows: Dimension, columns: Dimension, offset: int) -> int:
    """How many elements the diagonal of a matrix has. Raises TypeError for sizes that are not known."""
    if not isinstance(rows, int) or not isinstance(columns, int):
        raise TypeError(f"a diagonal needs to know the sizes of its matrix, which are {rows} and {columns}")
    return max(min(rows + min(offset, 0), columns - max(offset, 0)), 0)


class _OfDiagonal:
    """What the two primitives of a diagonal share. It is the last dim of its tensor, and runs along two of the base."""

    @staticmethod
    def part(base: TensorType, offset: int, dim1: int, dim2: int) -> TensorType:
        """The type of the diagonal of a base."""
        if dim1 == dim2 or not 0 <= dim1 < base.rank or not 0 <= dim2 < base.rank:
            raise ValueError(f"a diagonal of {base} runs along two different dims of it, got {dim1} and {dim2}")
        rest = tuple(extent for dim, extent in enumerate(base.shape) if dim not in (dim1, dim2))
        return TensorType(base.dtype, (*rest, diagonal_extent(base.shape[dim1], base.shape[dim2], offset)))

    @staticmethod
    def of_array(base: np.ndarray, offset: int, dim1: int, dim2: int) -> np.ndarray:
        """A view of the diagonal, writable where the base is."""
        part = base.diagonal(offset, dim1, dim2)
        if base.flags.writeable:
            part.flags.writeable = True  # numpy gives it read-only for the sake of programs from before it was a view
        return part


@register
class Diagonal(View, _OfDiagonal):
    """The elements where the index along ``dim2`` is that along ``dim1`` plus ``offset``, as a last dimension."""

    name = "diagonal"
    moves = True

    def infer(self, x: TensorType, *, offset: int, dim1: int, dim2: int) -> TensorType:
        return self.part(x, offset, dim1, dim2)

    def evaluate(self, x: np.ndarray, *, offset: int, dim1: int, dim2: int) -> np.ndarray:
        return self.of_array(x, offset, dim1, dim2)

    def source_index(self, index: Index, source: TensorType, output: TensorType, **attrs: Any) -> Index:
        offset = attrs["offset"]
        row, column = index[-1] + max(-offset, 0), index[-1] + max(offset, 0)
        rest = iter(index[:-1])
        along = {attrs["dim1"]: row, attrs["dim2"]: column}
        return tuple(along[dim] if dim in along else next(rest) for dim in range(source.rank))

    def vjp(self, cotangent: Any, output: Any, x: Any, **attrs: Any) -> tuple[Any, ...]:
        return (DiagonalUpdate.bind(number_like(cotangent, 0, shape=tuple(x.shape)), cotangent, **attrs),)

    def write_back(self, base: Any, update: Any, **attrs: Any) -> Any:
        return DiagonalUpdate.bind(base, update, **attrs)


@register
class DiagonalUpdate(Elementwise, _OfDiagonal):
    """The base (operand 0) with a diagonal of it replaced by the update (operand 1)."""

    name = "diagonal_update"
    moves = True
    saves_inputs = ()

    def infer(self, base: TensorType, update: TensorType, *, offset: int, dim1: int, dim2: int) -> TensorType:
        expected = self.part(base, offset, dim1, dim2)
        if update != expected:
            raise ValueError(f"diagonal_update of {base} was given {update}; expected {expected}")
        return base

    def evaluate(self, base: np.ndarray, update: np.ndarray, *, offset: int, dim1: int, dim2: int) -> np.ndarray:
        result = base.copy()
        part = self.of_array(result, offset, dim1, dim2)
        if part.shape != update.shape:
            raise ValueError(f"diagonal_update of shape {part.shape} with an update of shape {update.shape}")
        part[...] = update
        return result

    def element(
        self, index: Index, operands: Sequence[Operand], types: Sequence[TensorType], output: TensorType, **attrs: Any
    ) -> Scalar:
        if types[1].shape[-1] == 0:
            return operands[0](*index)
        offset, dims = attrs["offset"], (attrs["dim1"], attrs["dim2"])
        row, column = (index[dim] for dim in dims)
        rest = tuple(position for dim, position in enumerate(index) if dim not in dims)
        on_diagonal = within(column - row - offset, 0, 1)
        return choose(on_diagonal, operands[1](*rest, row - max(-offset, 0)), operands[0](*index))

    def vjp(self, cotangent: Any, output: Any, base: Any, update: Any, **attrs: Any) -> tuple[Any, ...]:
        def of_base() -> Any:
            return DiagonalUpdate.bind(cotangent, number_like(cotangent, 0, shape=tuple(update.shape)), **attrs)

        return of_base, lambda: Diagonal.bind(cotangent, **attrs)


def _counted(reference: Any, shape: Shape, dim: int) -> Any:
    return reference.apply(Iota.instance, (), {"shape": tuple(shape), "dim": dim, "dtype": int64})


def _affine(reference: Any, shape: Shape, strides: Sequence[int], offset: int) -> Any:
    """int64 values of a shape: ``offset`` plus the index along each dim times its stride."""
    result = number_like(reference, offset, shape=tuple(shape), dtype=int64)
    for dim, stride in enumerate(strides):
        if stride and shape[dim] != 1:
            along = _counted(reference, shape, dim)
            along = along if stride == 1 else arithmetic.Mul.bind(along, number_like(along, stride))
            result = arithmetic.Add.bind(result, along)
    return result


def _strided(x: np.ndarray, shape: Sequence[int], strides: Sequence[int]) -> np.ndarray:
    """numpy's view of memory by strides in bytes; read-only where one element stands for many."""
    shared = any(step == 0 and extent > 1 for extent, step in zip(shape, strides, strict=True))
    return np.lib.stride_tricks.as_strided(x, shape, strides, writeable=x.flags.writeable and not shared)


@register
class AsStrided(View):
    """A vector seen as a tensor of any shape: each index moves by its own stride from the ``offset`` on."""

    name = "as_strided"
    moves = True

    def infer(self, x: TensorType, *, shape: tuple[int, ...], strides: tuple[int, ...], offset: int) -> TensorType:
        if x.rank != 1 or len(shape) != len(strides) or min((0, offset, *shape, *strides)) < 0:
            raise ValueError(
                f"as_strided of {x} expects a vector, and as many sizes as strides, none negative; got {shape}, "
                f"{strides}, and the offset {offset}"
            )
        last = offset + sum((extent - 1) * step for extent, step in zip(shape, strides, strict=True))
        if 0 not in shape and isinstance(x.shape[0], int) and last >= x.shape[0]:
            raise ValueError(f"as_strided of {x} with {shape}, {strides} from {offset} reaches {last}")
        return TensorType(x.dtype, tuple(shape))

    def evaluate(self, x: np.ndarray, *, shape: tuple[int, ...], strides: tuple[int, ...], offset: int) -> np.ndarray:
        last = offset + sum((extent - 1) * step for extent, step in zip(shape, strides, strict=True))
        if 0 not in shape and not 0 <= last < x.size:
            raise ValueError(f"as_strided reaches {last} of {x.size}")
        return _strided(x[offset:], shape, tuple(step * x.strides[0] for step in strides))

    def source_index(self, index: Index, source: TensorType, output: TensorType, **attrs: Any) -> Index:
        place: Integer = attrs["offset"]
        for position, step in zip(index, attrs["strides"], strict=True):
            place = place + position * step
        return (place,)

    def _places(self, reference: Any, *, shape: Shape, strides: tuple[int, ...], offset: int) -> Any:
        return views.Reshape.bind(_affine(reference, shape, strides, offset), shape=(product(shape),))

    def vjp(self, cotangent: Any, output: Any, x: Any, **attrs: Any) -> tuple[Any, ...]:
        flat = views.Reshape.bind(cotangent, shape=(product(cotangent.shape),))
        zeros = number_like(cotangent, 0, shape=tuple(x.shape))
        return (scatters.IndexAdd.bind(zeros, self._places(cotangent, **attrs), flat, dim=0),)

    def write_back(self, base: Any, update: Any, **attrs: Any) -> Any:
        flat = views.Reshape.bind(update, shape=(product(update.shape),))
        return scatters.IndexCopy.bind(base, self._places(base, **attrs), flat, dim=0)


@register
class Windows(View):
    """All windows of ``size`` along ``dim``, ``step`` apart; the place in the window is a new last dim. They may
    overlap."""

    name = "windows"
    moves = True

    def infer(self, x: TensorType, *, dim: int, size: int, step: int) -> TensorType:
        if not 0 <= dim < x.rank or step < 1 or size < 0:
            raise ValueError(f"windows of {x} along dim {dim}: got size {size} and step {step}")
        if isinstance(x.shape[dim], int) and size > x.shape[dim]:
            raise ValueError(f"windows of {x} along dim {dim}: no window of size {size} lies within")
        count = (x.shape[dim] - size) // step + 1
        return TensorType(x.dtype, (*x.shape[:dim], count, *x.shape[dim + 1 :], size))

    def evaluate(self, x: np.ndarray, *, dim: int, size: int, step: int) -> np.ndarray:
        if size > x.shape[dim]:
            raise ValueError(f"windows of size {size} in an extent of {x.shape[dim]}")
        count = (x.shape[dim] - size) // step + 1
        shape = (*x.shape[:dim], count, *x.shape[dim + 1 :], size)
        strides = (*x.strides[:dim], x.strides[dim] * step, *x.strides[dim + 1 :], x.strides[dim])
        return np.lib.stride_tricks.as_strided(x, shape, strides, writeable=x.flags.writeable)

    def source_index(self, index: Index, source: TensorType, output: TensorType, **attrs: Any) -> Index:
        dim = attrs["dim"]
        return (*index[:dim], index[dim] * attrs["step"] + index[-1], *index[dim + 1 : -1])

    def _places(self, reference: Any, count: Dimension, size: int, step: int) -> Any:
        places = _affine(reference, (count, size), (step, 1), 0)
        return views.Reshape.bind(places, shape=(count * size,))

    def _rows(self, values: Any, dim: int) -> Any:
        """Values of the windows' shape with the place in the window after the number of the window, as one dim."""
        rank = len(values.shape)
        beside = views.Permute.bind(values, dims=(*range(dim + 1), rank - 1, *range(dim + 1, rank - 1)))
        shape = tuple(beside.shape)
        return views.Reshape.bind(beside, shape=(*shape[:dim], shape[dim] * shape[dim + 1], *shape[dim + 2 :]))

    def vjp(self, cotangent: Any, output: Any, x: Any, *, dim: int, size: int, step: int) -> tuple[Any, ...]:
        zeros = number_like(cotangent, 0, shape=tuple(x.shape))
        places = self._places(cotangent, cotangent.shape[dim], size, step)
        return (scatters.IndexAdd.bind(zeros, places, self._rows(cotangent, dim), dim=dim),)

    def write_back(self, base: Any, update: Any, *, dim: int, size: int, step: int) -> Any:
        places = self._places(base, update.shape[dim], size, step)
        return scatters.IndexCopy.bind(base, places, self._rows(update, dim), dim=dim)


@register
class Reinterpret(External):
    """The same bytes as elements of another dtype; where the sizes differ, the last dim changes with them."""

    name = "reinterpret"
    aliases = True
    moves = True
    differentiable = False
    saves_inputs = ()

    def infer(self, x: TensorType, *, dtype: DType) -> TensorType:
        old, new = x.dtype.itemsize, dtype.itemsize
        if old == new:
            return TensorType(dtype, x.shape)
        if not x.rank or (x.shape[-1] * old) % new:
            raise ValueError(f"{x} cannot be seen as {dtype.name}: the bytes of its last dim do not divide")
        return TensorType(dtype, (*x.shape[:-1], x.shape[-1] * old // new))

    def evaluate(self, x: np.ndarray, *, dtype: DType) -> np.ndarray:
        return x.view(dtype.numpy)

    def write_back(self, base: Any, update: Any, *, dtype: DType) -> Any:
        return Reinterpret.bind(update, dtype=base.dtype)
