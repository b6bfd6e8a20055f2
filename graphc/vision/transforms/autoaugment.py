"""Random sequences of changes whose kinds and strengths were found by search, or drawn.

Random numbers are drawn as torchvision draws them.
Sources: Cubuk et al., "AutoAugment", 2019; Cubuk et al., "RandAugment", 2020; Müller, Hutter, "TrivialAugment", 2021;
Hendrycks et al., "AugMix", 2020; https://docs.pytorch.org/vision/stable/transforms.html#auto-augmentation
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np

from graphc.creation import from_numpy, linspace
from graphc.nn.module import Module
from graphc.tensor import Tensor
from graphc.vision.transforms import draws
from graphc.vision.transforms import functional as F
from graphc.vision.transforms.arguments import fill_values
from graphc.vision.transforms.autoaugment_policies import AutoAugmentPolicy, Change, policies_of
from graphc.vision.transforms.images import dimensions
from graphc.vision.transforms.interpolation import InterpolationMode

__all__ = ["AugMix", "AutoAugment", "AutoAugmentPolicy", "RandAugment", "TrivialAugmentWide"]

# For each change its strengths (None: it has only one) and whether the sign is drawn.
Space = Mapping[str, tuple[list[float] | None, bool]]


def _sheared(x: float, y: float) -> Callable[..., Any]:
    def change(img: Any, strength: float, interpolation: Any, fill: Any) -> Any:
        angle = math.degrees(math.atan(strength))
        return F.affine(img, 0.0, [0, 0], 1.0, [x * angle, y * angle], interpolation, fill, center=[0, 0])

    return change


def _moved(x: int, y: int) -> Callable[..., Any]:
    def change(img: Any, strength: float, interpolation: Any, fill: Any) -> Any:
        pixels = int(strength)
        return F.affine(img, 0.0, [x * pixels, y * pixels], 1.0, [0.0, 0.0], interpolation, fill)

    return change


def _coloured(work: Callable[[Any, float], Any]) -> Callable[..., Any]:
    return lambda img, strength, interpolation, fill: work(img, strength)


_CHANGES: dict[str, Callable[..., Any]] = {
    "Identity": _coloured(lambda img, strength: img),
    "ShearX": _sheared(1, 0),
    "ShearY": _sheared(0, 1),
    "TranslateX": _moved(1, 0),
    "TranslateY": _moved(0, 1),
    "Rotate": lambda img, strength, interpolation, fill: F.rotate(img, strength, interpolation, fill=fill),
    "Brightness": _coloured(lambda img, strength: F.adjust_brightness(img, 1.0 + strength)),
    "Color": _coloured(lambda img, strength: F.adjust_saturation(img, 1.0 + strength)),
    "Contrast": _coloured(lambda img, strength: F.adjust_contrast(img, 1.0 + strength)),
    "Sharpness": _coloured(lambda img, strength: F.adjust_sharpness(img, 1.0 + strength)),
    "Posterize": _coloured(lambda img, strength: F.posterize(img, int(strength))),
    "Solarize": _coloured(F.solarize),
    "AutoContrast": _coloured(lambda img, strength: F.autocontrast(img)),
    "Equalize": _coloured(lambda img, strength: F.equalize(img)),
    "Invert": _coloured(lambda img, strength: F.invert(img)),
}

_PLAIN: Space = {"AutoContrast": (None, False), "Equalize": (None, False)}


def _steps(end: float, count: int) -> list[float]:
    return linspace(0.0, end, count).tolist()


def _bits(highest: int, count: int, coarseness: int) -> list[float]:
    """Numbers of bits, from the highest down, in steps; computed in float32, as half-way cases depend on it."""
    removed = np.arange(count, dtype=np.float32) / np.float32((count - 1) / coarseness)
    return (highest - removed.round()).tolist()


def _geometry(count: int, shear: float, move_x: float, move_y: float, turn: float) -> Space:
    ends = {"ShearX": shear, "ShearY": shear, "TranslateX": move_x, "TranslateY": move_y, "Rotate": turn}
    return {name: (_steps(end, count), True) for name, end in ends.items()}


def _enhancements(count: int, end: float) -> Space:
    return {name: (_steps(end, count), True) for name in ("Brightness", "Color", "Contrast", "Sharpness")}


def _values(count: int, bits: int, coarseness: int) -> Space:
    solarize = linspace(255.0, 0.0, count).tolist()
    return {"Posterize": (_bits(bits, count, coarseness), False), "Solarize": (solarize, False), **_PLAIN}


def _searched_space(count: int, height: int, width: int) -> Space:
    moves = (150.0 / 331.0 * width, 150.0 / 331.0 * height)
    return {**_geometry(count, 0.3, *moves, 30.0), **_enhancements(count, 0.9), **_values(count, 8, 4)}


class _Augmentation(Module):
    """What the augmentations have in common: how pixels are computed, and the colour of what is new."""

    shown: ClassVar[tuple[str, ...]] = ()

    def __init__(self, interpolation: InterpolationMode, fill: Any):
        super().__init__()
        self.interpolation = interpolation
        self.fill = fill

    def _changed(self, img: Any, name: str, strength: float, fill: Any) -> Any:
        return _CHANGES[name](img, strength, self.interpolation, fill)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={getattr(self, name)}' for name in self.shown)})"


def _drawn(space: Space, choose: Callable[[list[float]], float]) -> tuple[str, float]:
    """The name of a change and its strength, perhaps negative."""
    name = list(space)[draws.integer(0, len(space))]
    strengths, signed = space[name]
    strength = 0.0 if strengths is None else choose(strengths)
    return name, -strength if signed and draws.integer(0, 2) else strength


class AutoAugment(_Augmentation):
    """One pair of changes of a policy that was found by search.

    Args:
        policy: the data set for which it was found.
        interpolation: how pixels are computed.
        fill: the colour of what was outside of the image.
    """

    shown: ClassVar = ("policy", "fill")

    def __init__(
        self,
        policy: AutoAugmentPolicy = AutoAugmentPolicy.IMAGENET,
        interpolation: InterpolationMode = InterpolationMode.NEAREST,
        fill: Any = None,
    ):
        super().__init__(interpolation, fill)
        self.policy = policy
        self.policies: list[tuple[Change, Change]] = policies_of(policy)

    @staticmethod
    def get_params(transform_num: int) -> tuple[int, list[float], list[int]]:
        """Which pair, and for each of its changes a fraction and a sign."""
        return draws.integer(0, transform_num), draws.fractions(2).tolist(), draws.integers(2, 2)

    def forward(self, img: Any) -> Any:
        _, height, width = dimensions(img)
        fill = fill_values(self.fill, img)
        number, fractions, signs = self.get_params(len(self.policies))
        space = _searched_space(10, height, width)
        space = {**space, "Invert": (None, False)}
        for (name, probability, strength), fraction, sign in zip(self.policies[number], fractions, signs, strict=True):
            if fraction <= np.float32(probability):
                strengths, signed = space[name]
                amount = 0.0 if strength is None or strengths is None else strengths[strength]
                img = self._changed(img, name, -amount if signed and sign == 0 else amount, fill)
        return img


class RandAugment(_Augmentation):
    """So many changes, all of one strength.

    Args:
        num_ops: how many changes.
        magnitude: the number of their strength.
        num_magnitude_bins: how many strengths there are.
        interpolation: how pixels are computed.
        fill: the colour of what was outside of the image.
    """

    shown: ClassVar = ("num_ops", "magnitude", "num_magnitude_bins", "interpolation", "fill")

    def __init__(
        self,
        num_ops: int = 2,
        magnitude: int = 9,
        num_magnitude_bins: int = 31,
        interpolation: InterpolationMode = InterpolationMode.NEAREST,
        fill: Any = None,
    ):
        super().__init__(interpolation, fill)
        self.num_ops = num_ops
        self.magnitude = magnitude
        self.num_magnitude_bins = num_magnitude_bins

    def forward(self, img: Any) -> Any:
        _, height, width = dimensions(img)
        fill = fill_values(self.fill, img)
        space = {"Identity": (None, False), **_searched_space(self.num_magnitude_bins, height, width)}
        for _ in range(self.num_ops):
            img = self._changed(img, *_drawn(space, lambda strengths: strengths[self.magnitude]), fill)
        return img


class TrivialAugmentWide(_Augmentation):
    """One change, of a random strength in a wide range.

    Args:
        num_magnitude_bins: how many strengths there are.
        interpolation: how pixels are computed.
        fill: the colour of what was outside of the image.
    """

    shown: ClassVar = ("num_magnitude_bins", "interpolation", "fill")

    def __init__(
        self,
        num_magnitude_bins: int = 31,
        interpolation: InterpolationMode = InterpolationMode.NEAREST,
        fill: Any = None,
    ):
        super().__init__(interpolation, fill)
        self.num_magnitude_bins = num_magnitude_bins

    def forward(self, img: Any) -> Any:
        count = self.num_magnitude_bins
        space = {
            "Identity": (None, False),
            **_geometry(count, 0.99, 32.0, 32.0, 135.0),
            **_enhancements(count, 0.99),
            **_values(count, 8, 6),
        }
        drawn = _drawn(space, lambda strengths: strengths[draws.integer(0, len(strengths))])
        return self._changed(img, *drawn, fill_values(self.fill, img))


class AugMix(_Augmentation):
    """A mixture of the image and of several chains of changes.

    Args:
        severity: the highest number of a strength, in [1, 10].
        mixture_width: how many chains.
        chain_depth: how many changes a chain has; random in [1, 3] where it is not above 0.
        alpha: of the distributions that the parts of the mixture are drawn from.
        all_ops: also brightness, colour, contrast, and sharpness.
        interpolation: how pixels are computed.
        fill: the colour of what was outside of the image.

    Raises ValueError for a severity outside [1, 10].
    """

    shown: ClassVar = ("severity", "mixture_width", "chain_depth", "alpha", "all_ops", "interpolation", "fill")

    def __init__(
        self,
        severity: int = 3,
        mixture_width: int = 3,
        chain_depth: int = -1,
        alpha: float = 1.0,
        all_ops: bool = True,
        interpolation: InterpolationMode = InterpolationMode.BILINEAR,
        fill: Any = None,
    ):
        super().__init__(interpolation, fill)
        if not 1 <= severity <= 10:
            raise ValueError(f"The severity must be between [1, 10]. Got {severity} instead.")
        self.severity = severity
        self.mixture_width = mixture_width
        self.chain_depth = chain_depth
        self.alpha = alpha
        self.all_ops = all_ops

    def _space(self, height: int, width: int) -> Space:
        space = {**_geometry(10, 0.3, width / 3.0, height / 3.0, 30.0), **_values(10, 4, 4)}
        return {**space, **_enhancements(10, 0.9)} if self.all_ops else space

    def forward(self, orig_img: Any) -> Any:
        if not isinstance(orig_img, Tensor):
            return F.to_pil_image(self._mixed(F.pil_to_tensor(orig_img), self.fill, orig_img))
        return self._mixed(orig_img, fill_values(self.fill, orig_img), orig_img)

    def _mixed(self, img: Tensor, fill: Any, original: Any) -> Tensor:
        _, height, width = dimensions(original)
        space = self._space(height, width)
        batch = img.reshape(*[1] * max(4 - img.ndim, 0), *img.shape)
        count, ones = batch.shape[0], [1] * (batch.ndim - 1)
        parts = draws.dirichlet(self.alpha, count, 2)
        weights = draws.dirichlet(self.alpha, count, self.mixture_width) * parts[:, 1:]
        mix = from_numpy(parts[:, 0].reshape(count, *ones)) * batch
        for chain in range(self.mixture_width):
            changed = batch
            for _ in range(self.chain_depth if self.chain_depth > 0 else draws.integer(1, 4)):
                drawn = _drawn(space, lambda strengths: strengths[draws.integer(0, self.severity)])
                changed = self._changed(changed, *drawn, fill)
            mix = mix + from_numpy(weights[:, chain].reshape(count, *ones)) * changed
        return mix.reshape(img.shape).to(img.dtype)
