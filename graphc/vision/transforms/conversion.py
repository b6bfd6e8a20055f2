"""Between PIL images, arrays, and tensors, and between dtypes of tensors.

Source: https://docs.pytorch.org/vision/stable/transforms.html
"""

from __future__ import annotations

from typing import Any

import numpy as np

from graphc.creation import from_numpy
from graphc.ir.types import DType, float32, float64, int32, int64
from graphc.ops.promotion import get_default_dtype
from graphc.tensor import Tensor
from graphc.vision.transforms.images import is_pil_image, require_pil

__all__ = ["convert_image_dtype", "pil_to_tensor", "to_pil_image", "to_tensor"]

# Modes of PIL whose pixels are no bytes.
_WIDE_MODES = {"I": np.int32, "I;16": np.int16, "F": np.float32}

# For each number of channels: the modes that an array may be read as, and what the message calls it.
_MODES_OF_CHANNELS = {2: (("LA",), "2D"), 3: (("RGB", "YCbCr", "HSV"), "3D"), 4: (("RGBA", "CMYK", "RGBX"), "4D")}
_MODES_OF_ONE_CHANNEL = {"uint8": "L", "int16": "I;16", "int32": "I", "float32": "F"}


def to_tensor(pic: Any) -> Tensor:
    """A tensor (C, H, W) from a PIL image or an array (H, W) or (H, W, C).

    Bytes become the default floating dtype, divided by 255; other pixels keep their values. Raises TypeError for
    another kind of picture, ValueError for an array of another rank.
    """
    if isinstance(pic, np.ndarray):
        if pic.ndim not in (2, 3):
            raise ValueError(f"pic should be 2/3 dimensional. Got {pic.ndim} dimensions.")
        array = pic[:, :, None] if pic.ndim == 2 else pic
    elif is_pil_image(pic):
        array = _pixels(pic).astype(_WIDE_MODES.get(pic.mode, np.uint8))
        if pic.mode == "1":
            array = array * np.uint8(255)
    else:
        raise TypeError(f"pic should be PIL Image or ndarray. Got {type(pic)}")
    array = np.array(array.transpose(2, 0, 1), order="C")
    if array.dtype != np.uint8:
        return from_numpy(array)
    dtype = get_default_dtype().numpy
    scaled = array.astype(dtype)
    scaled /= dtype.type(255)
    return from_numpy(scaled)


def pil_to_tensor(pic: Any) -> Tensor:
    """A tensor (C, H, W) with a PIL image's pixels as they are. Raises TypeError for anything but a PIL image."""
    if not is_pil_image(pic):
        raise TypeError(f"pic should be PIL Image. Got {type(pic)}")
    return from_numpy(np.array(_pixels(pic).transpose(2, 0, 1), order="C"))


def _pixels(image: Any) -> np.ndarray:
    """A PIL image as an array (H, W, C)."""
    return np.asarray(image).reshape(image.height, image.width, len(image.getbands()))


def convert_image_dtype(image: Tensor, dtype: DType = float32) -> Tensor:
    """An image in another dtype, with the range of its values scaled to that dtype's: [0, 1] for floating ones.

    Raises TypeError for no tensor, RuntimeError for a conversion that would lose values, such as float32 to int32.
    """
    if not isinstance(image, Tensor):
        raise TypeError("Input img should be Tensor Image")
    if image.dtype == dtype:
        return image
    if image.dtype.is_floating_point:
        if dtype.is_floating_point:
            return image.to(dtype)
        if (image.dtype == float32 and dtype in (int32, int64)) or (image.dtype == float64 and dtype == int64):
            raise RuntimeError(f"The cast from {image.dtype} to {dtype} cannot be performed safely.")
        # Just below the next whole number: 1.0 becomes the highest value, and steps have equal widths.
        return (image * (highest(dtype) + 1.0 - 1e-3)).to(dtype)
    top = highest(image.dtype)
    if dtype.is_floating_point:
        return image.to(dtype) / top
    wanted = highest(dtype)
    if top > wanted:
        return (image // int((top + 1) // (wanted + 1))).to(dtype)
    return image.to(dtype) * int((wanted + 1) // (top + 1))


def highest(dtype: DType) -> float | int:
    """The value of white: 1 for floating dtypes, the highest value of others."""
    return int(np.iinfo(dtype.numpy).max) if dtype.is_integer else 1


def to_pil_image(pic: Any, mode: str | None = None) -> Any:
    """A PIL image from a tensor (C, H, W) or an array (H, W, C), each also without channels.

    Args:
        pic: floating values of a tensor are taken as [0, 1] and become bytes, unless the mode is "F".
        mode: PIL's; by default L, LA, RGB, or RGBA by the number of channels, or the wide one of the dtype.

    Raises:
        TypeError: for another kind of picture, or a dtype that no mode has.
        ValueError: for another rank, more than four channels, or a mode with another number of channels.
    """
    Image = require_pil("an image of PIL")

    array = _array_of(pic, mode)
    height, width, channels = array.shape
    if channels == 1:
        expected = _MODES_OF_ONE_CHANNEL.get(array.dtype.name)
        if mode is not None and mode != expected:
            raise ValueError(f"Incorrect mode ({mode}) supplied for input type {array.dtype}. Should be {expected}")
        mode = expected
    else:
        known, name = _MODES_OF_CHANNELS[channels]
        if mode is not None and mode not in known:
            raise ValueError(f"Only modes {list(known)} are supported for {name} inputs")
        if array.dtype != np.uint8:
            mode = None
        elif mode is None:
            mode = known[0]
    if mode is None:
        raise TypeError(f"Input type {array.dtype} is not supported")
    return Image.frombytes(mode, (width, height), np.ascontiguousarray(array).tobytes())


def _array_of(pic: Any, mode: str | None) -> np.ndarray:
    """The picture as an array (H, W, C)."""
    if isinstance(pic, Tensor):
        if pic.ndim not in (2, 3):
            raise ValueError(f"pic should be 2/3 dimensional. Got {pic.ndim} dimensions.")
        array = pic.detach().numpy()
        if array.ndim == 2:
            array = array[None]
        if array.shape[0] > 4:
            raise ValueError(f"pic should not have > 4 channels. Got {array.shape[0]} channels.")
        if pic.dtype.is_floating_point and mode != "F":
            # Through a wide integer, so that what is out of range wraps as in PyTorch instead of being undefined.
            array = (array * array.dtype.type(255)).astype(np.int64).astype(np.uint8)
        return array.transpose(1, 2, 0)
    if isinstance(pic, np.ndarray):
        if pic.ndim not in (2, 3):
            raise ValueError(f"pic should be 2/3 dimensional. Got {pic.ndim} dimensions.")
        array = pic[:, :, None] if pic.ndim == 2 else pic
        if array.shape[2] > 4:
            raise ValueError(f"pic should not have > 4 channels. Got {array.shape[2]} channels.")
        return array
    raise TypeError(f"pic should be Tensor or ndarray. Got {type(pic)}.")
