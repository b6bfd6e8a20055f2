"""Arguments of transforms in their one form, and how transforms are shown."""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from typing import Any, ClassVar

from graphc.nn.module import Module
from graphc.tensor import Tensor
from graphc.vision.transforms.images import dimensions
from graphc.vision.transforms.interpolation import InterpolationMode

__all__ = ["ShownTransform", "angle_range", "fill_or_black", "fill_values", "pair", "require_sequence"]


class ShownTransform(Module):
    """A transform that is shown with the arguments named in ``shown``, as torchvision shows it."""

    shown: ClassVar[tuple[str, ...]] = ()
    separator: ClassVar[str] = ", "

    def __repr__(self) -> str:
        parts = self.separator.join(f"{name}={shown(getattr(self, name))}" for name in self.shown)
        return f"{type(self).__name__}({parts})"


def shown(value: Any) -> Any:
    """What is shown of an argument: the word of an interpolation mode, and other values as they are."""
    return value.value if isinstance(value, InterpolationMode) else value


def pair(size: Any, message: str = "Please provide only two dimensions (h, w) for size.") -> Any:
    """Two numbers from one, or two as they are. Raises ValueError with the message for others."""
    if isinstance(size, numbers.Number):
        return int(size), int(size)
    if isinstance(size, Sequence) and len(size) == 1:
        return size[0], size[0]
    if len(size) != 2:
        raise ValueError(message)
    return size


def require_sequence(value: Any, name: str, lengths: Sequence[int] = (2,)) -> None:
    """Raise TypeError for what is no sequence, ValueError for another length."""
    wanted = " or ".join(map(str, lengths))
    if not isinstance(value, Sequence):
        raise TypeError(f"{name} should be a sequence of length {wanted}.")
    if len(value) not in lengths:
        raise ValueError(f"{name} should be a sequence of length {wanted}.")


def angle_range(value: Any, name: str, lengths: Sequence[int] = (2,)) -> list[float]:
    """The lowest and highest angle; a single number reaches as far to both sides. Raises ValueError for one below 0."""
    if isinstance(value, numbers.Number):
        if value < 0:
            raise ValueError(f"If {name} is a single number, it must be positive.")
        value = [-value, value]
    else:
        require_sequence(value, name, lengths)
    return [float(degrees) for degrees in value]


def fill_or_black(fill: Any) -> Any:
    """A colour, black for None. Raises TypeError for what is no number and no sequence."""
    if fill is None:
        return 0
    if not isinstance(fill, Sequence | numbers.Number):
        raise TypeError("Fill should be either a sequence or a number.")
    return fill


def fill_values(fill: Any, image: Any) -> Any:
    """A colour as an image wants it: a tensor has one number for each channel."""
    if not isinstance(image, Tensor) or fill is None:
        return fill
    if isinstance(fill, int | float):
        return [float(fill)] * dimensions(image)[0]
    return [float(part) for part in fill]
