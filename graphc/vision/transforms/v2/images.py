"""The transforms of one image, as transforms of samples; they draw the random numbers of those.

Source: https://docs.pytorch.org/vision/stable/transforms.html#v2-api-reference-recommended
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np

from graphc.creation import from_numpy
from graphc.ir.types import DType
from graphc.nn.module import Module
from graphc.tensor import Tensor
from graphc.vision.transforms import autoaugment, colors, geometry, values
from graphc.vision.transforms import functional as F
from graphc.vision.transforms.images import is_pil_image
from graphc.vision.transforms.interpolation import InterpolationMode
from graphc.vision.transforms.v2.samples import Sampled, leaves_of, replaced, unpacked

__all__ = [
    "RGB",
    "AugMix",
    "AutoAugment",
    "CenterCrop",
    "ColorJitter",
    "ConvertImageDtype",
    "ElasticTransform",
    "FiveCrop",
    "GaussianBlur",
    "Grayscale",
    "Identity",
    "Lambda",
    "LinearTransformation",
    "Normalize",
    "PILToTensor",
    "Pad",
    "RandAugment",
    "RandomAdjustSharpness",
    "RandomAffine",
    "RandomAutocontrast",
    "RandomCrop",
    "RandomEqualize",
    "RandomErasing",
    "RandomGrayscale",
    "RandomHorizontalFlip",
    "RandomInvert",
    "RandomPerspective",
    "RandomPosterize",
    "RandomResizedCrop",
    "RandomRotation",
    "RandomSolarize",
    "RandomVerticalFlip",
    "Resize",
    "TenCrop",
    "ToDtype",
    "ToImage",
    "ToPILImage",
    "ToPureTensor",
    "ToTensor",
    "TrivialAugmentWide",
]


def _of_samples(kind: type[Module], *shown: str) -> Any:
    """The class of transforms of samples that does what a class of transforms of images does."""
    members = {"__doc__": f"Of samples; see ``transforms.{kind.__name__}``.", "__module__": __name__, "shown": shown}
    return type(kind.__name__, (Sampled, kind), members)


CenterCrop = _of_samples(geometry.CenterCrop, "size")
Pad = _of_samples(geometry.Pad, "padding", "fill", "padding_mode")
RandomHorizontalFlip = _of_samples(geometry.RandomHorizontalFlip, "p")
RandomVerticalFlip = _of_samples(geometry.RandomVerticalFlip, "p")
RandomResizedCrop = _of_samples(geometry.RandomResizedCrop, "size", "scale", "ratio", "interpolation", "antialias")
FiveCrop = _of_samples(geometry.FiveCrop, "size")
TenCrop = _of_samples(geometry.TenCrop, "size", "vertical_flip")
RandomRotation = _of_samples(geometry.RandomRotation, "degrees", "interpolation", "expand", "center", "fill")
RandomAffine = _of_samples(
    geometry.RandomAffine, "degrees", "translate", "scale", "shear", "interpolation", "fill", "center"
)
RandomPerspective = _of_samples(geometry.RandomPerspective, "p", "distortion_scale", "interpolation", "fill")
ColorJitter = _of_samples(colors.ColorJitter, "brightness", "contrast", "saturation", "hue")
Grayscale = _of_samples(colors.Grayscale, "num_output_channels")
RandomGrayscale = _of_samples(colors.RandomGrayscale, "p")
RandomInvert = _of_samples(colors.RandomInvert, "p")
RandomPosterize = _of_samples(colors.RandomPosterize, "p", "bits")
RandomSolarize = _of_samples(colors.RandomSolarize, "p", "threshold")
RandomAdjustSharpness = _of_samples(colors.RandomAdjustSharpness, "p", "sharpness_factor")
RandomAutocontrast = _of_samples(colors.RandomAutocontrast, "p")
RandomEqualize = _of_samples(colors.RandomEqualize, "p")
ConvertImageDtype = _of_samples(values.ConvertImageDtype)
LinearTransformation = _of_samples(values.LinearTransformation)
AutoAugment = _of_samples(autoaugment.AutoAugment, "interpolation", "policy")
RandAugment = _of_samples(autoaugment.RandAugment, "interpolation", "num_ops", "magnitude", "num_magnitude_bins")
TrivialAugmentWide = _of_samples(autoaugment.TrivialAugmentWide, "interpolation", "num_magnitude_bins")
AugMix = _of_samples(
    autoaugment.AugMix, "interpolation", "severity", "mixture_width", "chain_depth", "alpha", "all_ops"
)


class Resize(Sampled, geometry.Resize):
    """Of samples; see ``transforms.Resize``."""

    shown: ClassVar = ("size", "interpolation", "max_size", "antialias")

    def __init__(self, size: Any, *arguments: Any, **options: Any):
        super().__init__([size] if isinstance(size, int) else list(size), *arguments, **options)


class RandomCrop(Sampled, geometry.RandomCrop):
    """Of samples; see ``transforms.RandomCrop``."""

    shown: ClassVar = ("size", "padding", "pad_if_needed", "fill", "padding_mode")

    def _shown_values(self) -> dict[str, Any]:
        padding = [self.padding] if isinstance(self.padding, int) else self.padding
        return super()._shown_values() | {"padding": padding and [*padding] * (4 // len(padding))}


class GaussianBlur(Sampled, colors.GaussianBlur):
    """Of samples; see ``transforms.GaussianBlur``."""

    shown: ClassVar = ("kernel_size", "sigma")

    def _shown_values(self) -> dict[str, Any]:
        return {"kernel_size": self.kernel_size, "sigma": [float(end) for end in self.sigma]}


class ElasticTransform(Sampled, geometry.ElasticTransform):
    """Of samples; see ``transforms.ElasticTransform``."""

    shown: ClassVar = ("alpha", "sigma", "interpolation", "fill")

    def __init__(
        self, alpha: Any = 50.0, sigma: Any = 5.0, interpolation: Any = InterpolationMode.BILINEAR, fill: Any = 0
    ):
        super().__init__(alpha, sigma, interpolation, fill)
        self._given_fill = fill

    def _shown_values(self) -> dict[str, Any]:
        return super()._shown_values() | {"fill": self._given_fill}


class RandomErasing(Sampled, values.RandomErasing):
    """Of samples; see ``transforms.RandomErasing``."""

    shown: ClassVar = ("p", "scale", "ratio", "value", "inplace")

    def _shown_values(self) -> dict[str, Any]:
        value = [float(self.value)] if isinstance(self.value, int | float) else self.value
        return super()._shown_values() | {"value": None if value == "random" else value}


class Normalize(Sampled, values.Normalize):
    """Of samples; see ``transforms.Normalize``."""

    shown: ClassVar = ("mean", "std", "inplace")

    def __init__(self, mean: Any, std: Any, inplace: bool = False):
        super().__init__(list(mean), list(std), inplace)


class _Converting(Module):
    """A function of an image."""

    def forward(self, img: Any) -> Any:
        return self.converted(img)

    def converted(self, img: Any) -> Any:
        """The image in its other form."""
        raise NotImplementedError


class ToTensor(Sampled, _Converting):
    """PIL images and arrays as floating tensors; see ``transforms.ToTensor``. Tensors stay."""

    def converted(self, img: Any) -> Any:
        return img if isinstance(img, Tensor) else F.to_tensor(img)


class PILToTensor(Sampled, _Converting):
    """PIL images as tensors of the same values. Tensors stay."""

    def converted(self, img: Any) -> Any:
        return F.pil_to_tensor(img) if is_pil_image(img) else img


class ToPILImage(Sampled, _Converting):
    """Tensors as PIL images."""

    def __init__(self, mode: str | None = None):
        super().__init__()
        self.mode = mode

    def converted(self, img: Any) -> Any:
        return F.to_pil_image(img, self.mode) if isinstance(img, Tensor) else img


class ToImage(Sampled, _Converting):
    """PIL images and arrays (H, W, C) as tensors (C, H, W) of the same values. Tensors stay."""

    def forward(self, *inputs: Any) -> Any:
        sample = unpacked(inputs)
        if isinstance(sample, np.ndarray):
            return self.converted(sample)
        return super().forward(*inputs)

    def converted(self, img: Any) -> Any:
        if isinstance(img, np.ndarray):
            array = img[:, :, None] if img.ndim == 2 else img
            return from_numpy(np.ascontiguousarray(array.transpose(2, 0, 1)))
        return F.pil_to_tensor(img) if is_pil_image(img) else img


class ToDtype(Sampled, _Converting):
    """Tensors in another dtype.

    Args:
        dtype: the dtype; or a dict that has it for ``Tensor``.
        scale: scale values from the range of the one dtype to that of the other.
    """

    shown: ClassVar = ("scale",)

    def __init__(self, dtype: DType | Mapping[Any, DType | None], scale: bool = False):
        super().__init__()
        if not isinstance(dtype, DType | Mapping):
            raise ValueError(f"dtype must be a dict or a torch.dtype, got {type(dtype)} instead")
        self.dtype = dtype
        self.scale = scale

    def converted(self, img: Any) -> Any:
        if not isinstance(img, Tensor):
            return img
        dtype = self.dtype
        if isinstance(dtype, Mapping):
            dtype = dtype.get(Tensor, dtype.get("others"))
        if dtype is None:
            return img
        return F.convert_image_dtype(img, dtype) if self.scale else img.to(dtype)


class ToPureTensor(Module):
    """The sample as it is: its tensors are pure ones here."""

    def forward(self, *inputs: Any) -> Any:
        return unpacked(inputs)


class Identity(Module):
    """The sample as it is."""

    def forward(self, *inputs: Any) -> Any:
        return unpacked(inputs)


class RGB(Sampled, _Converting):
    """Images with three channels."""

    def converted(self, img: Any) -> Any:
        if is_pil_image(img):
            return img.convert("RGB")
        return img if F.get_image_num_channels(img) == 3 else F.rgb_to_grayscale(img, num_output_channels=3)


class Lambda(Module):
    """A function of the user's, called with each value of the sample, or each of certain types."""

    def __init__(self, lambd: Callable[[Any], Any], *types: type):
        super().__init__()
        self.lambd = lambd
        self.types = types or (object,)

    def forward(self, *inputs: Any) -> Any:

        sample = unpacked(inputs)
        chosen = [leaf for leaf in leaves_of(sample) if isinstance(leaf, self.types)]
        return replaced(sample, chosen, [self.lambd(leaf) for leaf in chosen])

    def extra_repr(self) -> str:
        return f"{getattr(self.lambd, '__name__', self.lambd)}, types={[kind.__name__ for kind in self.types]}"
