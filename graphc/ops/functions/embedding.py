"""Rows of a table by index, one by one or combined in bags.

Source: https://docs.pytorch.org/docs/stable/nn.functional.html#sparse-functions
"""

from __future__ import annotations

from typing import Any

from graphc.ir.integers import Dimension, product
from graphc.ir.types import int64
from graphc.notices import warn, warn_once
from graphc.ops import comparisons, gathers, scatters, sources, views
from graphc.ops.embedding_rules import CheckOffsets, ScaleGradient
from graphc.ops.functions.arithmetic import where
from graphc.ops.functions.cumulative import cumsum
from graphc.ops.functions.reduction import norm, sum
from graphc.ops.functions.shaping import broadcast_to, cat, slice_dim, unsqueeze
from graphc.ops.half_precision import as_single
from graphc.ops.operands import cast
from graphc.ops.reductions import ArgMax
from graphc.ops.scatter_reductions import scatter_reduced
from graphc.ops.sources import number_like
from graphc.ops.type_names import type_name

__all__ = ["embedding_renorm_"]
METHODS = ()

Value = Any


def _require_indices(name: str, argument: str, value: Value) -> None:
    if value.dtype.name not in ("int64", "int32"):
        raise RuntimeError(
            f"Expected tensor for argument #1 '{argument}' to have one of the following scalar types: Long, Int; but "
            f"got torch.{type_name(value.dtype)}Tensor instead (while checking arguments for {name})"
        )


def _note_sparse(name: str, sparse: bool) -> None:
    if sparse:
        warn_once(f"{name}: the gradient is dense, though sparse=True asks for a sparse one: graphc has none of those")


def embedding(
    input: Value,
    weight: Value,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Value:
    """The rows of ``weight`` that ``input`` (of any shape) names; the row ``padding_idx`` gets no gradient.

    With ``max_norm`` the rows that are named and longer are first shortened to it, in the weight itself. With
    ``scale_grad_by_freq`` the gradient of a row is divided by how often it is named.

    The gradient is dense, with ``sparse`` too. Raises IndexError for an index out of range.
    """
    _note_sparse("embedding", sparse)
    if padding_idx is not None:
        count = weight.shape[0]
        if not -count <= padding_idx < count:
            raise AssertionError("Padding_idx must be within num_embeddings")
        padding_idx %= count
    if max_norm is not None:
        weight = embedding_renorm_(weight, input, max_norm, norm_type)
    _require_indices("embedding", "indices", input)
    if weight.ndim != 2:
        raise RuntimeError("'weight' must be 2-D")
    return _rows(weight, input, padding_idx, scale_grad_by_freq)


def _rows(weight: Value, indices: Value, padding: int | None, by_frequency: bool) -> Value:
    """Rows of the weight, [*indices, width]; ``padding`` is a row without gradient."""
    rows = gathers.IndexSelect.bind(weight, indices, dim=0)
    if by_frequency:
        flat = views.Reshape.bind(indices, shape=(product(indices.shape),))
        ones = number_like(rows, 1, shape=tuple(flat.shape))
        counts = scatters.IndexAdd.bind(number_like(rows, 0, shape=(weight.shape[0],)), flat, ones, dim=0)
        share = 1 / gathers.IndexSelect.bind(counts, indices, dim=0)
        rows = ScaleGradient.bind(rows, broadcast_to(unsqueeze(share, -1), tuple(rows.shape)))
    if padding is None:
        return rows
    at_padding = comparisons.Eq.bind(indices, number_like(indices, padding))
    # The padding row as a constant: the same value, without a gradient.
    return comparisons.Where.bind(
        broadcast_to(unsqueeze(at_padding, -1), tuple(rows.shape)), views.Detach.bind(rows), rows
    )


def embedding_renorm_(weight: Value, indices: Value, max_norm: float, norm_type: float = 2.0) -> Value:
    """The rows of ``weight`` that are named and longer than ``max_norm`` made that long, in place, without a gradient.

    Gives the weight.
    """
    _require_indices("embedding_renorm_", "indices", indices)
    if weight.ndim != 2:
        raise RuntimeError("'weight' must be 2-D")
    flat = views.Reshape.bind(indices, shape=(product(indices.shape),))
    rows = views.Detach.bind(gathers.IndexSelect.bind(weight, flat, dim=0))
    length = norm(rows, norm_type, 1, keepdim=True)
    shortened = where(length > max_norm, rows * (max_norm / (length + 1e-7)), rows)
    replaced = scatters.IndexCopy.bind(views.Detach.bind(weight), flat, shortened, dim=0)
    if not hasattr(weight, "detach_"):
        return replaced  # a value of a graph: the table from here on
    weight.detach()._assign(replaced)
    return weight


# -- bags ----------------------------------------------------------------------------------------------------------


def embedding_bag(
    input: Value,
    weight: Value,
    offsets: Value | None = None,
    max_norm: float | None = None,
    norm_type: float = 2,
    scale_grad_by_freq: bool = False,
    mode: str = "mean",
    sparse: bool = False,
    per_sample_weights: Value | None = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Value:
    """Rows of ``weight`` combined ("sum", "mean", "max") in bags: ``[bags, width]``.

    The bags are the rows of a matrix of indices, or begin at the ``offsets`` of a vector of indices (whose last one,
    with ``include_last_offset``, is where the last bag ends). Rows named ``padding_idx`` do not count.
    ``per_sample_weights``, shaped as the input, multiply the rows of sums. An empty bag gives zeros.

    Raises ValueError, RuntimeError, NotImplementedError or IndexError, with PyTorch's words.
    """
    if weight.dtype == int64 and input.dtype.is_floating_point:
        warn(
            "Argument order of nn.functional.embedding_bag was changed. Usage `embedding_bag(weight, input, ...)` is "
            "deprecated, and should now be `embedding_bag(input, weight, ...)`.",
        )
        weight, input = input, weight
    if per_sample_weights is not None and tuple(input.shape) != tuple(per_sample_weights.shape):
        raise ValueError(
            f"embedding_bag: If per_sample_weights ({per_sample_weights.shape}) is not None, then it must have the "
            f"same shape as the input ({input.shape})"
        )
    if weight.ndim != 2:
        raise ValueError(f"weight has to be a 2D Tensor, but got Tensor of dimension {weight.ndim}")
    _require_bags(input, offsets)
    if mode not in ("sum", "mean", "max"):
        raise ValueError("mode has to be one of sum, mean or max")
    if mode == "max" and scale_grad_by_freq:
        raise ValueError("max mode does not support scaling the gradient by the frequency")
    if mode == "max" and sparse:
        raise ValueError("max mode does not support sparse weights")
    if max_norm is not None:
        weight = embedding_renorm_(weight, input, max_norm, norm_type)
    if per_sample_weights is not None and mode != "sum":
        raise NotImplementedError(
            "embedding_bag: per_sample_weights was not None. per_sample_weights is only supported for mode='sum' (got "
            f"mode='{mode}'). Please open a feature request on GitHub."
        )
    _note_sparse("embedding_bag", sparse)
    padding = _require_operands(input, weight, offsets, per_sample_weights, padding_idx)
    return _bagged(
        input, weight, offsets, mode, scale_grad_by_freq, per_sample_weights, bool(include_last_offset), padding
    )


def _require_bags(input: Value, offsets: Value | None) -> None:
    if input.ndim == 2:
        if offsets is not None:
            raise ValueError(
                "if input is 2D, then offsets has to be None, as input is treated is a mini-batch of fixed length "
                f"sequences. However, found offsets of type {type(offsets)}"
            )
    elif input.ndim != 1:
        raise ValueError(f"input has to be 1D or 2D Tensor, but got Tensor of dimension {input.ndim}")
    elif offsets is None:
        raise ValueError("offsets has to be a 1D Tensor but got None")
    elif offsets.ndim != 1:
        raise ValueError("offsets has to be a 1D Tensor")


def _require_operands(
    input: Value, weight: Value, offsets: Value | None, per_sample: Value | None, padding_idx: int | None
) -> int | None:
    _require_indices("embedding_bag", "indices", input)
    if offsets is not None:
        _require_indices("embedding_bag", "offsets", offsets)
    if not weight.dtype.is_floating_point:
        raise RuntimeError(
            "Expected tensor for argument #1 'weight' to have one of the following scalar types: Half, BFloat16, "
            f"Float, Double; but got torch.{type_name(weight.dtype)}Tensor instead (while checking arguments for "
            "embedding_bag)"
        )
    if per_sample is not None and per_sample.dtype != weight.dtype:
        raise RuntimeError(
            "Expected tensor for argument #1 'weight' to have the same type as tensor for argument #1 "
            f"'per_sample_weights'; but type torch.{type_name(weight.dtype)}Tensor does not equal "
            f"torch.{type_name(per_sample.dtype)}Tensor (while checking arguments for embedding_bag)"
        )
    if padding_idx is None:
        return None
    count = weight.shape[0]
    if not -count <= padding_idx < count:
        raise RuntimeError(
            f"padding_idx must be within the number of embeddings, {-count} through {count - 1}, but got {padding_idx}"
        )
    return padding_idx % count


def _bagged(
    input: Value,
    weight: Value,
    offsets: Value | None,
    mode: str,
    by_frequency: bool,
    per_sample: Value | None,
    include_last: bool,
    padding: int | None,
) -> Value:
    if weight.dtype.is_half:
        wide = _bagged(input, _single(weight), offsets, mode, by_frequency, _single(per_sample), include_last, padding)
        return cast(wide, weight.dtype)
    rows = _rows(weight, input, None, by_frequency)
    counted = None
    if padding is not None:
        counted = comparisons.Ne.bind(input, number_like(input, padding))
    if mode == "max":
        lowest = number_like(rows, float("-inf"), shape=())
        rows = rows if counted is None else where(unsqueeze(counted, -1), rows, lowest)
    else:
        rows = rows if per_sample is None else rows * unsqueeze(per_sample, -1)
        rows = rows if counted is None else where(unsqueeze(counted, -1), rows, number_like(rows, 0, shape=()))
    bags = _EvenBags(rows) if offsets is None else _Bags(rows, offsets, include_last)
    if mode == "max":
        return bags.largest()
    total = bags.total(rows)
    if mode == "sum":
        return total
    ones = number_like(rows, 1, shape=tuple(input.shape))
    sizes = bags.total(unsqueeze(ones if counted is None else cast(counted, rows.dtype), -1))
    return total / where(sizes > 0, sizes, number_like(sizes, 1))


def _single(value: Value | None) -> Value | None:
    return None if value is None else as_single(value)


def bag_numbers(offsets: Value, elements: Dimension) -> Value:
    """int64[elements]: for each element the number of its bag, where bags begin at the offsets."""
    offsets = CheckOffsets.bind(offsets, extent=elements + 1)
    first = CheckOffsets.bind(slice_dim(offsets, 0, 0, 1), extent=1)
    offsets = cat([first, slice_dim(offsets, 0, 1, offsets.shape[0])], 0)
    # How many bags have begun at each element, less one, is the number of its bag; beyond the last there is none.
    begun = scatters.IndexAdd.bind(
        number_like(offsets, 0, shape=(elements + 1,), dtype=int64),
        offsets,
        number_like(offsets, 1, dtype=int64),
        dim=0,
    )
    return slice_dim(cumsum(begun, 0), 0, 0, elements) - 1


class _EvenBags:
    """Bags of one size: rows [bags, size, width]."""

    def __init__(self, rows: Value):
        self.rows = rows

    def total(self, rows: Value) -> Value:
        """The sum of each bag's rows."""
        return sum(rows, 1)

    def largest(self) -> Value:
        """The largest element of each bag in each column; zero of an empty bag. The gradient goes to the first."""
        bags, size, width = self.rows.shape
        if size == 0:
            return number_like(self.rows, 0, shape=(bags, width))
        where_first = unsqueeze(ArgMax.bind(views.Detach.bind(self.rows), dims=(1,)), 1)
        return _finite(views.Reshape.bind(gathers.GatherAlong.bind(self.rows, where_first, dim=1), shape=(bags, width)))


class _Bags:
    """Bags that begin at offsets: rows [elements, width]."""

    def __init__(self, rows: Value, offsets: Value, include_last: bool):
        self.rows = rows
        self.elements: Dimension = rows.shape[0]
        given = offsets.shape[0]
        if include_last and given == 0:
            raise RuntimeError("include_last_offset: number of offset should be at least 1")
        self.count: Dimension = given - 1 if include_last else given
        if given == 0:
            return
        self.numbers = bag_numbers(offsets, self.elements)
        self.room: Dimension = given

    def _within(self, values: Value) -> Value:
        return slice_dim(values, 0, 0, self.count) if self.room != self.count else values

    def total(self, rows: Value) -> Value:
        """The sum of each bag's rows."""
        width = rows.shape[1]
        if self.count == 0:
            return number_like(rows, 0, shape=(0, width))
        zeros = number_like(rows, 0, shape=(self.room, width))
        return self._within(scatters.IndexAdd.bind(zeros, self.numbers, rows, dim=0))

    def largest(self) -> Value:
        """The largest element of each bag in each column; zero of an empty bag. The gradient goes to the first."""
        width = self.rows.shape[1]
        if self.count == 0 or self.elements == 0:
            return number_like(self.rows, 0, shape=(self.count, width))
        values = views.Detach.bind(self.rows)
        bag = broadcast_to(unsqueeze(self.numbers, -1), (self.elements, width))
        attrs = {"dim": 0, "include_self": True}
        lowest = number_like(values, float("-inf"), shape=(self.room, width))
        extremes = scatter_reduced(lowest, bag, values, reduce="amax", **attrs)
        is_extreme = comparisons.Eq.bind(values, gathers.GatherAlong.bind(extremes, bag, dim=0))
        # The first element that has the extreme; where a bag is empty, any: its value is not taken.
        places = sources.Iota.instance
        place = values.apply(places, (), {"shape": (self.elements, width), "dim": 0, "dtype": int64})
        none = number_like(place, self.elements)
        candidates = where(is_extreme, place, none)
        last = number_like(place, self.elements, shape=(self.room, width))
        first = scatter_reduced(last, bag, candidates, reduce="amin", **attrs)
        empty = first == self.elements
        chosen = gathers.GatherAlong.bind(self.rows, where(empty, number_like(first, 0), first), dim=0)
        return self._within(where(empty, number_like(chosen, 0), _finite(chosen)))


def _finite(largest: Value) -> Value:
    """Zero where the largest of a bag is below all numbers: it holds nothing but padding."""
    return where(largest == float("-inf"), number_like(largest, 0), largest)
