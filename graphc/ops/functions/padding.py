"""Borders around tensors: constant, reflected, replicated, or wrapped around.

Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.pad.html
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from graphc.ir.types import int64
from graphc.ops import gathers, pointwise, sources
from graphc.ops.sources import literal_like
from graphc.ops.type_names import type_name

__all__ = ["constant_pad_nd"]
METHODS = ()

Value = Any
_ROUTINES = {"reflect": "reflection", "replicate": "replication"}


def pad(input: Value, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Value:
    """A border around the last dims: pairs of widths (before, after), the last dim first. Negative widths cut off.

    Modes: "constant" (of ``value``, default 0), "reflect", "replicate", "circular"; the latter three pad the last one
    to three dims of an input that has one or two dims more.

    Raises RuntimeError or NotImplementedError, with PyTorch's words, for widths or a mode that do not fit.
    """
    widths = tuple(pad)
    if len(widths) % 2:
        raise RuntimeError("Padding length must be divisible by 2")
    if len(widths) > 2 * input.ndim:
        raise RuntimeError(
            "Padding length should be less than or equal to two times the input dimension but got padding length "
            f"{len(widths)} and input of dimension {input.ndim}"
        )
    if mode == "constant":
        return _constant(input, widths, 0 if value is None else value)
    if value is not None and value != 0:
        raise RuntimeError(f'Padding mode "{mode}" doesn\'t take in value argument')
    if mode not in _BORDERS:
        raise NotImplementedError(f"Unrecognised padding mode {mode}")
    padded = len(widths) // 2
    if padded not in (1, 2, 3) or input.ndim - padded not in (1, 2):
        raise NotImplementedError(
            f"Padding size {len(widths)} is not supported for {input.ndim}D input tensor.\n"
            "Supported combinations for non-constant padding:\n"
            "  - 2D or 3D input: padding size = 2 (pads last dimension)\n"
            "  - 3D or 4D input: padding size = 4 (pads last 2 dimensions)\n"
            "  - 4D or 5D input: padding size = 6 (pads last 3 dimensions)"
        )
    if mode in _ROUTINES:
        _require_bordered(input, padded, mode)
    low, high = _by_dim(input, widths)
    if mode in _ROUTINES:
        _require_elements(input, padded, low, high)
    result = input
    for dim, (before, after) in enumerate(zip(low, high, strict=True)):
        if before or after:
            places = _BORDERS[mode](input, dim, before, after)
            result = gathers.IndexSelect.bind(result, literal_like(input, places, int64), dim=dim)
    return pointwise.Copy.bind(result) if result is input else result


def constant_pad_nd(input: Value, pad: Sequence[int], value: float = 0) -> Value:
    """:func:`pad` in the mode "constant"."""
    widths = tuple(pad)
    if len(widths) % 2:
        raise RuntimeError(f"Length of pad must be even but instead it equals {len(widths)}")
    if len(widths) > 2 * input.ndim:
        raise RuntimeError(
            "Length of pad should be no more than twice the number of dimensions of the input. Pad length is "
            f"{len(widths)}while the input has {input.ndim}dimensions."
        )
    return _constant(input, widths, value)


def _by_dim(input: Value, widths: Sequence[int]) -> tuple[list[int], list[int]]:
    """The widths before and after each dim, the first dim first."""
    low, high = [0] * input.ndim, [0] * input.ndim
    for place in range(len(widths) // 2):
        low[-1 - place], high[-1 - place] = widths[2 * place], widths[2 * place + 1]
    return low, high


def _constant(input: Value, widths: Sequence[int], value: float) -> Value:
    low, high = _by_dim(input, widths)
    for extent, before, after in zip(input.shape, low, high, strict=True):
        if isinstance(extent, int) and extent + before + after < 0:
            raise RuntimeError("narrow(): length must be non-negative.")
    number = sources.as_number(value, input.dtype)
    return gathers.Pad.bind(input, low=tuple(low), high=tuple(high), value=number)


def _require_bordered(input: Value, padded: int, mode: str) -> None:
    shape = list(input.shape)
    first = input.ndim - padded - 1  # the channels
    if 0 in shape[first:]:
        raise RuntimeError(
            f"Expected {padded + 1}D or {padded + 2}D (batch mode) tensor with possibly 0 batch size and other "
            f"non-zero dimensions for input, but got: {shape}"
        )
    if input.dtype.category == "bool":
        raise NotImplementedError(f"\"{_ROUTINES[mode]}_pad{padded}d\" not implemented for '{type_name(input.dtype)}'")


def _require_elements(input: Value, padded: int, low: list[int], high: list[int]) -> None:
    """Negative widths may leave no elements of a matrix or a volume, but of a row they must leave some."""
    left = [extent + before + after for extent, before, after in zip(input.shape, low, high, strict=True)]
    if padded == 1 and left[-1] < 1:
        raise RuntimeError(f"input (W: {input.shape[-1]}) is too small. Calculated output W: {left[-1]}")
    negative = next((extent for extent in left if extent < 0), None)
    if negative is not None:
        raise RuntimeError(f"Trying to create tensor with negative dimension {negative}: {left}")


def _reflected(input: Value, dim: int, before: int, after: int) -> list[int]:
    extent = input.shape[dim]
    if max(before, after) >= extent:
        argument = 4 + 2 * (input.ndim - 1 - dim)
        raise RuntimeError(
            f"Argument #{argument}: Padding size should be less than the corresponding input dimension, but got: "
            f"padding ({before}, {after}) at dimension {dim} of input {list(input.shape)}"
        )
    period = max(2 * (extent - 1), 1)
    inner = (place % period for place in range(-before, extent + after))
    return [min(place, period - place) if extent > 1 else 0 for place in inner]


def _replicated(input: Value, dim: int, before: int, after: int) -> list[int]:
    extent = input.shape[dim]
    return [min(max(place, 0), extent - 1) for place in range(-before, extent + after)]


def _wrapped(input: Value, dim: int, before: int, after: int) -> list[int]:
    extent = input.shape[dim]
    if max(before, after) > extent:
        raise RuntimeError("Padding value causes wrapping around more than once.")
    if extent + before + after < 0:
        raise RuntimeError("Negative padding value is resulting in an empty dimension")
    # What negative widths leave is what wraps around.
    kept = range(max(-before, 0), extent - max(-after, 0))
    if not kept:
        return []
    count = max(before, 0) + len(kept) + max(after, 0)
    return [kept[(place - max(before, 0)) % len(kept)] for place in range(count)]


_BORDERS: dict[str, Callable[[Value, int, int, int], list[int]]] = {
    "reflect": _reflected,
    "replicate": _replicated,
    "circular": _wrapped,
}
