"""Functions on images, as in ``torchvision.transforms.functional``: PIL images give PIL images, tensors give tensors.

Source: https://docs.pytorch.org/vision/stable/transforms.html#functional-transforms
"""

from __future__ import annotations

import numbers
import warnings
from collections.abc import Sequence
from types import ModuleType
from typing import Any

from graphc.creation import tensor as make_tensor
from graphc.missing_names import lazy_names
from graphc.tensor import Tensor
from graphc.vision.transforms import pil_images, tensor_colors, tensor_images
from graphc.vision.transforms.conversion import convert_image_dtype, pil_to_tensor, to_pil_image, to_tensor
from graphc.vision.transforms.images import dimensions, is_pil_image, require_image_tensor, size
from graphc.vision.transforms.interpolation import InterpolationMode, interpolation_mode

__all__ = [
    "InterpolationMode",
    "adjust_brightness",
    "adjust_contrast",
    "adjust_gamma",
    "adjust_hue",
    "adjust_saturation",
    "adjust_sharpness",
    "affine",
    "autocontrast",
    "center_crop",
    "convert_image_dtype",
    "crop",
    "elastic_transform",
    "equalize",
    "erase",
    "five_crop",
    "gaussian_blur",
    "get_dimensions",
    "get_image_num_channels",
    "get_image_size",
    "hflip",
    "invert",
    "normalize",
    "pad",
    "perspective",
    "pil_to_tensor",
    "posterize",
    "resize",
    "resized_crop",
    "rgb_to_grayscale",
    "rotate",
    "solarize",
    "ten_crop",
    "to_grayscale",
    "to_pil_image",
    "to_tensor",
    "vflip",
]

__getattr__ = lazy_names(__name__)

Fill = float | Sequence[float] | None

_PADDING_MODES = ("constant", "edge", "reflect", "symmetric")


def _by_kind(image: Any, for_tensors: ModuleType) -> ModuleType:
    """The module with the functions for this image. Raises TypeError for what is none."""
    if isinstance(image, Tensor):
        require_image_tensor(image)
        return for_tensors
    if is_pil_image(image):
        return pil_images
    raise TypeError(f"img should be PIL Image or Tensor. Got {type(image)}")


# -- what an image is ------------------------------------------------------------------------------------------------


def get_dimensions(img: Any) -> list[int]:
    """[channels, height, width]. Raises TypeError for what is no image."""
    return dimensions(img)


def get_image_size(img: Any) -> list[int]:
    """[width, height]. Raises TypeError for what is no image."""
    return size(img)


def get_image_num_channels(img: Any) -> int:
    """How many channels. Raises TypeError for what is no image."""
    return dimensions(img)[0]


# -- values of tensors -----------------------------------------------------------------------------------------------


def normalize(tensor: Tensor, mean: Sequence[float], std: Sequence[float], inplace: bool = False) -> Tensor:
    """Each channel of a floating tensor (..., C, H, W) minus its mean, divided by its deviation.

    Raises TypeError for no tensor or one that is not floating, ValueError for fewer dimensions and for a deviation of
    zero.
    """
    if not isinstance(tensor, Tensor):
        raise TypeError(f"img should be Tensor Image. Got {type(tensor)}")
    require_image_tensor(tensor)
    if not tensor.is_floating_point():
        raise TypeError(f"Input tensor should be a float tensor. Got {tensor.dtype}.")
    if tensor.ndim < 3:
        raise ValueError(
            f"Expected tensor to be a tensor image of size (..., C, H, W). Got tensor.size() = {tuple(tensor.shape)}"
        )
    shift, scale = (
        part.detach().to(tensor.dtype) if isinstance(part, Tensor) else make_tensor(part, dtype=tensor.dtype)
        for part in (mean, std)
    )
    if (scale.numpy() == 0).any():
        raise ValueError(f"std evaluated to zero after conversion to {tensor.dtype}, leading to division by zero.")
    if shift.ndim == 1:
        shift = shift.reshape(-1, 1, 1)
    if scale.ndim == 1:
        scale = scale.reshape(-1, 1, 1)
    result = tensor if inplace else tensor.clone()
    return result.sub_(shift).div_(scale)


def erase(img: Tensor, i: int, j: int, h: int, w: int, v: Tensor, inplace: bool = False) -> Tensor:
    """A tensor with the values v in a rectangle of h rows from i on and w columns from j on."""
    if not isinstance(img, Tensor):
        raise TypeError(f"img should be Tensor Image. Got {type(img)}")
    require_image_tensor(img)
    result = img if inplace else img.clone()
    result[..., i : i + h, j : j + w] = v
    return result


# -- sizes -----------------------------------------------------------------------------------------------------------


def resize(
    img: Any,
    size: int | Sequence[int],
    interpolation: Any = InterpolationMode.BILINEAR,
    max_size: int | None = None,
    antialias: bool | None = True,
) -> Any:
    """An image of another size.

    Args:
        img: a PIL image, or a tensor (..., H, W).
        size: (height, width); or the length of the shorter edge, the longer one following.
        interpolation: how pixels are computed.
        max_size: with one length only: how long the longer edge may become.
        antialias: for tensors; PIL always antialiases.

    Raises TypeError for another interpolation, ValueError for other lengths of ``size`` and a ``max_size`` that is not
    above it or not alone.
    """
    mode = interpolation_mode(interpolation)
    if isinstance(size, int):
        size = [size]
    if len(size) not in (1, 2):
        raise ValueError(f"Size must be an int or a 1 or 2 element tuple/list, not a {len(size)} element tuple/list")
    if max_size is not None and len(size) != 1:
        raise ValueError(
            "max_size should only be passed if size specifies the length of the smaller edge, i.e. size should be an "
            "int or a sequence of length 1 in torchscript mode."
        )
    _, height, width = dimensions(img)
    wanted = list(size) if len(size) == 2 else _proportional(height, width, size[0], max_size)
    if wanted == [height, width]:
        return img
    if antialias is False and is_pil_image(img):
        warnings.warn(
            "Anti-alias option is always applied for PIL Image input. Argument antialias is ignored.", stacklevel=2
        )
    return _by_kind(img, tensor_images).resize(img, *wanted, mode, antialias)


def _proportional(height: int, width: int, short: int, most: int | None) -> list[int]:
    """Height and width with the shorter edge as long as given, or less where the longer would exceed the most."""
    old_short, old_long = min(height, width), max(height, width)
    long = int(short * old_long / old_short)
    if most is not None:
        if most <= short:
            raise ValueError(
                f"max_size = {most} must be strictly greater than the requested size for the smaller edge size = "
                f"{[short]}"
            )
        if long > most:
            short, long = int(most * short / long), most
    return [long, short] if width <= height else [short, long]


def pad(img: Any, padding: int | Sequence[int], fill: Fill = 0, padding_mode: str = "constant") -> Any:
    """An image with borders: one width for all, [left and right, top and bottom], or [left, top, right, bottom].

    Raises TypeError for a padding or fill of another type, ValueError for other lengths and unknown modes.
    """
    kind = _by_kind(img, tensor_images)
    if not isinstance(padding, numbers.Number | tuple | list):
        raise TypeError("Got inappropriate padding arg")
    if fill is not None and not isinstance(fill, numbers.Number | tuple | list):
        raise TypeError("Got inappropriate fill arg")
    if not isinstance(padding_mode, str):
        raise TypeError("Got inappropriate padding_mode arg")
    borders = [padding] if isinstance(padding, numbers.Number) else list(padding)
    if len(borders) not in (1, 2, 4):
        raise ValueError(f"Padding must be an int or a 1, 2, or 4 element tuple, not a {len(borders)} element tuple")
    if padding_mode not in _PADDING_MODES:
        raise ValueError("Padding mode should be either constant, edge, reflect or symmetric")
    return kind.pad(img, borders * (4 // len(borders)), fill, padding_mode)


def crop(img: Any, top: int, left: int, height: int, width: int) -> Any:
    """A rectangle of the image; what lies outside of it is black."""
    return _by_kind(img, tensor_images).crop(img, top, left, height, width)


def _pair(size: Any) -> tuple[int, int]:
    """Height and width, from two numbers or one."""
    if isinstance(size, numbers.Number):
        return int(size), int(size)
    if len(size) == 1:
        return size[0], size[0]
    if len(size) != 2:
        raise ValueError("Please provide only two dimensions (h, w) for size.")
    return size[0], size[1]


def center_crop(img: Any, output_size: int | Sequence[int]) -> Any:
    """The middle of the image, with black borders where it is smaller."""
    height, width = _pair(output_size)
    _, old_height, old_width = dimensions(img)
    if height > old_height or width > old_width:
        rows, columns = max(height - old_height, 0), max(width - old_width, 0)
        img = pad(img, [columns // 2, rows // 2, (columns + 1) // 2, (rows + 1) // 2], fill=0)
        _, old_height, old_width = dimensions(img)
        if (height, width) == (old_height, old_width):
            return img
    return crop(img, round((old_height - height) / 2), round((old_width - width) / 2), height, width)


def resized_crop(
    img: Any,
    top: int,
    left: int,
    height: int,
    width: int,
    size: int | Sequence[int],
    interpolation: Any = InterpolationMode.BILINEAR,
    antialias: bool | None = True,
) -> Any:
    """A rectangle of the image in another size."""
    return resize(crop(img, top, left, height, width), size, interpolation, antialias=antialias)


def five_crop(img: Any, size: int | Sequence[int]) -> tuple[Any, Any, Any, Any, Any]:
    """The corners (top left, top right, bottom left, bottom right) and the middle. Raises ValueError for a size above
    that of the image."""
    height, width = _pair(size)
    _, old_height, old_width = dimensions(img)
    if width > old_width or height > old_height:
        raise ValueError(f"Requested crop size {(height, width)} is bigger than input size {(old_height, old_width)}")
    bottom, right = old_height - height, old_width - width
    corners = [crop(img, top, left, height, width) for top in (0, bottom) for left in (0, right)]
    return (*corners, center_crop(img, [height, width]))


def ten_crop(img: Any, size: int | Sequence[int], vertical_flip: bool = False) -> tuple[Any, ...]:
    """The five crops of the image, then those of the mirrored image."""
    mirrored = vflip(img) if vertical_flip else hflip(img)
    return (*five_crop(img, size), *five_crop(mirrored, size))


# -- maps of the plane -----------------------------------------------------------------------------------------------


def hflip(img: Any) -> Any:
    """Mirrored left to right."""
    return _by_kind(img, tensor_images).hflip(img)


def vflip(img: Any) -> Any:
    """Mirrored top to bottom."""
    return _by_kind(img, tensor_images).vflip(img)


def _from_middle(center: Sequence[float] | None, img: Tensor) -> list[float]:
    """A place given from the top left corner, from the image's middle; the middle by default."""
    if center is None:
        return [0.0, 0.0]
    return [place - length * 0.5 for place, length in zip(center, size(img), strict=True)]


def _check_angle_and_center(angle: Any, center: Any) -> None:
    if not isinstance(angle, int | float):
        raise TypeError("Argument angle should be int or float")
    if center is not None and not isinstance(center, list | tuple):
        raise TypeError("Argument center should be a sequence")


def rotate(
    img: Any,
    angle: float,
    interpolation: Any = InterpolationMode.NEAREST,
    expand: bool = False,
    center: Sequence[float] | None = None,
    fill: Fill = None,
) -> Any:
    """The image turned by so many degrees against the clock.

    Args:
        img: a PIL image, or a tensor (..., C, H, W).
        angle: in degrees.
        interpolation: nearest or bilinear; for PIL images also bicubic.
        expand: on a canvas that holds all of the turned image.
        center: (x, y) from the top left corner; the middle by default.
        fill: the colour of what was outside of the image.
    """
    mode = interpolation_mode(interpolation)
    _check_angle_and_center(angle, center)
    if _by_kind(img, tensor_images) is pil_images:
        return pil_images.rotate(img, angle, mode, expand, center, fill)
    matrix = tensor_images.inverse_affine_matrix(_from_middle(center, img), -angle, (0.0, 0.0), 1.0, (0.0, 0.0))
    return tensor_images.rotate(img, matrix, mode, expand, fill)


def affine(
    img: Any,
    angle: float,
    translate: Sequence[float],
    scale: float,
    shear: float | Sequence[float],
    interpolation: Any = InterpolationMode.NEAREST,
    fill: Fill = None,
    center: Sequence[float] | None = None,
) -> Any:
    """The image turned with the clock, sheared, scaled, and moved.

    Args:
        img: a PIL image, or a tensor (..., C, H, W).
        angle: in degrees.
        translate: pixels to the right and down.
        scale: above 0.
        shear: degrees along x, or along x and y.
        interpolation: nearest or bilinear; for PIL images also bicubic.
        fill: the colour of what was outside of the image.
        center: (x, y) from the top left corner; the middle by default.

    Raises TypeError and ValueError for arguments of other kinds, lengths, and ranges.
    """
    mode = interpolation_mode(interpolation)
    _check_angle_and_center(angle, center)
    if not isinstance(translate, list | tuple):
        raise TypeError("Argument translate should be a sequence")
    if len(translate) != 2:
        raise ValueError("Argument translate should be a sequence of length 2")
    if scale <= 0.0:
        raise ValueError("Argument scale should be positive")
    if not isinstance(shear, numbers.Number | list | tuple):
        raise TypeError("Shear should be either a single value or a sequence of two values")
    if isinstance(shear, numbers.Number):
        shear = [shear, 0.0]
    elif len(shear) == 1:
        shear = [shear[0], shear[0]]
    if len(shear) != 2:
        raise ValueError(f"Shear should be a sequence containing two values. Got {shear}")
    kind = _by_kind(img, tensor_images)
    if kind is tensor_images:
        center = _from_middle(center, img)
    elif center is None:
        center = [length * 0.5 for length in size(img)]
    matrix = tensor_images.inverse_affine_matrix(center, angle, translate, scale, shear)
    return kind.affine(img, matrix, mode, fill)


def perspective(
    img: Any,
    startpoints: Sequence[Sequence[int]],
    endpoints: Sequence[Sequence[int]],
    interpolation: Any = InterpolationMode.BILINEAR,
    fill: Fill = None,
) -> Any:
    """The image seen so that four of its points [x, y] come to lie on four others.

    Raises ValueError for other numbers of points.
    """
    coefficients = tensor_images.perspective_coefficients(startpoints, endpoints)
    return _by_kind(img, tensor_images).perspective(img, coefficients, interpolation_mode(interpolation), fill)


def elastic_transform(
    img: Any, displacement: Tensor, interpolation: Any = InterpolationMode.BILINEAR, fill: Fill = None
) -> Any:
    """The image with each pixel from elsewhere.

    Args:
        img: a PIL image, or a tensor (..., C, H, W).
        displacement: [1, H, W, 2], how far away each pixel is taken from, where 2 is the width or height.
        interpolation: nearest or bilinear.
        fill: the colour of what was outside of the image.

    Raises TypeError for no tensor of displacements, ValueError for another shape.
    """
    if not isinstance(displacement, Tensor):
        raise TypeError("Argument displacement should be a Tensor")
    _, height, width = dimensions(img)
    if tuple(displacement.shape) != (1, height, width, 2):
        raise ValueError(
            f"Argument displacement shape should be {(1, height, width, 2)}, but given {tuple(displacement.shape)}"
        )
    mode = interpolation_mode(interpolation)
    return _as_tensor(img, lambda pixels: tensor_images.elastic(pixels, displacement, mode, fill))


def _as_tensor(img: Any, work: Any) -> Any:
    """What a function of tensors makes of an image, a PIL image of a PIL image."""
    if isinstance(img, Tensor):
        require_image_tensor(img)
        return work(img)
    if not is_pil_image(img):
        raise TypeError(f"img should be PIL Image or Tensor. Got {type(img)}")
    return to_pil_image(work(pil_to_tensor(img)), mode=img.mode)


def gaussian_blur(img: Any, kernel_size: int | Sequence[int], sigma: float | Sequence[float] | None = None) -> Any:
    """Each pixel as a mean of its neighbours, weighted by a bell curve.

    Args:
        img: a PIL image, or a tensor (..., C, H, W).
        kernel_size: how many columns and rows are looked at, odd.
        sigma: the deviations along x and y; by default 0.15 times the size plus 0.35.

    Raises TypeError and ValueError for arguments of other kinds, lengths, and ranges.
    """
    if not isinstance(kernel_size, int | list | tuple):
        raise TypeError(f"kernel_size should be int or a sequence of integers. Got {type(kernel_size)}")
    sizes = [kernel_size, kernel_size] if isinstance(kernel_size, int) else list(kernel_size)
    if len(sizes) != 2:
        raise ValueError(f"If kernel_size is a sequence its length should be 2. Got {len(sizes)}")
    if any(length % 2 == 0 or length < 0 for length in sizes):
        raise ValueError(f"kernel_size should have odd and positive integers. Got {sizes}")
    if sigma is None:
        sigma = [length * 0.15 + 0.35 for length in sizes]
    if not isinstance(sigma, int | float | list | tuple):
        raise TypeError(f"sigma should be either float or sequence of floats. Got {type(sigma)}")
    spreads = [float(sigma)] if isinstance(sigma, int | float) else list(sigma)
    if len(spreads) == 1:
        spreads = spreads * 2
    if len(spreads) != 2:
        raise ValueError(f"If sigma is a sequence, its length should be 2. Got {len(spreads)}")
    if any(spread <= 0.0 for spread in spreads):
        raise ValueError(f"sigma should have positive values. Got {spreads}")
    return _as_tensor(img, lambda pixels: tensor_images.gaussian_blur(pixels, sizes, spreads))


# -- colours ---------------------------------------------------------------------------------------------------------


def _require_not_negative(img: Any, name: str, factor: float) -> None:
    if factor < 0 and isinstance(img, Tensor):
        raise ValueError(f"{name} ({factor}) is not non-negative.")


def adjust_brightness(img: Any, brightness_factor: float) -> Any:
    """Black for 0, the image for 1, twice as bright for 2."""
    _require_not_negative(img, "brightness_factor", brightness_factor)
    return _by_kind(img, tensor_colors).adjust_brightness(img, brightness_factor)


def adjust_contrast(img: Any, contrast_factor: float) -> Any:
    """One gray for 0, the image for 1, twice the contrast for 2."""
    _require_not_negative(img, "contrast_factor", contrast_factor)
    return _by_kind(img, tensor_colors).adjust_contrast(img, contrast_factor)


def adjust_saturation(img: Any, saturation_factor: float) -> Any:
    """Without colours for 0, the image for 1, twice as colourful for 2."""
    _require_not_negative(img, "saturation_factor", saturation_factor)
    return _by_kind(img, tensor_colors).adjust_saturation(img, saturation_factor)


def adjust_hue(img: Any, hue_factor: float) -> Any:
    """All hues turned by a part of the circle, in [-0.5, 0.5]. Raises ValueError for other parts."""
    if not -0.5 <= hue_factor <= 0.5:
        raise ValueError(f"hue_factor ({hue_factor}) is not in [-0.5, 0.5].")
    return _by_kind(img, tensor_colors).adjust_hue(img, hue_factor)


def adjust_sharpness(img: Any, sharpness_factor: float) -> Any:
    """Blurred for 0, the image for 1, sharper for 2."""
    _require_not_negative(img, "sharpness_factor", sharpness_factor)
    return _by_kind(img, tensor_colors).adjust_sharpness(img, sharpness_factor)


def adjust_gamma(img: Any, gamma: float, gain: float = 1) -> Any:
    """Each value of [0, 1] to the power of gamma, times the gain. Raises ValueError for a gamma below 0."""
    if gamma < 0:
        raise ValueError("Gamma should be a non-negative real number")
    return _by_kind(img, tensor_colors).adjust_gamma(img, gamma, gain)


def to_grayscale(img: Any, num_output_channels: int = 1) -> Any:
    """A PIL image without colours, in one channel or three equal ones. Raises TypeError for anything else."""
    if not is_pil_image(img):
        raise TypeError("Input should be PIL Image")
    return pil_images.to_grayscale(img, num_output_channels)


def rgb_to_grayscale(img: Any, num_output_channels: int = 1) -> Any:
    """An image without colours, in one channel or three equal ones."""
    if _by_kind(img, tensor_colors) is pil_images:
        return pil_images.to_grayscale(img, num_output_channels)
    return tensor_colors.rgb_to_grayscale(img, num_output_channels)


def invert(img: Any) -> Any:
    """The negative."""
    return _by_kind(img, tensor_colors).invert(img)


def posterize(img: Any, bits: int) -> Any:
    """With so many bits of each channel kept. Raises ValueError for bits outside [0, 8]."""
    if not 0 <= bits <= 8:
        raise ValueError(f"The number if bits should be between 0 and 8. Got {bits}")
    return _by_kind(img, tensor_colors).posterize(img, bits)


def solarize(img: Any, threshold: float) -> Any:
    """With all values from the threshold on inverted."""
    return _by_kind(img, tensor_colors).solarize(img, threshold)


def autocontrast(img: Any) -> Any:
    """With each channel's darkest value black and its lightest white."""
    return _by_kind(img, tensor_colors).autocontrast(img)


def equalize(img: Any) -> Any:
    """With all values about as frequent."""
    return _by_kind(img, tensor_colors).equalize(img)
