"""Transforms of whole samples: the image within a structure is changed, what stands beside it stays.

Source: https://docs.pytorch.org/vision/stable/transforms.html#v1-or-v2-which-one-should-i-use
"""

from __future__ import annotations

import enum
import random
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from graphc.nn.module import Module
from graphc.randomness.generator import default_generator
from graphc.tensor import Tensor
from graphc.vision.transforms.arguments import shown
from graphc.vision.transforms.images import is_pil_image

__all__ = ["Sampled", "images_of", "leaves_of", "replaced", "unpacked"]


def unpacked(inputs: Sequence[Any]) -> Any:
    """One argument as it is, several as a tuple."""
    return inputs[0] if len(inputs) == 1 else tuple(inputs)


def leaves_of(sample: Any) -> list[Any]:
    """All values in a structure of dicts, tuples, and lists."""
    if isinstance(sample, dict):
        return [leaf for value in sample.values() for leaf in leaves_of(value)]
    if isinstance(sample, tuple | list):
        return [leaf for value in sample for leaf in leaves_of(value)]
    return [sample]


def images_of(sample: Any) -> list[Any]:
    """The images in a structure of dicts, tuples, and lists: those of PIL; without any, the first tensor."""
    leaves = leaves_of(sample)
    images = [leaf for leaf in leaves if is_pil_image(leaf)]
    return images or [leaf for leaf in leaves if isinstance(leaf, Tensor)][:1]


def replaced(sample: Any, old: Sequence[Any], new: Sequence[Any]) -> Any:
    """The structure with other values in the places of some."""
    if isinstance(sample, dict):
        return type(sample)((key, replaced(value, old, new)) for key, value in sample.items())
    if isinstance(sample, tuple) and hasattr(sample, "_fields"):
        return type(sample)(*(replaced(value, old, new) for value in sample))
    if isinstance(sample, tuple | list):
        return type(sample)(replaced(value, old, new) for value in sample)
    return next((after for before, after in zip(old, new, strict=True) if before is sample), sample)


def _same_for_all(work: Callable[[Any], Any], images: Sequence[Any]) -> list[Any]:
    """What a random function makes of images, with the same random numbers for each."""
    if len(images) < 2:
        return [work(image) for image in images]
    state, python_state = default_generator.get_state(), random.getstate()
    results = []
    for image in images:
        default_generator.set_state(state)
        random.setstate(python_state)
        results.append(work(image))
    return results


class Sampled(Module):
    """Before the class of a transform of one image, makes it one of samples: call it with an image, a structure that
    holds one, or several arguments. The images of a sample are changed alike."""

    shown: ClassVar[tuple[str, ...]] = ()

    def forward(self, *inputs: Any) -> Any:
        sample = unpacked(inputs)
        images = images_of(sample)
        return replaced(sample, images, _same_for_all(super().forward, images))

    def _shown_values(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.shown}

    def __repr__(self) -> str:
        kinds = bool | int | float | str | tuple | list | enum.Enum
        parts = [f"{name}={shown(value)}" for name, value in self._shown_values().items() if isinstance(value, kinds)]
        return f"{type(self).__name__}({', '.join(parts)})"
