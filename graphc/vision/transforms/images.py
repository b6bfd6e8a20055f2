"""What an image is: a PIL image, or a tensor (..., C, H, W). PIL is imported where one of its is made."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

from graphc.tensor import Tensor

__all__ = ["dimensions", "is_pil_image", "require_image_tensor", "require_pil", "size"]


def require_pil(purpose: str) -> ModuleType:
    """The module ``PIL.Image``. Raises ImportError, which names the package to install for the purpose."""
    try:
        from PIL import Image
    except ImportError as error:
        raise ImportError(f"{purpose} needs Pillow, which is not installed: pip install pillow", name="PIL") from error
    return Image


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
