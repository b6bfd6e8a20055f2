"""Transforms that crop, resize, pad, and move the pixels of an image: a PIL image, or a tensor (..., C, H, W).

Random numbers are drawn as torchvision draws them.
Source: https://docs.pytorch.org/vision/stable/transforms.html#geometry
"""

from __future__ import annotations

import math
import numbers
import warnings
from collections.abc import Sequence
from typing import Any, ClassVar

from graphc import cat
from graphc.creation import from_numpy
from graphc.nn.module import Module
from graphc.tensor import Tensor
from graphc.vision.transforms import draws
from graphc.vision.transforms import functional as F
from graphc.vision.transforms.arguments import (
    ShownTransform,
    angle_range,
    fill_or_black,
    fill_values,
    pair,
    require_sequence,
)
from graphc.vision.transforms.images import dimensions
from graphc.vision.transforms.interpolation import InterpolationMode, interpolation_mode

__all__ = [
    "CenterCrop",
    "ElasticTransform",
    "FiveCrop",
    "Pad",
    "RandomAffine",
    "RandomCrop",
    "RandomHorizontalFlip",
    "RandomPerspective",
    "RandomResizedCrop",
    "RandomRotation",
    "RandomVerticalFlip",
    "Resize",
    "TenCrop",
]

Size = int | Sequence[int]


class Resize(ShownTransform):
    """An image of another size, see :func:`functional.resize`. Raises TypeError and ValueError for other sizes."""

    shown: ClassVar = ("size", "interpolation", "max_size", "antialias")

    def __init__(
        self,
        size: Size,
        interpolation: Any = InterpolationMode.BILINEAR,
        max_size: int | None = None,
        antialias: bool | None = True,
    ):
        super().__init__()
        if not isinstance(size, int | Sequence):
            raise TypeError(f"Size should be int or sequence. Got {type(size)}")
        if isinstance(size, Sequence) and len(size) not in (1, 2):
            raise ValueError("If size is a sequence, it should have 1 or 2 values")
        self.size = size
        self.max_size = max_size
        self.interpolation = interpolation_mode(interpolation)
        self.antialias = antialias

    def forward(self, img: Any) -> Any:
        return F.resize(img, self.size, self.interpolation, self.max_size, self.antialias)


class CenterCrop(ShownTransform):
    """The middle of the image, with black borders where it is smaller."""

    shown: ClassVar = ("size",)

    def __init__(self, size: Size):
        super().__init__()
        self.size = pair(size)

    def forward(self, img: Any) -> Any:
        return F.center_crop(img, self.size)


class Pad(ShownTransform):
    """The image with borders, see :func:`functional.pad`."""

    shown: ClassVar = ("padding", "fill", "padding_mode")

    def __init__(self, padding: Size, fill: Any = 0, padding_mode: str = "constant"):
        super().__init__()
        if not isinstance(padding, numbers.Number | tuple | list):
            raise TypeError("Got inappropriate padding arg")
        if not isinstance(fill, numbers.Number | tuple | list):
            raise TypeError("Got inappropriate fill arg")
        if padding_mode not in ("constant", "edge", "reflect", "symmetric"):
            raise ValueError("Padding mode should be either constant, edge, reflect or symmetric")
        if isinstance(padding, Sequence) and len(padding) not in (1, 2, 4):
            raise ValueError(
                f"Padding must be an int or a 1, 2, or 4 element tuple, not a {len(padding)} element tuple"
            )
        self.padding = padding
        self.fill = fill
        self.padding_mode = padding_mode

    def forward(self, img: Any) -> Any:
        return F.pad(img, self.padding, self.fill, self.padding_mode)


class RandomCrop(ShownTransform):
    """A rectangle of the given size at a random place.

    Args:
        size: height and width, or one number for both.
        padding: borders that the image gets first.
        pad_if_needed: borders where the image is smaller than the rectangle.
        fill: the colour of the borders.
        padding_mode: how they are made, see :func:`functional.pad`.
    """

    shown: ClassVar = ("size", "padding")

    def __init__(
        self,
        size: Size,
        padding: Size | None = None,
        pad_if_needed: bool = False,
        fill: Any = 0,
        padding_mode: str = "constant",
    ):
        super().__init__()
        self.size = tuple(pair(size))
        self.padding = padding
        self.pad_if_needed = pad_if_needed
        self.fill = fill
        self.padding_mode = padding_mode

    @staticmethod
    def get_params(img: Any, output_size: tuple[int, int]) -> tuple[int, int, int, int]:
        """Top, left, height, and width. Raises ValueError for a size above the image's."""
        _, image_height, image_width = dimensions(img)
        height, width = output_size
        if image_height < height or image_width < width:
            raise ValueError(
                f"Required crop size {(height, width)} is larger than input image size {(image_height, image_width)}"
            )
        if (image_height, image_width) == (height, width):
            return 0, 0, height, width
        top = draws.integer(0, image_height - height + 1)
        return top, draws.integer(0, image_width - width + 1), height, width

    def forward(self, img: Any) -> Any:
        if self.padding is not None:
            img = F.pad(img, self.padding, self.fill, self.padding_mode)
        _, height, width = dimensions(img)
        if self.pad_if_needed and width < self.size[1]:
            img = F.pad(img, [self.size[1] - width, 0], self.fill, self.padding_mode)
        if self.pad_if_needed and height < self.size[0]:
            img = F.pad(img, [0, self.size[0] - height], self.fill, self.padding_mode)
        return F.crop(img, *self.get_params(img, self.size))


class RandomHorizontalFlip(ShownTransform):
    """The image, with probability p mirrored left to right."""

    shown: ClassVar = ("p",)

    def __init__(self, p: float = 0.5):
        super().__init__()
        self.p = p

    def forward(self, img: Any) -> Any:
        return F.hflip(img) if draws.fraction() < self.p else img


class RandomVerticalFlip(ShownTransform):
    """The image, with probability p mirrored top to bottom."""

    shown: ClassVar = ("p",)

    def __init__(self, p: float = 0.5):
        super().__init__()
        self.p = p

    def forward(self, img: Any) -> Any:
        return F.vflip(img) if draws.fraction() < self.p else img


class RandomResizedCrop(ShownTransform):
    """A random rectangle of the image, resized.

    Args:
        size: height and width of the result, or one number for both.
        scale: the lowest and highest part of the image's area.
        ratio: the lowest and highest of width to height.
        interpolation: how pixels are computed.
        antialias: for tensors; PIL always antialiases.
    """

    def __init__(
        self,
        size: Size,
        scale: Sequence[float] = (0.08, 1.0),
        ratio: Sequence[float] = (3.0 / 4.0, 4.0 / 3.0),
        interpolation: Any = InterpolationMode.BILINEAR,
        antialias: bool | None = True,
    ):
        super().__init__()
        self.size = pair(size)
        if not isinstance(scale, Sequence):
            raise TypeError("Scale should be a sequence")
        if not isinstance(ratio, Sequence):
            raise TypeError("Ratio should be a sequence")
        if scale[0] > scale[1] or ratio[0] > ratio[1]:
            warnings.warn("Scale and ratio should be of kind (min, max)", stacklevel=2)
        self.interpolation = interpolation_mode(interpolation)
        self.antialias = antialias
        self.scale = scale
        self.ratio = ratio

    @staticmethod
    def get_params(img: Any, scale: Sequence[float], ratio: Sequence[float]) -> tuple[int, int, int, int]:
        """Top, left, height, and width; after ten rectangles that were too large one in the middle."""
        _, image_height, image_width = dimensions(img)
        for _ in range(10):
            area = image_height * image_width * draws.uniform(scale[0], scale[1])
            aspect = draws.log_uniform(ratio[0], ratio[1])
            width, height = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
            if 0 < width <= image_width and 0 < height <= image_height:
                top = draws.integer(0, image_height - height + 1)
                return top, draws.integer(0, image_width - width + 1), height, width
        width, height = image_width, image_height
        if width / height < min(ratio):
            height = round(width / min(ratio))
        elif width / height > max(ratio):
            width = round(height * max(ratio))
        return (image_height - height) // 2, (image_width - width) // 2, height, width

    def forward(self, img: Any) -> Any:
        place = self.get_params(img, self.scale, self.ratio)
        return F.resized_crop(img, *place, self.size, self.interpolation, antialias=self.antialias)

    def __repr__(self) -> str:
        scale, ratio = (tuple(round(end, 4) for end in ends) for ends in (self.scale, self.ratio))
        return (
            f"{type(self).__name__}(size={self.size}, scale={scale}, ratio={ratio}, "
            f"interpolation={self.interpolation.value}, antialias={self.antialias})"
        )


class FiveCrop(ShownTransform):
    """The four corners of the image and its middle, as a tuple."""

    shown: ClassVar = ("size",)

    def __init__(self, size: Size):
        super().__init__()
        self.size = pair(size)

    def forward(self, img: Any) -> tuple[Any, ...]:
        return F.five_crop(img, self.size)


class TenCrop(ShownTransform):
    """The four corners of the image and its middle, then those of the mirrored image, as a tuple."""

    shown: ClassVar = ("size", "vertical_flip")

    def __init__(self, size: Size, vertical_flip: bool = False):
        super().__init__()
        self.size = pair(size)
        self.vertical_flip = vertical_flip

    def forward(self, img: Any) -> tuple[Any, ...]:
        return F.ten_crop(img, self.size, self.vertical_flip)


class RandomRotation(Module):
    """The image turned by a random angle.

    Args:
        degrees: the lowest and highest angle, or one number for both sides.
        interpolation: how pixels are computed.
        expand: on a canvas that holds all of the turned image.
        center: (x, y) from the top left corner; the middle by default.
        fill: the colour of what was outside of the image.
    """

    def __init__(
        self,
        degrees: float | Sequence[float],
        interpolation: Any = InterpolationMode.NEAREST,
        expand: bool = False,
        center: Sequence[float] | None = None,
        fill: Any = 0,
    ):
        super().__init__()
        self.interpolation = interpolation_mode(interpolation)
        self.degrees = angle_range(degrees, "degrees")
        if center is not None:
            require_sequence(center, "center")
        self.center = center
        self.expand = expand
        self.fill = fill_or_black(fill)

    @staticmethod
    def get_params(degrees: Sequence[float]) -> float:
        """The angle."""
        return draws.uniform(float(degrees[0]), float(degrees[1]))

    def forward(self, img: Any) -> Any:
        fill = fill_values(self.fill, img)
        return F.rotate(img, self.get_params(self.degrees), self.interpolation, self.expand, self.center, fill)

    def __repr__(self) -> str:
        center = "" if self.center is None else f", center={self.center}"
        return (
            f"{type(self).__name__}(degrees={self.degrees}, interpolation={self.interpolation.value}, "
            f"expand={self.expand}{center}, fill={self.fill})"
        )


class RandomAffine(Module):
    """The image turned, moved, scaled, and sheared at random.

    Args:
        degrees: the lowest and highest angle, or one number for both sides.
        translate: the greatest parts of width and height that the image is moved by, in [0, 1].
        scale: the lowest and highest factor.
        shear: the lowest and highest angle along x, or those along x and along y; or one number for both sides of x.
        interpolation: how pixels are computed.
        fill: the colour of what was outside of the image.
        center: (x, y) from the top left corner; the middle by default.
    """

    def __init__(
        self,
        degrees: float | Sequence[float],
        translate: Sequence[float] | None = None,
        scale: Sequence[float] | None = None,
        shear: float | Sequence[float] | None = None,
        interpolation: Any = InterpolationMode.NEAREST,
        fill: Any = 0,
        center: Sequence[float] | None = None,
    ):
        super().__init__()
        self.interpolation = interpolation_mode(interpolation)
        self.degrees = angle_range(degrees, "degrees")
        if translate is not None:
            require_sequence(translate, "translate")
            if not all(0.0 <= part <= 1.0 for part in translate):
                raise ValueError("translation values should be between 0 and 1")
        self.translate = translate
        if scale is not None:
            require_sequence(scale, "scale")
            if min(scale) <= 0:
                raise ValueError("scale values should be positive")
        self.scale = scale
        self.shear = None if shear is None else angle_range(shear, "shear", (2, 4))
        self.fill = fill_or_black(fill)
        if center is not None:
            require_sequence(center, "center")
        self.center = center

    @staticmethod
    def get_params(
        degrees: Sequence[float],
        translate: Sequence[float] | None,
        scale_ranges: Sequence[float] | None,
        shears: Sequence[float] | None,
        img_size: Sequence[int],
    ) -> tuple[float, tuple[int, int], float, tuple[float, float]]:
        """Angle, pixels to the right and down, factor, and angles of shear along x and y."""
        angle = draws.uniform(float(degrees[0]), float(degrees[1]))
        moves = (0, 0)
        if translate is not None:
            most = [float(part * length) for part, length in zip(translate, img_size, strict=True)]
            moves = tuple(round(draws.uniform(-pixels, pixels)) for pixels in most)
        scale = 1.0 if scale_ranges is None else draws.uniform(scale_ranges[0], scale_ranges[1])
        shear_x = 0.0 if shears is None else draws.uniform(shears[0], shears[1])
        shear_y = draws.uniform(shears[2], shears[3]) if shears is not None and len(shears) == 4 else 0.0
        return angle, moves, scale, (shear_x, shear_y)

    def forward(self, img: Any) -> Any:
        _, height, width = dimensions(img)
        how = self.get_params(self.degrees, self.translate, self.scale, self.shear, [width, height])
        fill = fill_values(self.fill, img)
        return F.affine(img, *how, interpolation=self.interpolation, fill=fill, center=self.center)

    def __repr__(self) -> str:
        parts = [f"degrees={self.degrees}"]
        parts += [
            f"{name}={getattr(self, name)}"
            for name in ("translate", "scale", "shear")
            if getattr(self, name) is not None
        ]
        if self.interpolation is not InterpolationMode.NEAREST:
            parts.append(f"interpolation={self.interpolation.value}")
        if self.fill != 0:
            parts.append(f"fill={self.fill}")
        if self.center is not None:
            parts.append(f"center={self.center}")
        return f"{type(self).__name__}({', '.join(parts)})"


class RandomPerspective(ShownTransform):
    """The image, with probability p seen from a random place: its corners are moved inwards by at most half of
    ``distortion_scale`` of its width and height."""

    shown: ClassVar = ("p",)

    def __init__(
        self,
        distortion_scale: float = 0.5,
        p: float = 0.5,
        interpolation: Any = InterpolationMode.BILINEAR,
        fill: Any = 0,
    ):
        super().__init__()
        self.p = p
        self.interpolation = interpolation_mode(interpolation)
        self.distortion_scale = distortion_scale
        self.fill = fill_or_black(fill)

    @staticmethod
    def get_params(width: int, height: int, distortion_scale: float) -> tuple[list[list[int]], list[list[int]]]:
        """The corners (top left, top right, bottom right, bottom left) as [x, y], and where they come to lie."""
        across, down = int(distortion_scale * (width // 2)), int(distortion_scale * (height // 2))
        left, right = (0, across + 1), (width - across - 1, width)
        top, bottom = (0, down + 1), (height - down - 1, height)
        corners = [(left, top), (right, top), (right, bottom), (left, bottom)]
        moved = [[draws.integer(*x), draws.integer(*y)] for x, y in corners]
        return [[0, 0], [width - 1, 0], [width - 1, height - 1], [0, height - 1]], moved

    def forward(self, img: Any) -> Any:
        if draws.fraction() >= self.p:
            return img
        _, height, width = dimensions(img)
        points = self.get_params(width, height, self.distortion_scale)
        return F.perspective(img, *points, self.interpolation, fill_values(self.fill, img))


class ElasticTransform(Module):
    """The image with each pixel moved by a smooth random amount.

    Args:
        alpha: how far, along x and y.
        sigma: how smooth, along x and y.
        interpolation: nearest or bilinear.
        fill: the colour of what was outside of the image.
    """

    def __init__(
        self,
        alpha: float | Sequence[float] = 50.0,
        sigma: float | Sequence[float] = 5.0,
        interpolation: Any = InterpolationMode.BILINEAR,
        fill: Any = 0,
    ):
        super().__init__()
        self.alpha = _two_floats(alpha, "alpha")
        self.sigma = _two_floats(sigma, "sigma")
        self.interpolation = interpolation_mode(interpolation)
        if not isinstance(fill, int | float | list | tuple):
            raise TypeError(f"fill should be int or float or a list or tuple of them. Got {type(fill)}")
        self.fill = [float(fill)] if isinstance(fill, int | float) else [float(part) for part in fill]

    @staticmethod
    def get_params(alpha: Sequence[float], sigma: Sequence[float], size: Sequence[int]) -> Tensor:
        """Displacements [1, H, W, 2], where 2 is the width or height."""
        displacements = []
        for strength, spread, length in ((alpha[0], sigma[0], size[1]), (alpha[1], sigma[1], size[0])):
            noise = from_numpy(draws.fractions(1, 1, *size)) * 2 - 1
            if spread > 0.0:
                kernel = int(8 * spread + 1)
                kernel += 1 - kernel % 2
                noise = F.gaussian_blur(noise, [kernel, kernel], list(sigma))
            displacements.append(noise * strength / length)
        return cat(displacements, 1).permute(0, 2, 3, 1)

    def forward(self, tensor: Any) -> Any:
        _, height, width = dimensions(tensor)
        displacement = self.get_params(self.alpha, self.sigma, [height, width])
        return F.elastic_transform(tensor, displacement, self.interpolation, self.fill)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(alpha={self.alpha}, sigma={self.sigma}, interpolation={self.interpolation}, "
            f"fill={self.fill})"
        )


def _two_floats(value: Any, name: str) -> Sequence[float]:
    if not isinstance(value, float | Sequence):
        raise TypeError(f"{name} should be float or a sequence of floats. Got {type(value)}")
    if isinstance(value, float):
        return [value, value]
    if len(value) != 2:
        raise ValueError(f"If {name} is a sequence its length should be 2. Got {len(value)}")
    for element in value:
        if not isinstance(element, float):
            raise TypeError(f"{name} should be a sequence of floats. Got {type(element)}")
    return value
