"""Many images as one, and images as files.

Source: https://docs.pytorch.org/vision/stable/utils.html
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, BinaryIO

from graphc import cat, stack
from graphc.autograd.modes import no_grad
from graphc.creation import full
from graphc.tensor import Tensor
from graphc.vision.transforms.images import require_pil

__all__ = ["make_grid", "save_image"]


@no_grad()
def make_grid(
    tensor: Tensor | list[Tensor],
    nrow: int = 8,
    padding: int = 2,
    normalize: bool = False,
    value_range: tuple[float, float] | None = None,
    scale_each: bool = False,
    pad_value: float = 0.0,
) -> Tensor:
    """Images side by side in rows, as one image (C, H, W).

    Args:
        tensor: (N, C, H, W), or a list of images of one size; one image (C, H, W) or (H, W) is given back as it is.
            One channel becomes three.
        nrow: images in a row.
        padding: pixels between.
        normalize: scale values to [0, 1].
        value_range: the lowest and highest value, what lies beyond is cut; found in the images by default.
        scale_each: scale each image by itself.
        pad_value: what is between the images.

    Raises TypeError for anything but tensors, and a ``value_range`` that is no tuple.
    """
    if isinstance(tensor, list):
        for image in tensor:
            if not isinstance(image, Tensor):
                raise TypeError(f"tensor or list of tensors expected, got a list containing {type(image)}")
        tensor = stack(tensor, dim=0)
    if not isinstance(tensor, Tensor):
        raise TypeError(f"tensor or list of tensors expected, got {type(tensor)}")
    if tensor.ndim == 2:
        tensor = tensor.unsqueeze(0)
    if tensor.ndim == 3:
        tensor = tensor.unsqueeze(0)
    if tensor.shape[1] == 1:
        tensor = cat((tensor, tensor, tensor), 1)
    if normalize is True:
        if value_range is not None and not isinstance(value_range, tuple):
            raise TypeError("value_range has to be a tuple (min, max) if specified. min and max are numbers")
        if scale_each is True:
            tensor = stack([_scaled(image, value_range) for image in tensor])
        else:
            tensor = _scaled(tensor, value_range)
    if tensor.shape[0] == 1:
        return tensor.squeeze(0)
    count, channels = tensor.shape[:2]
    columns = min(nrow, count)
    rows = -(-count // columns)
    height, width = tensor.shape[2] + padding, tensor.shape[3] + padding
    grid = full((channels, height * rows + padding, width * columns + padding), pad_value, dtype=tensor.dtype)
    for number in range(count):
        top, left = number // columns * height + padding, number % columns * width + padding
        grid[:, top : top + height - padding, left : left + width - padding] = tensor[number]
    return grid


def _scaled(images: Tensor, value_range: tuple[float, float] | None) -> Tensor:
    low, high = value_range or (float(images.min()), float(images.max()))
    return (images.clamp(low, high) - low) / max(high - low, 1e-5)


@no_grad()
def save_image(
    tensor: Tensor | list[Tensor], fp: str | Path | BinaryIO, format: str | None = None, **kwargs: Any
) -> None:
    """Write an image with values in [0, 1], or a grid of several, to a file.

    Args:
        tensor: see :func:`make_grid`.
        fp: a path, or a file open for writing.
        format: as PIL calls it; by default by the path's extension.
        kwargs: those of :func:`make_grid`.

    Raises ImportError without Pillow.
    """
    Image = require_pil("writing an image")
    pixels = (make_grid(tensor, **kwargs) * 255 + 0.5).clamp(0, 255).permute(1, 2, 0).numpy().astype("uint8")
    Image.fromarray(pixels).save(fp, format=format)
