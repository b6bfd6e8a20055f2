"""Transforms made of transforms.

Source: https://docs.pytorch.org/vision/stable/transforms.html#composition-of-transforms
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

from graphc.nn.module import Module
from graphc.vision.transforms import draws

__all__ = ["Compose", "Lambda", "RandomApply", "RandomChoice", "RandomOrder", "RandomTransforms"]

Transform = Callable[[Any], Any]


def _listed(name: str, lines: Sequence[Any]) -> str:
    return "\n".join([f"{name}(", *(f"    {line}" for line in lines), ")"])


class Compose:
    """Transforms one after another."""

    def __init__(self, transforms: Sequence[Transform]):
        self.transforms = transforms

    def __call__(self, img: Any) -> Any:
        for transform in self.transforms:
            img = transform(img)
        return img

    def __repr__(self) -> str:
        return _listed(type(self).__name__, self.transforms)


class Lambda:
    """A function of the user's as a transform. Raises TypeError for what can't be called."""

    def __init__(self, lambd: Transform):
        if not callable(lambd):
            raise TypeError(f"Argument lambd should be callable, got {type(lambd).__name__!r}")
        self.lambd = lambd

    def __call__(self, img: Any) -> Any:
        return self.lambd(img)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class RandomTransforms:
    """The base of transforms that choose among transforms. Raises TypeError for what is no sequence."""

    def __init__(self, transforms: Sequence[Transform]):
        if not isinstance(transforms, Sequence):
            raise TypeError("Argument transforms should be a sequence")
        self.transforms = transforms

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError

    def __repr__(self) -> str:
        return _listed(type(self).__name__, self.transforms)


class RandomApply(Module):
    """All of the transforms, or with probability 1-p none. One fraction is drawn."""

    def __init__(self, transforms: Sequence[Transform], p: float = 0.5):
        super().__init__()
        self.transforms = transforms
        self.p = p

    def forward(self, img: Any) -> Any:
        if self.p < draws.fraction():
            return img
        for transform in self.transforms:
            img = transform(img)
        return img

    def __repr__(self) -> str:
        return _listed(type(self).__name__, [f"p={self.p}", *self.transforms])


class RandomOrder(RandomTransforms):
    """All of the transforms in an order drawn from Python's generator."""

    def __call__(self, img: Any) -> Any:
        order = list(range(len(self.transforms)))
        random.shuffle(order)
        for position in order:
            img = self.transforms[position](img)
        return img


class RandomChoice(RandomTransforms):
    """One of the transforms, with probabilities in proportion to p, drawn from Python's generator."""

    def __init__(self, transforms: Sequence[Transform], p: Sequence[float] | None = None):
        super().__init__(transforms)
        if p is not None and not isinstance(p, Sequence):
            raise TypeError("Argument p should be a sequence")
        self.p = p

    def __call__(self, *args: Any) -> Any:
        return random.choices(self.transforms, weights=self.p)[0](*args)

    def __repr__(self) -> str:
        return f"{super().__repr__()}(p={self.p})"
