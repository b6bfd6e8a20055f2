"""The reductions of losses as PyTorch's numbers, and from its older arguments, for losses that programs write."""

from __future__ import annotations

from graphc.ops.functions.loss_reduction import chosen_reduction, legacy_reduction, older_reduction

_NUMBERS = {"none": 0, "mean": 1, "sum": 2}


def get_enum(reduction: str) -> int:
    """The number of "none", "mean", or "sum". Raises ValueError for another name."""
    return _NUMBERS[chosen_reduction(None, None, reduction, 3)]


def legacy_get_string(size_average: bool | None, reduce: bool | None, emit_warning: bool = True) -> str:
    """The reduction that the older arguments mean; warns of them."""
    return legacy_reduction(size_average, reduce, 3) if emit_warning else older_reduction(size_average, reduce)


def legacy_get_enum(size_average: bool | None, reduce: bool | None, emit_warning: bool = True) -> int:
    """The number of the reduction that the older arguments mean; warns of them."""
    return _NUMBERS[
        legacy_reduction(size_average, reduce, 3) if emit_warning else older_reduction(size_average, reduce)
    ]
