"""Batches whose images and labels are mixed with those of their neighbours.

Sources: Zhang et al., "mixup: beyond empirical risk minimization", 2018; Yun et al., "CutMix", 2019.
"""

from __future__ import annotations

import math
from typing import Any

from graphc.nn.functional import one_hot
from graphc.nn.module import Module
from graphc.tensor import Tensor
from graphc.vision.transforms import draws
from graphc.vision.transforms.v2.samples import unpacked

__all__ = ["CutMix", "MixUp"]


class _Mixing(Module):
    """Called with a batch of images (N, C, H, W) and labels, numbers (N) or probabilities (N, num_classes), gives both
    mixed; labels as probabilities.

    Args:
        alpha: of the Beta distribution from which the share of the image itself is drawn.
        num_classes: how many classes, where labels are numbers.
    """

    def __init__(self, *, alpha: float = 1.0, num_classes: int | None = None):
        super().__init__()
        self.alpha = float(alpha)
        self.num_classes = num_classes

    def forward(self, *inputs: Any) -> Any:
        images, labels = unpacked(inputs)
        if not isinstance(images, Tensor):
            raise ValueError(
                f"{type(self).__name__}() does not support PIL images, bounding boxes, keypoints and masks."
            )
        if not isinstance(labels, Tensor):
            raise ValueError(f"The labels must be a tensor, but got {type(labels)} instead.")
        if labels.ndim == 1 and self.num_classes is None:
            raise ValueError("num_classes must be passed if the labels are index-based (1D)")
        if labels.ndim not in (1, 2):
            raise ValueError(
                "labels should be index based with shape (batch_size,) or probability based with shape (batch_size, "
                f"num_classes), but got a tensor of shape {labels.shape} instead."
            )
        if images.ndim != 4:
            raise ValueError(f"Expected a batched input with 4 dims, but got {images.ndim} dimensions instead.")
        if images.shape[0] != labels.shape[0]:
            raise ValueError(
                "The batch size of the image or video does not match the batch size of the labels: "
                f"{images.shape[0]} != {labels.shape[0]}."
            )
        images, share = self.mixed(images, float(draws.dirichlet(self.alpha, 1, 2)[0, 0]))
        return images, self._mixed_labels(labels, share)

    def mixed(self, images: Tensor, share: float) -> tuple[Tensor, float]:
        """The mixed images, and the share that each image has in its own place."""
        raise NotImplementedError

    def _mixed_labels(self, labels: Tensor, share: float) -> Tensor:
        if labels.ndim == 1:
            labels = one_hot(labels, num_classes=self.num_classes)
        labels = labels if labels.dtype.is_floating_point else labels.float()
        return labels.roll(1, 0) * (1.0 - share) + labels * share

    def extra_repr(self) -> str:
        classes = "" if self.num_classes is None else f", num_classes={self.num_classes}"
        return f"alpha={self.alpha}{classes}"


class MixUp(_Mixing):
    """Each image plus a part of the one before it."""

    def mixed(self, images: Tensor, share: float) -> tuple[Tensor, float]:
        return images.roll(1, 0) * (1.0 - share) + images * share, share


class CutMix(_Mixing):
    """Each image with a rectangle of the one before it."""

    def mixed(self, images: Tensor, share: float) -> tuple[Tensor, float]:
        height, width = images.shape[-2:]
        x, y = draws.integer(0, width), draws.integer(0, height)
        part = 0.5 * math.sqrt(1.0 - share)
        across, down = int(part * width), int(part * height)
        left, top = max(x - across, 0), max(y - down, 0)
        right, bottom = min(x + across, width), min(y + down, height)
        result = images.clone()
        result[..., top:bottom, left:right] = images.roll(1, 0)[..., top:bottom, left:right]
        return result, 1.0 - (right - left) * (bottom - top) / (width * height)
