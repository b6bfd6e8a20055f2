"""In which order the elements of results lie in memory, where it is not that of the computation: as in PyTorch.

Source: https://docs.pytorch.org/tutorials/intermediate/memory_format_tutorial.html
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from graphc.layouts import channels_last, channels_last_3d, lay_in, lay_out_as, order_in_memory

# Channels last where the operand, or the weight, is so.
CHANNELS_LAST = frozenset(
    [
        "adaptive_avg_pool2d",
        "avg_pool2d",
        "channel_shuffle",
        "conv2d",
        "conv3d",
        "conv_transpose2d",
        "conv_transpose3d",
        "interpolate",
        "local_response_norm",
        "max_pool2d_with_indices",
        "max_unpool2d",
        "pad",
        "pixel_shuffle",
        "pixel_unshuffle",
        "upsample",
        "upsample_bilinear",
        "upsample_nearest",
    ]
)
# In the order of the first operand, whatever it is.
AS_FIRST = frozenset(["argsort", "flip", "fliplr", "flipud", "gelu", "index_fill", "sort"])
# Row by row, whatever the order of the operand is.
BY_ROWS = frozenset(
    [
        "layer_norm",
        "log_softmax",
        "logsigmoid",
        "masked_fill",
        "rms_norm",
        "rrelu",
        "softmax",
        "softmin",
        "tril",
        "triu",
    ]
)


def ordered(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    """A function whose results lie as PyTorch's do; the function itself where they do anyway."""
    if name in CHANNELS_LAST:
        rule = _channels_last
    elif name in AS_FIRST:
        rule = _as_first
    elif name in BY_ROWS:
        rule = _by_rows
    else:
        return function

    @functools.wraps(function)
    def laid_out(*arguments: Any, **keywords: Any) -> Any:
        result = function(*arguments, **keywords)
        for value in arguments[:2] or keywords.values():
            array = getattr(value, "_array", None)
            if array is not None and not array.flags.c_contiguous:
                for each in result if isinstance(result, tuple) else (result,):
                    # A view lies as what it views; so does an operand that was given back, or written to.
                    if each is not value and not getattr(each, "_chain", True):
                        rule(each, array)
                break
        return result

    return laid_out


def _channels_last(result: Any, operand: Any) -> None:
    if operand.ndim == result._array.ndim:
        order = channels_last if operand.ndim == 4 else channels_last_3d
        if order.holds(operand):
            order.lay_out(result)


def _as_first(result: Any, operand: Any) -> None:
    if operand.shape == result._array.shape and order_in_memory(operand) is not None:
        lay_out_as(result, operand)


def _by_rows(result: Any, operand: Any) -> None:
    if not result._array.flags.c_contiguous:
        lay_in(result, tuple(range(result._array.ndim)))
