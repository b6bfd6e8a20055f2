"""Transforms of samples that are made of transforms; random choices are drawn from the default generator.

Source: https://docs.pytorch.org/vision/stable/transforms.html#composition-of-transforms
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from graphc import multinomial
from graphc.creation import tensor
from graphc.nn.module import Module
from graphc.vision.transforms import draws
from graphc.vision.transforms.v2.samples import unpacked

__all__ = ["Compose", "RandomApply", "RandomChoice", "RandomOrder"]

Transform = Callable[..., Any]


def _applied(transforms: Sequence[Transform], inputs: Sequence[Any]) -> Any:
    several = len(inputs) > 1
    for transform in transforms:
        outputs = transform(*inputs)
        inputs = outputs if several else (outputs,)
    return unpacked(inputs)


class _Several(Module):
    """Transforms in a list. Raises TypeError for what is no sequence, ValueError for an empty one."""

    def __init__(self, transforms: Sequence[Transform]):
        super().__init__()
        if not isinstance(transforms, Sequence):
            raise TypeError("Argument transforms should be a sequence of callables")
        if not transforms:
            raise ValueError("Pass at least one transform")
        self.transforms = transforms

    def extra_repr(self) -> str:
        return f"transforms={self.transforms}"


class Compose(_Several):
    """Transforms one after another."""

    def forward(self, *inputs: Any) -> Any:
        return _applied(self.transforms, inputs)

    def extra_repr(self) -> str:
        return "\n".join(f"    {transform}" for transform in self.transforms)


class RandomApply(Compose):
    """All of the transforms, or with probability 1-p none. Raises ValueError for a p outside [0, 1]."""

    def __init__(self, transforms: Sequence[Transform], p: float = 0.5):
        super().__init__(transforms)
        if not 0.0 <= p <= 1.0:
            raise ValueError("`p` should be a floating point value in the interval [0.0, 1.0].")
        self.p = p

    def forward(self, *inputs: Any) -> Any:
        return _applied(self.transforms, inputs) if draws.fraction() < self.p else unpacked(inputs)


class RandomChoice(_Several):
    """One of the transforms, with probabilities in proportion to p. Raises ValueError for another number of them."""

    def __init__(self, transforms: Sequence[Transform], p: Sequence[float] | None = None):
        super().__init__(transforms)
        p = [1.0] * len(transforms) if p is None else p
        if len(p) != len(transforms):
            raise ValueError(f"Length of p doesn't match the number of transforms: {len(p)} != {len(transforms)}")
        self.p = [part / sum(p) for part in p]

    def forward(self, *inputs: Any) -> Any:
        return self.transforms[int(multinomial(tensor(self.p), 1))](*inputs)

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, p={self.p}"


class RandomOrder(_Several):
    """All of the transforms in a random order."""

    def forward(self, *inputs: Any) -> Any:
        return _applied([self.transforms[number] for number in draws.order(len(self.transforms))], inputs)
