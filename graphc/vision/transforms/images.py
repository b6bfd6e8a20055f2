"""What an image is: a PIL image, or a tensor (..., C, H, W). PIL is not imported to find out."""

from __future__ import annotations

import sys
from typing import Any

from graphc.tensor import Tensor

__all__ = ["dimensions", "is_pil_image", "require_image_tensor", "size"]


def is_pil_image(image: Any) -> bool:
    """Whether this is an image of PIL, which must have been imported to make one."""
    module = sys.modules.get("PIL.Image")
    return module is not None and isinstance(image, module.Image)


def dimensions(image: Any) -> list[int]:
    """Channels, height, and width. Raises TypeError for what is no image."""
    if isinstance(image, Tensor):
        require_image_tensor(image)
        channels = 1 if image.ndim == 2 else image.shape[-3]
        return [channels, image.shape[-2], image.shape[-1]]
    if is_pil_image(image):
        return [len(image.getbands()), image.height, image.width]
    raise TypeError(f"Unexpected type {type(image)}")


def size(image: Any) -> list[int]:
    """Width and height."""
    _, height, width = dimensions(image)
    return [width, height]


def require_image_tensor(image: Any) -> None:
    """Raise TypeError for a tensor with less than two dimensions, and for no tensor at all."""
    if not isinstance(image, Tensor) or image.ndim < 2:
        raise TypeError("Tensor is not a torch image.")
