"""Scatters: elements of a source added into, or put to, computed places of a base.

Places are taken in the row-major order of the source, so that sums have one order and the last of several puts wins.
Every index lies in ``0 <= i < extent``; others are errors, as in PyTorch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphc.ir.integers import Dimension
from graphc.ir.primitive import Attributes, Scatter, register
from graphc.ir.scalars import Index, Operand, as_index
from graphc.ir.types import TensorType
from graphc.ops import gathers
from graphc.ops.quiet import quiet
from graphc.ops.sources import number_like

_COMBINE = {"sum": np.add, "prod": np.multiply, "max": np.maximum, "min": np.minimum}


def _combine(combiner: str, base: np.ndarray, places: np.ndarray, source: np.ndarray) -> np.ndarray:
    """A copy of the base with the source combined into flat places (an array of the source's shape)."""
    result = base.copy()
    flat, values = result.reshape(-1), np.ascontiguousarray(source).reshape(-1)
    if combiner == "put":
        flat[places.reshape(-1)] = values
    else:
        _COMBINE[combiner].at(flat, places.reshape(-1), values)
    return result


class ScatterAlong(Scatter):
    """The element of the source at ``(i, j, k)`` goes to ``(i, index[i, j, k], k)`` of the base, for ``dim`` 1."""

    by_rows = always_by_rows = True

    def infer(self, base: TensorType, index: TensorType, source: TensorType, *, dim: int) -> TensorType:
        gathers.require_index_type(self.name, index)
        fits = base.rank == index.rank and index.shape == source.shape and 0 <= dim < base.rank
        for position, (extent, size) in enumerate(zip(index.shape, base.shape, strict=False)):
            if position != dim and isinstance(extent, int) and isinstance(size, int) and extent > size:
                fits = False
        if not fits or source.dtype != base.dtype:
            raise ValueError(
                f"{self.name} into {base} of {source} with index {index} along dim {dim}: expected an index of the "
                "source's shape, of the base's rank, and no larger than the base in the other dimensions"
            )
        return base

    @quiet
    def evaluate(self, base: np.ndarray, index: np.ndarray, source: np.ndarray, *, dim: int) -> np.ndarray:
        if not base.ndim == index.ndim == source.ndim or index.shape != source.shape:
            raise ValueError(f"{self.name} with an index of shape {index.shape} and a source of {source.shape}")
        gathers.require_inside(self, index, base.shape[dim], dim=dim)
        strides = _element_strides(base.shape)
        places = index.astype(np.int64) * strides[dim]
        for position, extent in enumerate(index.shape):
            if position != dim:
                along = np.arange(extent, dtype=np.int64) * strides[position]
                places += along.reshape((-1,) + (1,) * (index.ndim - position - 1))
        return _combine(self.combiner, base, places, source)

    def target(
        self, at: Index, operands: Sequence[Operand], types: Sequence[TensorType], output: TensorType, **attrs: Any
    ) -> Index:
        dim = attrs["dim"]
        return (*at[:dim], as_index(operands[1](*at), types[0].shape[dim]), *at[dim + 1 :])

    def index_error(self, index: int, bound: int, *, dim: int, **attrs: Any) -> Exception:
        return RuntimeError(gathers.out_of_bounds(index, bound, dim))

    def independent_dimensions(self, types: Sequence[TensorType], **attrs: Any) -> tuple[int, ...]:
        return tuple(dim for dim in range(types[2].rank) if dim != attrs["dim"])

    def checked_indices(self, types: Sequence[TensorType], **attrs: Any) -> tuple[tuple[int, Dimension], ...]:
        return ((1, types[0].shape[attrs["dim"]]),)


class _ScatterRows(Scatter):
    """Place ``k`` of the source's dimension ``dim`` goes to place ``index[k]`` of the base's; the index has rank 1."""

    by_rows = always_by_rows = True

    def infer(self, base: TensorType, index: TensorType, source: TensorType, *, dim: int) -> TensorType:
        gathers.require_index_type(self.name, index)
        if not 0 <= dim < base.rank or index.rank != 1:
            raise ValueError(f"{self.name} into {base} along dim {dim}: expected an index of rank 1, got {index}")
        expected = TensorType(base.dtype, (*base.shape[:dim], index.shape[0], *base.shape[dim + 1 :]))
        if source != expected:
            raise ValueError(f"{self.name} into {base} along dim {dim} was given {source}; expected {expected}")
        return base

    @quiet
    def evaluate(self, base: np.ndarray, index: np.ndarray, source: np.ndarray, *, dim: int) -> np.ndarray:
        if source.shape != (*base.shape[:dim], *index.shape, *base.shape[dim + 1 :]):
            raise ValueError(f"{self.name} with an index of shape {index.shape} and a source of {source.shape}")
        gathers.require_inside(self, index, base.shape[dim], dim=dim)
        places = np.zeros(source.shape, np.int64)
        for position, stride in enumerate(_element_strides(base.shape)):
            along = index.astype(np.int64) if position == dim else np.arange(source.shape[position], dtype=np.int64)
            places += (along * stride).reshape((-1,) + (1,) * (base.ndim - position - 1))
        return _combine(self.combiner, base, places, source)

    def target(
        self, at: Index, operands: Sequence[Operand], types: Sequence[TensorType], output: TensorType, **attrs: Any
    ) -> Index:
        dim = attrs["dim"]
        return (*at[:dim], as_index(operands[1](at[dim]), types[0].shape[dim]), *at[dim + 1 :])

    def independent_dimensions(self, types: Sequence[TensorType], **attrs: Any) -> tuple[int, ...]:
        return tuple(dim for dim in range(types[2].rank) if dim != attrs["dim"])

    def checked_indices(self, types: Sequence[TensorType], **attrs: Any) -> tuple[tuple[int, Dimension], ...]:
        return ((1, types[0].shape[attrs["dim"]]),)


def _element_strides(shape: tuple[int, ...]) -> tuple[int, ...]:
    strides = [1]
    for extent in reversed(shape[1:]):
        strides.append(strides[-1] * extent)
    return tuple(reversed(strides))


def _without_empty_source(inputs: Sequence[Any]) -> Any | None:
    base, _, source = inputs
    return base if any(extent == 0 for extent in source.shape) else None


@register
class ScatterAdd(ScatterAlong):
    """Add elements of the source where the index says. PyTorch's ``scatter_add``."""

    name = "scatter_add"
    saves_inputs = (1,)

    def vjp(self, cotangent: Any, output: Any, base: Any, index: Any, source: Any, *, dim: int) -> tuple[Any, ...]:
        return cotangent, None, lambda: gathers.GatherAlong.bind(cotangent, index, dim=dim)

    def simplify(self, inputs: Sequence[Any], attrs: Attributes, output_type: TensorType) -> Any | None:
        return _without_empty_source(inputs)


@register
class ScatterPut(ScatterAlong):
    """Put elements of the source where the index says. PyTorch's ``scatter``.

    As in PyTorch, the gradient of a source whose place is written more than once is that of the place.
    """

    name = "scatter"
    combiner = "put"
    saves_inputs = (1,)

    def vjp(self, cotangent: Any, output: Any, base: Any, index: Any, source: Any, *, dim: int) -> tuple[Any, ...]:
        def of_base() -> Any:
            return ScatterPut.bind(cotangent, index, number_like(cotangent, 0, shape=tuple(source.shape)), dim=dim)

        return of_base, None, lambda: gathers.GatherAlong.bind(cotangent, index, dim=dim)

    def simplify(self, inputs: Sequence[Any], attrs: Attributes, output_type: TensorType) -> Any | None:
        return _without_empty_source(inputs)


@register
class IndexAdd(_ScatterRows):
    """Add slices of the source at the indexed places of ``dim``. PyTorch's ``index_add``."""

    name = "index_add"
    saves_inputs = (1,)

    def index_error(self, index: int, bound: int, *, dim: int, **attrs: Any) -> Exception:
        return RuntimeError(gathers.out_of_bounds(index, bound, dim))

    def vjp(self, cotangent: Any, output: Any, base: Any, index: Any, source: Any, *, dim: int) -> tuple[Any, ...]:
        return cotangent, None, lambda: gathers.IndexSelect.bind(cotangent, index, dim=dim)

    def simplify(self, inputs: Sequence[Any], attrs: Attributes, output_type: TensorType) -> Any | None:
        return _without_empty_source(inputs)


@register
class IndexCopy(_ScatterRows):
    """Put slices of the source at the indexed places of ``dim``. PyTorch's ``index_copy``."""

    name = "index_copy"
    combiner = "put"
    saves_inputs = (1,)

    def index_error(self, index: int, bound: int, *, dim: int, **attrs: Any) -> Exception:
        return IndexError(f"index_copy_(): {gathers.out_of_bounds(index, bound, dim)}")

    def vjp(self, cotangent: Any, output: Any, base: Any, index: Any, source: Any, *, dim: int) -> tuple[Any, ...]:
        def of_base() -> Any:
            return IndexCopy.bind(cotangent, index, number_like(cotangent, 0, shape=tuple(source.shape)), dim=dim)

        return of_base, None, lambda: gathers.IndexSelect.bind(cotangent, index, dim=dim)

    def simplify(self, inputs: Sequence[Any], attrs: Attributes, output_type: TensorType) -> Any | None:
        return _without_empty_source(inputs)
