"""Transforms between PIL images and tensors, and of the values of tensors.

Source: https://docs.pytorch.org/vision/stable/transforms.html#conversion-transforms
"""

from __future__ import annotations

import math
import numbers
import warnings
from collections.abc import Sequence
from typing import Any, ClassVar

from graphc.creation import from_numpy, tensor
from graphc.ir.types import DType
from graphc.nn.module import Module
from graphc.tensor import Tensor
from graphc.vision.transforms import draws
from graphc.vision.transforms import functional as F
from graphc.vision.transforms.arguments import ShownTransform

__all__ = [
    "ConvertImageDtype",
    "LinearTransformation",
    "Normalize",
    "PILToTensor",
    "RandomErasing",
    "ToPILImage",
    "ToTensor",
]


class ToTensor:
    """A PIL image or array (H, W, C) as a tensor (C, H, W); bytes become floating values in [0, 1]."""

    def __call__(self, pic: Any) -> Tensor:
        return F.to_tensor(pic)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class PILToTensor:
    """A PIL image as a tensor (C, H, W) of the same values."""

    def __call__(self, pic: Any) -> Tensor:
        return F.pil_to_tensor(pic)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class ToPILImage:
    """A tensor (C, H, W) or array (H, W, C) as a PIL image."""

    def __init__(self, mode: str | None = None):
        self.mode = mode

    def __call__(self, pic: Any) -> Any:
        return F.to_pil_image(pic, self.mode)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({'' if self.mode is None else f'mode={self.mode}'})"


class ConvertImageDtype(Module):
    """A tensor in another dtype, with the range of its values scaled to that dtype's."""

    def __init__(self, dtype: DType):
        super().__init__()
        self.dtype = dtype

    def forward(self, image: Tensor) -> Tensor:
        return F.convert_image_dtype(image, self.dtype)


class Normalize(ShownTransform):
    """Each channel minus its mean, divided by its deviation."""

    shown: ClassVar = ("mean", "std")

    def __init__(self, mean: Sequence[float], std: Sequence[float], inplace: bool = False):
        super().__init__()
        self.mean = mean
        self.std = std
        self.inplace = inplace

    def forward(self, tensor: Tensor) -> Tensor:
        return F.normalize(tensor, self.mean, self.std, self.inplace)


class LinearTransformation(Module):
    """A tensor (..., C, H, W), flattened, minus a mean, times a square matrix [C*H*W, C*H*W].

    Raises ValueError for shapes and dtypes that do not go together.
    """

    def __init__(self, transformation_matrix: Tensor, mean_vector: Tensor):
        super().__init__()
        rows, columns = transformation_matrix.shape
        if rows != columns:
            raise ValueError(f"transformation_matrix should be square. Got {(rows, columns)} rectangular matrix.")
        if mean_vector.shape[0] != rows:
            raise ValueError(
                f"mean_vector should have the same length {mean_vector.shape[0]} as any one of the dimensions of the "
                f"transformation_matrix [{(rows, columns)}]"
            )
        if transformation_matrix.dtype != mean_vector.dtype:
            raise ValueError(
                f"Input tensors should have the same dtype. Got {transformation_matrix.dtype} and {mean_vector.dtype}"
            )
        self.transformation_matrix = transformation_matrix
        self.mean_vector = mean_vector

    def forward(self, tensor: Tensor) -> Tensor:
        channels, height, width = tensor.shape[-3:]
        count = channels * height * width
        if count != self.transformation_matrix.shape[0]:
            raise ValueError(
                f"Input tensor and transformation matrix have incompatible shape.[{channels} x {height} x {width}] != "
                f"{self.transformation_matrix.shape[0]}"
            )
        flat = tensor.reshape(-1, count) - self.mean_vector
        return (flat @ self.transformation_matrix.to(flat.dtype)).reshape(tensor.shape)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(transformation_matrix={self.transformation_matrix.tolist()}, "
            f"mean_vector={self.mean_vector.tolist()})"
        )


class RandomErasing(ShownTransform):
    """A tensor (..., C, H, W), with probability p with a random rectangle of other values.

    Args:
        p: the probability.
        scale: the lowest and highest part of the area.
        ratio: the lowest and highest of height to width.
        value: one value, one for each channel, or "random" for normal ones.
        inplace: write to the tensor itself.

    Raises TypeError and ValueError for arguments of other kinds and ranges.
    """

    shown: ClassVar = ("p", "scale", "ratio", "value", "inplace")

    def __init__(
        self,
        p: float = 0.5,
        scale: Sequence[float] = (0.02, 0.33),
        ratio: Sequence[float] = (0.3, 3.3),
        value: Any = 0,
        inplace: bool = False,
    ):
        super().__init__()
        if not isinstance(value, numbers.Number | str | tuple | list):
            raise TypeError("Argument value should be either a number or str or a sequence")
        if isinstance(value, str) and value != "random":
            raise ValueError("If value is str, it should be 'random'")
        if not isinstance(scale, Sequence):
            raise TypeError("Scale should be a sequence")
        if not isinstance(ratio, Sequence):
            raise TypeError("Ratio should be a sequence")
        if scale[0] > scale[1] or ratio[0] > ratio[1]:
            warnings.warn("Scale and ratio should be of kind (min, max)", stacklevel=2)
        if scale[0] < 0 or scale[1] > 1:
            raise ValueError("Scale should be between 0 and 1")
        if not 0 <= p <= 1:
            raise ValueError("Random erasing probability should be between 0 and 1")
        self.p = p
        self.scale = scale
        self.ratio = ratio
        self.value = value
        self.inplace = inplace

    @staticmethod
    def get_params(
        img: Tensor, scale: Sequence[float], ratio: Sequence[float], value: Sequence[float] | None = None
    ) -> tuple[int, int, int, int, Tensor]:
        """Top, left, height, and width of a rectangle, and what to put there; after ten rectangles that were too large
        the whole image as it is."""
        channels, image_height, image_width = img.shape[-3:]
        for _ in range(10):
            area = image_height * image_width * draws.uniform(scale[0], scale[1])
            aspect = draws.log_uniform(ratio[0], ratio[1])
            height, width = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
            if height >= image_height or width >= image_width:
                continue
            if value is None:
                values = from_numpy(draws.normals(channels, height, width))
            else:
                values = tensor(value)[:, None, None]
            top = draws.integer(0, image_height - height + 1)
            left = draws.integer(0, image_width - width + 1)
            return top, left, height, width, values
        return 0, 0, image_height, image_width, img

    def forward(self, img: Tensor) -> Tensor:
        if draws.fraction() >= self.p:
            return img
        if not isinstance(img, Tensor):
            raise TypeError(f"img should be Tensor Image. Got {type(img)}")
        value = self.value
        if isinstance(value, str):
            value = None
        else:
            value = [float(value)] if isinstance(value, int | float) else [float(part) for part in value]
            if len(value) not in (1, img.shape[-3]):
                raise ValueError(
                    f"If value is a sequence, it should have either a single value or {img.shape[-3]} (number of "
                    "input channels)"
                )
        top, left, height, width, values = self.get_params(img, self.scale, self.ratio, value)
        return F.erase(img, top, left, height, width, values.to(img.dtype), self.inplace)
