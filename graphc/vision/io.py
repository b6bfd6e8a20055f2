"""Images as files, read into tensors and written from them, with Pillow.

Source: https://docs.pytorch.org/vision/stable/io.html
"""

from __future__ import annotations

import io
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np

from graphc.creation import from_numpy
from graphc.ir.types import uint8
from graphc.tensor import Tensor
from graphc.vision.transforms.conversion import to_pil_image
from graphc.vision.transforms.images import require_pil

__all__ = ["ImageReadMode", "decode_image", "read_file", "read_image", "write_file", "write_jpeg", "write_png"]


class ImageReadMode(Enum):
    """Which channels an image is read with: its own, gray, gray and alpha, RGB, or RGB and alpha."""

    UNCHANGED = 0
    GRAY = 1
    GRAY_ALPHA = 2
    RGB = 3
    RGB_ALPHA = 4


_MODES = {
    ImageReadMode.GRAY: "L",
    ImageReadMode.GRAY_ALPHA: "LA",
    ImageReadMode.RGB: "RGB",
    ImageReadMode.RGB_ALPHA: "RGBA",
}


def read_file(path: str | Path) -> Tensor:
    """A file's bytes, uint8 [N]."""
    return from_numpy(np.frombuffer(Path(path).read_bytes(), np.uint8).copy())


def write_file(filename: str | Path, data: Tensor) -> None:
    """Write bytes, uint8 [N]."""
    Path(filename).write_bytes(data.numpy().tobytes())


def decode_image(
    input: Tensor | str | Path,
    mode: ImageReadMode | str = ImageReadMode.UNCHANGED,
    apply_exif_orientation: bool = False,
) -> Tensor:
    """An image, uint8 (C, H, W), from a path or from the bytes of a file.

    Args:
        input: a path, or uint8 [N].
        mode: which channels; or its name.
        apply_exif_orientation: turn the image as its file says.

    Raises ImportError without Pillow.
    """
    Image = require_pil("reading an image")
    source = io.BytesIO(input.numpy().tobytes()) if isinstance(input, Tensor) else input
    mode = ImageReadMode[mode.upper()] if isinstance(mode, str) else mode
    with Image.open(source) as image:
        if apply_exif_orientation:
            from PIL import ImageOps

            image = ImageOps.exif_transpose(image)
        if mode is not ImageReadMode.UNCHANGED:
            image = image.convert(_MODES[mode])
        elif image.mode not in _MODES.values():
            image = image.convert("L" if image.mode == "1" else "RGB")
        pixels = np.array(image)
    return from_numpy(np.ascontiguousarray(pixels.reshape(*pixels.shape[:2], -1).transpose(2, 0, 1)))


def read_image(
    path: str | Path, mode: ImageReadMode | str = ImageReadMode.UNCHANGED, apply_exif_orientation: bool = False
) -> Tensor:
    """An image, uint8 (C, H, W), from a file; see :func:`decode_image`."""
    return decode_image(path, mode, apply_exif_orientation)


def _write(input: Tensor, filename: str | Path, format: str, **options: Any) -> None:
    require_pil("writing an image")
    if input.dtype != uint8:
        raise RuntimeError("Input tensor dtype should be uint8")
    to_pil_image(input).save(filename, format=format, **options)


def write_png(input: Tensor, filename: str | Path, compression_level: int = 6) -> None:
    """Write an image, uint8 (C, H, W) with C 1 or 3, as PNG. Raises RuntimeError for another dtype."""
    _write(input, filename, "PNG", compress_level=compression_level)


def write_jpeg(input: Tensor, filename: str | Path, quality: int = 75) -> None:
    """Write an image, uint8 (C, H, W) with C 1 or 3, as JPEG. Raises RuntimeError for another dtype."""
    _write(input, filename, "JPEG", quality=quality)
