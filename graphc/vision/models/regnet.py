"""RegNet: networks whose widths lie on a line, found by searching spaces of designs.

Source: Radosavovic et al., "Designing network design spaces", 2020.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Mapping
from functools import partial
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np

from graphc import nn
from graphc.tensor import Tensor
from graphc.vision.models.weights import WeightsEnum, builder, imagenet, loaded
from graphc.vision.ops.misc import Conv2dNormActivation, Norm, SqueezeExcitation, make_divisible

__all__ = [
    "RegNet",
    "RegNet_X_1_6GF_Weights",
    "RegNet_X_3_2GF_Weights",
    "RegNet_X_8GF_Weights",
    "RegNet_X_16GF_Weights",
    "RegNet_X_32GF_Weights",
    "RegNet_X_400MF_Weights",
    "RegNet_X_800MF_Weights",
    "RegNet_Y_1_6GF_Weights",
    "RegNet_Y_3_2GF_Weights",
    "RegNet_Y_8GF_Weights",
    "RegNet_Y_16GF_Weights",
    "RegNet_Y_32GF_Weights",
    "RegNet_Y_400MF_Weights",
    "RegNet_Y_800MF_Weights",
    "regnet_x_1_6gf",
    "regnet_x_3_2gf",
    "regnet_x_8gf",
    "regnet_x_16gf",
    "regnet_x_32gf",
    "regnet_x_400mf",
    "regnet_x_800mf",
    "regnet_y_1_6gf",
    "regnet_y_3_2gf",
    "regnet_y_8gf",
    "regnet_y_16gf",
    "regnet_y_32gf",
    "regnet_y_400mf",
    "regnet_y_800mf",
]


class BlockParams(NamedTuple):
    """Of each stage how many blocks it has, their channels, and how many of these make a group."""

    depths: list[int]
    widths: list[int]
    group_widths: list[int]
    se_ratio: float | None

    @classmethod
    def from_init_params(
        cls, depth: int, w_0: int, w_a: float, w_m: float, group_width: int, se_ratio: float | None = None
    ) -> BlockParams:
        """Widths on the line ``w_0 + w_a * i``, moved to powers of ``w_m`` and then to multiples of 8.

        Raises ValueError for parameters that give no such widths.
        """
        if w_a < 0 or w_0 <= 0 or w_m <= 1 or w_0 % 8 != 0:
            raise ValueError("Invalid RegNet settings")
        line = np.arange(depth, dtype=np.float32) * np.float32(w_a) + np.float32(w_0)
        powers = np.round(np.log(line / np.float32(w_0)) / math.log(w_m))
        widths = (np.round(w_0 * np.power(np.float32(w_m), powers) / 8) * 8).astype(int).tolist()
        stages = [(width, len(list(blocks))) for width, blocks in groupby(widths)]
        groups = [min(group_width, width) for width, _ in stages]
        fitting = [make_divisible(width, group) for (width, _), group in zip(stages, groups, strict=True)]
        return cls([count for _, count in stages], fitting, groups, se_ratio)


def _bottleneck(
    width_in: int, width_out: int, stride: int, norm_layer: Norm, group_width: int, se_ratio: float | None
) -> nn.Sequential:
    common: dict[str, Any] = {"norm_layer": norm_layer, "activation_layer": nn.ReLU}
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    layers["a"] = Conv2dNormActivation(width_in, width_out, 1, **common)
    layers["b"] = Conv2dNormActivation(width_out, width_out, 3, stride, groups=width_out // group_width, **common)
    if se_ratio:
        squeezed = round(se_ratio * width_in)
        layers["se"] = SqueezeExcitation(width_out, squeezed, activation=partial(nn.ReLU, inplace=True))
    layers["c"] = Conv2dNormActivation(width_out, width_out, 1, norm_layer=norm_layer, activation_layer=None)
    return nn.Sequential(layers)


class ResBottleneckBlock(nn.Module):
    """Convolutions of groups of channels between 1x1 convolutions, added to the input, or to its projection."""

    def __init__(
        self,
        width_in: int,
        width_out: int,
        stride: int,
        norm_layer: Norm,
        group_width: int,
        se_ratio: float | None,
    ):
        super().__init__()
        self.proj = None
        if width_in != width_out or stride != 1:
            plain = {"norm_layer": norm_layer, "activation_layer": None}
            self.proj = Conv2dNormActivation(width_in, width_out, 1, stride, **plain)
        self.f = _bottleneck(width_in, width_out, stride, norm_layer, group_width, se_ratio)
        self.activation = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.activation((x if self.proj is None else self.proj(x)) + self.f(x))


class RegNet(nn.Module):
    """Images (N, 3, H, W) to logits (N, num_classes).

    Args:
        block_params: the stages.
        num_classes: the number of logits.
        stem_width: the channels of the first convolution.
        norm_layer: batch normalisation by default.
    """

    def __init__(
        self,
        block_params: BlockParams,
        num_classes: int = 1000,
        stem_width: int = 32,
        norm_layer: Norm | None = None,
    ):
        super().__init__()
        norm = nn.BatchNorm2d if norm_layer is None else norm_layer
        self.stem = Conv2dNormActivation(3, stem_width, 3, 2, norm_layer=norm, activation_layer=nn.ReLU)
        width, stages = stem_width, OrderedDict()
        shapes = zip(block_params.depths, block_params.widths, block_params.group_widths, strict=True)
        for number, (depth, width_out, group) in enumerate(shapes, 1):
            blocks: OrderedDict[str, nn.Module] = OrderedDict()
            for place in range(depth):
                sizes = (width_out if place else width, width_out, 1 if place else 2)
                blocks[f"block{number}-{place}"] = ResBottleneckBlock(*sizes, norm, group, block_params.se_ratio)
            stages[f"block{number}"] = nn.Sequential(blocks)
            width = width_out
        self.trunk_output = nn.Sequential(stages)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(width, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                fan_out = module.kernel_size[0] * module.kernel_size[1] * module.out_channels
                nn.init.normal_(module.weight, mean=0.0, std=math.sqrt(2.0 / fan_out))
            elif isinstance(module, nn.BatchNorm2d):
                nn.init.ones_(module.weight)
                nn.init.zeros_(module.bias)
            elif isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, mean=0.0, std=0.01)
                nn.init.zeros_(module.bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.avgpool(self.trunk_output(self.stem(x))).flatten(start_dim=1))


def _made(values: Mapping[str, Any] | None, *shape: Any, **options: Any) -> RegNet:
    options.setdefault("norm_layer", partial(nn.BatchNorm2d, eps=1e-05, momentum=0.1))
    return loaded(RegNet(BlockParams.from_init_params(*shape), **options), values)


class RegNet_Y_400MF_Weights(WeightsEnum):
    """Checkpoints of :func:`regnet_y_400mf`."""

    IMAGENET1K_V1 = imagenet("regnet_y_400mf-c65dace8.pth")
    IMAGENET1K_V2 = imagenet("regnet_y_400mf-e6988f5f.pth", resize=232)
    DEFAULT = IMAGENET1K_V2


class RegNet_Y_800MF_Weights(WeightsEnum):
    """Checkpoints of :func:`regnet_y_800mf`."""

    IMAGENET1K_V1 = imagenet("regnet_y_800mf-1b27b58c.pth")
    IMAGENET1K_V2 = imagenet("regnet_y_800mf-58fc7688.pth", resize=232)
    DEFAULT = IMAGENET1K_V2


class RegNet_Y_1_6GF_Weights(WeightsEnum):
    """Checkpoints of :func:`regnet_y_1_6gf`."""

    IMAGENET1K_V1 = imagenet("regnet_y_1_6gf-b11a554e.pth")
    IMAGENET1K_V2 = imagenet("regnet_y_1_6gf-0d7bc02a.pth", resize=232)
    DEFAULT = IMAGENET1K_V2


class RegNet_Y_3_2GF_Weights(WeightsEnum):
    """Checkpoints of :func:`regnet_y_3_2gf`."""

    IMAGENET1K_V1 = imagenet("regnet_y_3_2gf-b5a9779c.pth")
    IMAGENET1K_V2 = imagenet("regnet_y_3_2gf-9180c971.pth", resize=232)
    DEFAULT = IMAGENET1K_V2


class RegNet_Y_8GF_Weights(WeightsEnum):
    """Checkpoints of :func:`regnet_y_8gf`."""

    IMAGENET1K_V1 = imagenet("regnet_y_8gf-d0d0e4a8.pth")
    IMAGENET1K_V2 = imagenet("regnet_y_8gf-dc2b1b54.pth", resize=232)
    DEFAULT = IMAGENET1K_V2


class RegNet_Y_16GF_Weights(WeightsEnum):
    """Checkpoints of :func:`regnet_y_16gf`."""

    IMAGENET1K_V1 = imagenet("regnet_y_16gf-9e6ed7dd.pth")
    IMAGENET1K_V2 = imagenet("regnet_y_16gf-3e4a00f9.pth", resize=232)
    DEFAULT = IMAGENET1K_V2


class RegNet_Y_32GF_Weights(WeightsEnum):
    """Checkpoints of :func:`regnet_y_32gf`."""

    IMAGENET1K_V1 = imagenet("regnet_y_32gf-4dee3f7a.pth")
    IMAGENET1K_V2 = imagenet("regnet_y_32gf-8db6d4b5.pth", resize=232)
    DEFAULT = IMAGENET1K_V2


class RegNet_X_400MF_Weights(WeightsEnum):
    """Checkpoints of :func:`regnet_x_400mf`."""

    IMAGENET1K_V1 = imagenet("regnet_x_400mf-adf1edd5.pth")
    IMAGENET1K_V2 = imagenet("regnet_x_400mf-62229a5f.pth", resize=232)
    DEFAULT = IMAGENET1K_V2


class RegNet_X_800MF_Weights(WeightsEnum):
    """Checkpoints of :func:`regnet_x_800mf`."""

    IMAGENET1K_V1 = imagenet("regnet_x_800mf-ad17e45c.pth")
    IMAGENET1K_V2 = imagenet("regnet_x_800mf-94a99405.pth", resize=232)
    DEFAULT = IMAGENET1K_V2


class RegNet_X_1_6GF_Weights(WeightsEnum):
    """Checkpoints of :func:`regnet_x_1_6gf`."""

    IMAGENET1K_V1 = imagenet("regnet_x_1_6gf-e3633e7f.pth")
    IMAGENET1K_V2 = imagenet("regnet_x_1_6gf-a12f2b72.pth", resize=232)
    DEFAULT = IMAGENET1K_V2


class RegNet_X_3_2GF_Weights(WeightsEnum):
    """Checkpoints of :func:`regnet_x_3_2gf`."""

    IMAGENET1K_V1 = imagenet("regnet_x_3_2gf-f342aeae.pth")
    IMAGENET1K_V2 = imagenet("regnet_x_3_2gf-7071aa85.pth", resize=232)
    DEFAULT = IMAGENET1K_V2


class RegNet_X_8GF_Weights(WeightsEnum):
    """Checkpoints of :func:`regnet_x_8gf`."""

    IMAGENET1K_V1 = imagenet("regnet_x_8gf-03ceed89.pth")
    IMAGENET1K_V2 = imagenet("regnet_x_8gf-2b70d774.pth", resize=232)
    DEFAULT = IMAGENET1K_V2


class RegNet_X_16GF_Weights(WeightsEnum):
    """Checkpoints of :func:`regnet_x_16gf`."""

    IMAGENET1K_V1 = imagenet("regnet_x_16gf-2007eb11.pth")
    IMAGENET1K_V2 = imagenet("regnet_x_16gf-ba3796d7.pth", resize=232)
    DEFAULT = IMAGENET1K_V2


class RegNet_X_32GF_Weights(WeightsEnum):
    """Checkpoints of :func:`regnet_x_32gf`."""

    IMAGENET1K_V1 = imagenet("regnet_x_32gf-9d47f8d0.pth")
    IMAGENET1K_V2 = imagenet("regnet_x_32gf-6eb8fdc6.pth", resize=232)
    DEFAULT = IMAGENET1K_V2


@builder(RegNet_Y_400MF_Weights)
def regnet_y_400mf(values: Mapping[str, Any] | None, **options: Any) -> RegNet:
    """4 344 144 parameters."""
    return _made(values, 16, 48, 27.89, 2.09, 8, 0.25, **options)


@builder(RegNet_Y_800MF_Weights)
def regnet_y_800mf(values: Mapping[str, Any] | None, **options: Any) -> RegNet:
    """6 432 512 parameters."""
    return _made(values, 14, 56, 38.84, 2.4, 16, 0.25, **options)


@builder(RegNet_Y_1_6GF_Weights)
def regnet_y_1_6gf(values: Mapping[str, Any] | None, **options: Any) -> RegNet:
    """11 202 430 parameters."""
    return _made(values, 27, 48, 20.71, 2.65, 24, 0.25, **options)


@builder(RegNet_Y_3_2GF_Weights)
def regnet_y_3_2gf(values: Mapping[str, Any] | None, **options: Any) -> RegNet:
    """19 436 338 parameters."""
    return _made(values, 21, 80, 42.63, 2.66, 24, 0.25, **options)


@builder(RegNet_Y_8GF_Weights)
def regnet_y_8gf(values: Mapping[str, Any] | None, **options: Any) -> RegNet:
    """39 381 472 parameters."""
    return _made(values, 17, 192, 76.82, 2.19, 56, 0.25, **options)


@builder(RegNet_Y_16GF_Weights)
def regnet_y_16gf(values: Mapping[str, Any] | None, **options: Any) -> RegNet:
    """83 590 140 parameters."""
    return _made(values, 18, 200, 106.23, 2.48, 112, 0.25, **options)


@builder(RegNet_Y_32GF_Weights)
def regnet_y_32gf(values: Mapping[str, Any] | None, **options: Any) -> RegNet:
    """145 046 770 parameters."""
    return _made(values, 20, 232, 115.89, 2.53, 232, 0.25, **options)


@builder(RegNet_X_400MF_Weights)
def regnet_x_400mf(values: Mapping[str, Any] | None, **options: Any) -> RegNet:
    """5 495 976 parameters."""
    return _made(values, 22, 24, 24.48, 2.54, 16, **options)


@builder(RegNet_X_800MF_Weights)
def regnet_x_800mf(values: Mapping[str, Any] | None, **options: Any) -> RegNet:
    """7 259 656 parameters."""
    return _made(values, 16, 56, 35.73, 2.28, 16, **options)


@builder(RegNet_X_1_6GF_Weights)
def regnet_x_1_6gf(values: Mapping[str, Any] | None, **options: Any) -> RegNet:
    """9 190 136 parameters."""
    return _made(values, 18, 80, 34.01, 2.25, 24, **options)


@builder(RegNet_X_3_2GF_Weights)
def regnet_x_3_2gf(values: Mapping[str, Any] | None, **options: Any) -> RegNet:
    """15 296 552 parameters."""
    return _made(values, 25, 88, 26.31, 2.25, 48, **options)


@builder(RegNet_X_8GF_Weights)
def regnet_x_8gf(values: Mapping[str, Any] | None, **options: Any) -> RegNet:
    """39 572 648 parameters."""
    return _made(values, 23, 80, 49.56, 2.88, 120, **options)


@builder(RegNet_X_16GF_Weights)
def regnet_x_16gf(values: Mapping[str, Any] | None, **options: Any) -> RegNet:
    """54 278 536 parameters."""
    return _made(values, 22, 216, 55.59, 2.1, 128, **options)


@builder(RegNet_X_32GF_Weights)
def regnet_x_32gf(values: Mapping[str, Any] | None, **options: Any) -> RegNet:
    """107 811 560 parameters."""
    return _made(values, 23, 320, 69.86, 2.0, 168, **options)
