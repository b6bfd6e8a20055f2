"""Channels taken for pixels and back: rearrangements of images, all of them views of views.

Source: https://docs.pytorch.org/docs/stable/nn.functional.html#vision-functions
"""

from __future__ import annotations

from typing import Any

from graphc.ir.integers import Dimension
from graphc.ops.pointwise import Copy
from graphc.ops.views import Permute, Reshape

__all__ = ["channel_shuffle", "native_channel_shuffle", "pixel_shuffle", "pixel_unshuffle"]
METHODS = ()

Value = Any


def _new(moved: Value, input: Value, shape: tuple[Dimension, ...]) -> Value:
    """What was moved, in a shape, and in memory of its own where nothing had to move."""
    result = Reshape.bind(moved, shape=shape)
    return Copy.bind(result) if input.is_eager and result._storage is input._storage else result


def pixel_shuffle(input: Value, upscale_factor: int) -> Value:
    """``[..., c * r * r, h, w]`` as ``[..., c, h * r, w * r]``: groups of r * r channels become squares of pixels."""
    if input.ndim < 3:
        raise RuntimeError(
            f"pixel_shuffle expects input to have at least 3 dimensions, but got input with {input.ndim} dimension(s)"
        )
    factor = int(upscale_factor)
    if factor <= 0:
        raise RuntimeError(f"pixel_shuffle expects a positive upscale_factor, but got {factor}")
    *leading, channels, height, width = input.shape
    if channels % (factor * factor):
        raise RuntimeError(
            "pixel_shuffle expects its input's 'channel' dimension to be divisible by the square of upscale_factor, "
            f"but input.size(-3)={channels} is not divisible by {factor * factor}"
        )
    kept, n = channels // (factor * factor), len(leading)
    split = Reshape.bind(input, shape=(*leading, kept, factor, factor, height, width))
    moved = Permute.bind(split, dims=(*range(n), n, n + 3, n + 1, n + 4, n + 2))
    return _new(moved, input, (*leading, kept, height * factor, width * factor))


def pixel_unshuffle(input: Value, downscale_factor: int) -> Value:
    """``[..., c, h * r, w * r]`` as ``[..., c * r * r, h, w]``: undoes :func:`pixel_shuffle`."""
    if input.ndim < 3:
        raise RuntimeError(
            f"pixel_unshuffle expects input to have at least 3 dimensions, but got input with {input.ndim} dimension(s)"
        )
    factor = int(downscale_factor)
    if factor <= 0:
        raise RuntimeError(f"pixel_unshuffle expects a positive downscale_factor, but got {factor}")
    *leading, channels, height, width = input.shape
    for what, place, extent in (("height", -2, height), ("width", -1, width)):
        if extent % factor:
            raise RuntimeError(
                f"pixel_unshuffle expects {what} to be divisible by downscale_factor, but input.size({place})={extent} "
                f"is not divisible by {factor}"
            )
    n = len(leading)
    split = Reshape.bind(input, shape=(*leading, channels, height // factor, factor, width // factor, factor))
    moved = Permute.bind(split, dims=(*range(n), n, n + 2, n + 4, n + 1, n + 3))
    return _new(moved, input, (*leading, channels * factor * factor, height // factor, width // factor))


def channel_shuffle(input: Value, groups: int) -> Value:
    """Channels (dim 1) of each group dealt out in turn: channel k of group g becomes channel ``k * groups + g``."""
    if input.ndim < 3:
        raise RuntimeError(f"channel_shuffle expects input with > 2 dims, but got input with sizes {list(input.shape)}")
    if groups <= 0:
        raise RuntimeError(f"Number of groups to divide channels in must be positive. Value of groups:{groups}")
    samples, channels, *extents = input.shape
    if channels % groups:
        raise RuntimeError(
            f"Number of channels must be divisible by groups. Got {channels} channels and {groups} groups."
        )
    split = Reshape.bind(input, shape=(samples, groups, channels // groups, *extents))
    moved = Permute.bind(split, dims=(0, 2, 1, *range(3, 3 + len(extents))))
    return _new(moved, input, tuple(input.shape))


native_channel_shuffle = channel_shuffle
