"""Functions that tensors alone have by their names: windows of a dim, sums to a size, filled diagonals.

Source: https://docs.pytorch.org/docs/stable/tensors.html
"""

from __future__ import annotations

from typing import Any

from graphc.ir.integers import product
from graphc.ir.types import int64
from graphc.ops import reductions, scatters, strided_views, views
from graphc.ops.functions.shaping import ravel
from graphc.ops.operands import cast, normalize_dim
from graphc.ops.sources import number_like
from graphc.ops.subscripts import constant

NAMESPACE = "Tensor"
__all__: list[str] = []
METHODS = ("sum_to_size", "unfold")
IN_PLACE = ("fill_diagonal",)


def unfold(input: Any, dimension: int, size: int, step: int) -> Any:
    """All windows of ``size`` places along a dim, ``step`` apart, each along a new last dim: a view."""
    dim = normalize_dim(dimension, input.ndim)
    source = input if input.ndim else ravel(input)
    extent = source.shape[dim]
    if size < 0:
        raise RuntimeError(f"size is {size} but must be >= 0")
    if isinstance(extent, int) and size > extent:
        raise RuntimeError(f"maximum size for tensor at dimension {dim} is {extent} but size is {size}")
    if step <= 0:
        raise RuntimeError(f"step is {step} but must be > 0")
    found = strided_views.Windows.bind(source, dim=dim, size=int(size), step=int(step))
    return found if input.ndim else views.Reshape.bind(found, shape=(size,))


def sum_to_size(input: Any, *size: Any) -> Any:
    """The sum over the dims along which ``size`` would be broadcast to the input's. Integers that are summed, or go to
    no dims, become int64."""
    wanted = tuple(size[0]) if len(size) == 1 and not isinstance(size[0], int) else tuple(size)
    shape = tuple(input.shape)
    missing = len(shape) - len(wanted)
    if missing < 0 or any(extent not in (1, own) for extent, own in zip(wanted, shape[missing:], strict=True)):
        raise RuntimeError(f"size {{{list(wanted)}}} is not expandable to size {{{list(shape)}}}.")
    dims = tuple(dim for dim in range(len(shape)) if dim < missing or wanted[dim - missing] != shape[dim])
    if dims or not wanted:
        input = input if input.dtype.is_differentiable else cast(input, int64)
    if not dims and wanted:
        return input
    total = reductions.Sum.bind(input, dims=dims)
    return views.Reshape.bind(total, shape=wanted) if wanted else total


def fill_diagonal(input: Any, fill_value: float, wrap: bool = False) -> Any:
    """The input with a number on its main diagonal, along all dims; with ``wrap`` the diagonal of a tall matrix begins
    anew below."""
    if input.ndim < 2:
        raise RuntimeError("dimensions must larger than 1")
    shape = tuple(input.shape)
    if input.ndim > 2 and len(set(shape)) > 1:
        raise RuntimeError("all dimensions of input must be of equal length")
    step = sum(product(shape[dim + 1 :]) for dim in range(input.ndim))
    size, columns = product(shape), shape[1]
    stop = size if wrap or shape[0] <= columns else columns * columns
    places = list(range(0, stop, step))
    if not places:
        return views.Alias.bind(input)
    filling = number_like(input, fill_value, shape=(len(places),))
    filled = scatters.IndexCopy.bind(ravel(input), constant(input, places), filling, dim=0)
    return views.Reshape.bind(filled, shape=shape)
