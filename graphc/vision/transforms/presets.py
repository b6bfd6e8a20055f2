"""The preparation of images that trained weights expect.

Source: https://docs.pytorch.org/vision/stable/models.html#using-the-pre-trained-models
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphc.ir.types import float32
from graphc.nn.module import Module
from graphc.tensor import Tensor
from graphc.vision.transforms import functional as F
from graphc.vision.transforms.interpolation import InterpolationMode

__all__ = ["ImageClassification"]


class ImageClassification(Module):
    """Resized, cropped in the middle, as floating values in [0, 1], and normalised.

    Args:
        crop_size: height and width of the result.
        resize_size: of the shorter edge, before cropping.
        mean: of each channel.
        std: of each channel.
        interpolation: how pixels are computed.
        antialias: for tensors; PIL always antialiases.
    """

    def __init__(
        self,
        *,
        crop_size: int,
        resize_size: int = 256,
        mean: Sequence[float] = (0.485, 0.456, 0.406),
        std: Sequence[float] = (0.229, 0.224, 0.225),
        interpolation: InterpolationMode = InterpolationMode.BILINEAR,
        antialias: bool | None = True,
    ):
        super().__init__()
        self.crop_size = [crop_size]
        self.resize_size = [resize_size]
        self.mean = list(mean)
        self.std = list(std)
        self.interpolation = interpolation
        self.antialias = antialias

    def forward(self, img: Any) -> Tensor:
        img = F.resize(img, self.resize_size, interpolation=self.interpolation, antialias=self.antialias)
        img = F.center_crop(img, self.crop_size)
        if not isinstance(img, Tensor):
            img = F.pil_to_tensor(img)
        return F.normalize(F.convert_image_dtype(img, float32), mean=self.mean, std=self.std)

    def __repr__(self) -> str:
        names = ("crop_size", "resize_size", "mean", "std", "interpolation")
        return "\n".join([f"{type(self).__name__}(", *(f"    {name}={getattr(self, name)}" for name in names), ")"])

    def describe(self) -> str:
        """In words, what is done to an image."""
        return (
            "Accepts ``PIL.Image``, batched ``(B, C, H, W)`` and single ``(C, H, W)`` image ``torch.Tensor`` objects. "
            f"The images are resized to ``resize_size={self.resize_size}`` using "
            f"``interpolation={self.interpolation}``, followed by a central crop of ``crop_size={self.crop_size}``. "
            "Finally the values are first rescaled to ``[0.0, 1.0]`` and then normalized using "
            f"``mean={self.mean}`` and ``std={self.std}``."
        )
