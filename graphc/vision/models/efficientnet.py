"""EfficientNet: depth, width, and size of a network grown together; and its second version.

Source: Tan and Le, "EfficientNet: Rethinking model scaling for convolutional neural networks", 2019, and
"EfficientNetV2: Smaller models and faster training", 2021.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from graphc import nn
from graphc.tensor import Tensor
from graphc.vision.models.weights import WeightsEnum, builder, imagenet, loaded
from graphc.vision.ops.misc import (
    Conv2dNormActivation,
    Norm,
    SqueezeExcitation,
    StochasticDepth,
    initialize,
    make_divisible,
)

__all__ = [
    "EfficientNet",
    "EfficientNet_B0_Weights",
    "EfficientNet_B1_Weights",
    "EfficientNet_B2_Weights",
    "EfficientNet_B3_Weights",
    "EfficientNet_B4_Weights",
    "EfficientNet_B5_Weights",
    "EfficientNet_B6_Weights",
    "EfficientNet_B7_Weights",
    "EfficientNet_V2_L_Weights",
    "EfficientNet_V2_M_Weights",
    "EfficientNet_V2_S_Weights",
    "efficientnet_b0",
    "efficientnet_b1",
    "efficientnet_b2",
    "efficientnet_b3",
    "efficientnet_b4",
    "efficientnet_b5",
    "efficientnet_b6",
    "efficientnet_b7",
    "efficientnet_v2_l",
    "efficientnet_v2_m",
    "efficientnet_v2_s",
]


class Stage(NamedTuple):
    """A stage: expansion, kernel, the stride of its first block, channels in and out, how many blocks, and whether the
    first two convolutions of a block are one."""

    expansion: float
    kernel: int
    stride: int
    inp: int
    oup: int
    count: int
    fused: bool = False


_FIRST_VERSION = (
    (1, 3, 1, 32, 16, 1),
    (6, 3, 2, 16, 24, 2),
    (6, 5, 2, 24, 40, 2),
    (6, 3, 2, 40, 80, 3),
    (6, 5, 1, 80, 112, 3),
    (6, 5, 2, 112, 192, 4),
    (6, 3, 1, 192, 320, 1),
)
_SMALL = (
    Stage(1, 3, 1, 24, 24, 2, True),
    Stage(4, 3, 2, 24, 48, 4, True),
    Stage(4, 3, 2, 48, 64, 4, True),
    Stage(4, 3, 2, 64, 128, 6),
    Stage(6, 3, 1, 128, 160, 9),
    Stage(6, 3, 2, 160, 256, 15),
)
_MEDIUM = (
    Stage(1, 3, 1, 24, 24, 3, True),
    Stage(4, 3, 2, 24, 48, 5, True),
    Stage(4, 3, 2, 48, 80, 5, True),
    Stage(4, 3, 2, 80, 160, 7),
    Stage(6, 3, 1, 160, 176, 14),
    Stage(6, 3, 2, 176, 304, 18),
    Stage(6, 3, 1, 304, 512, 5),
)
_LARGE = (
    Stage(1, 3, 1, 32, 32, 4, True),
    Stage(4, 3, 2, 32, 64, 7, True),
    Stage(4, 3, 2, 64, 96, 7, True),
    Stage(4, 3, 2, 96, 192, 10),
    Stage(6, 3, 1, 192, 224, 19),
    Stage(6, 3, 2, 224, 384, 25),
    Stage(6, 3, 1, 384, 640, 7),
)


class MBConv(nn.Module):
    """More channels, a convolution of each, their scaling, and fewer again; added to the input of the same shape."""

    def __init__(self, cnf: Stage, stochastic_depth_prob: float, norm_layer: Norm):
        super().__init__()
        if not 1 <= cnf.stride <= 2:
            raise ValueError("illegal stride value")
        inner = make_divisible(cnf.inp * cnf.expansion, 8)
        common: dict[str, Any] = {"norm_layer": norm_layer, "activation_layer": nn.SiLU}
        layers: list[nn.Module] = []
        if cnf.fused:
            last = cnf.oup if inner == cnf.inp else inner
            layers.append(Conv2dNormActivation(cnf.inp, last, cnf.kernel, cnf.stride, **common))
        else:
            if inner != cnf.inp:
                layers.append(Conv2dNormActivation(cnf.inp, inner, 1, **common))
            layers.append(Conv2dNormActivation(inner, inner, cnf.kernel, cnf.stride, groups=inner, **common))
            squeezed = max(1, cnf.inp // 4)
            layers.append(SqueezeExcitation(inner, squeezed, activation=partial(nn.SiLU, inplace=True)))
        if not cnf.fused or inner != cnf.inp:
            plain = {"norm_layer": norm_layer, "activation_layer": None}
            layers.append(Conv2dNormActivation(inner, cnf.oup, 1, **plain))
        self.use_res_connect = cnf.stride == 1 and cnf.inp == cnf.oup
        self.block = nn.Sequential(*layers)
        self.stochastic_depth = StochasticDepth(stochastic_depth_prob, "row")
        self.out_channels = cnf.oup

    def forward(self, input: Tensor) -> Tensor:
        result = self.block(input)
        return self.stochastic_depth(result) + input if self.use_res_connect else result


class FusedMBConv(MBConv):
    """As :class:`MBConv`, with one convolution for the first two and no scaling."""


class EfficientNet(nn.Module):
    """Images (N, 3, H, W) to logits (N, num_classes).

    Args:
        inverted_residual_setting: the stages.
        dropout: before the last layer.
        stochastic_depth_prob: of the last block; that of the others grows up to it.
        num_classes: the number of logits.
        norm_layer: batch normalisation by default.
        last_channel: the channels before the logits; four times those of the last stage by default.

    Raises ValueError for no stages.
    """

    def __init__(
        self,
        inverted_residual_setting: Sequence[Stage],
        dropout: float,
        stochastic_depth_prob: float = 0.2,
        num_classes: int = 1000,
        norm_layer: Norm | None = None,
        last_channel: int | None = None,
    ):
        super().__init__()
        if not inverted_residual_setting:
            raise ValueError("The inverted_residual_setting should not be empty")
        norm = nn.BatchNorm2d if norm_layer is None else norm_layer
        common: dict[str, Any] = {"norm_layer": norm, "activation_layer": nn.SiLU}
        layers: list[nn.Module] = [Conv2dNormActivation(3, inverted_residual_setting[0].inp, 3, 2, **common)]
        total, number = sum(stage.count for stage in inverted_residual_setting), 0
        for stage in inverted_residual_setting:
            blocks: list[nn.Module] = []
            for _ in range(stage.count):
                kind = FusedMBConv if stage.fused else MBConv
                each = stage._replace(inp=stage.oup, stride=1) if blocks else stage
                blocks.append(kind(each, stochastic_depth_prob * number / total, norm))
                number += 1
            layers.append(nn.Sequential(*blocks))
        last = inverted_residual_setting[-1].oup
        width = 4 * last if last_channel is None else last_channel
        layers.append(Conv2dNormActivation(last, width, 1, **common))
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(nn.Dropout(p=dropout, inplace=True), nn.Linear(width, num_classes))

        def spread(module: Any) -> None:
            limit = 1.0 / math.sqrt(module.out_features)
            nn.init.uniform_(module.weight, -limit, limit)

        initialize(self, spread)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


_SLOW_STATISTICS = partial(nn.BatchNorm2d, eps=0.001, momentum=0.01)


def _grown(
    values: Mapping[str, Any] | None, width: float, depth: float, dropout: float, **options: Any
) -> EfficientNet:
    stages = [
        Stage(
            expansion,
            kernel,
            stride,
            make_divisible(inp * width, 8),
            make_divisible(oup * width, 8),
            math.ceil(count * depth),
        )
        for expansion, kernel, stride, inp, oup, count in _FIRST_VERSION
    ]
    return loaded(EfficientNet(stages, options.pop("dropout", dropout), **options), values)


def _second(values: Mapping[str, Any] | None, stages: Sequence[Stage], dropout: float, **options: Any) -> EfficientNet:
    options.setdefault("norm_layer", partial(nn.BatchNorm2d, eps=1e-03))
    return loaded(EfficientNet(stages, options.pop("dropout", dropout), last_channel=1280, **options), values)


class EfficientNet_B0_Weights(WeightsEnum):
    """Checkpoints of :func:`efficientnet_b0`."""

    IMAGENET1K_V1 = imagenet("efficientnet_b0_rwightman-7f5810bc.pth", crop=224, resize=256)
    DEFAULT = IMAGENET1K_V1


class EfficientNet_B1_Weights(WeightsEnum):
    """Checkpoints of :func:`efficientnet_b1`."""

    IMAGENET1K_V1 = imagenet("efficientnet_b1_rwightman-bac287d4.pth", crop=240, resize=256)
    IMAGENET1K_V2 = imagenet("efficientnet_b1-c27df63c.pth", crop=240, resize=255)
    DEFAULT = IMAGENET1K_V2


class EfficientNet_B2_Weights(WeightsEnum):
    """Checkpoints of :func:`efficientnet_b2`."""

    IMAGENET1K_V1 = imagenet("efficientnet_b2_rwightman-c35c1473.pth", crop=288, resize=288)
    DEFAULT = IMAGENET1K_V1


class EfficientNet_B3_Weights(WeightsEnum):
    """Checkpoints of :func:`efficientnet_b3`."""

    IMAGENET1K_V1 = imagenet("efficientnet_b3_rwightman-b3899882.pth", crop=300, resize=320)
    DEFAULT = IMAGENET1K_V1


class EfficientNet_B4_Weights(WeightsEnum):
    """Checkpoints of :func:`efficientnet_b4`."""

    IMAGENET1K_V1 = imagenet("efficientnet_b4_rwightman-23ab8bcd.pth", crop=380, resize=384)
    DEFAULT = IMAGENET1K_V1


class EfficientNet_B5_Weights(WeightsEnum):
    """Checkpoints of :func:`efficientnet_b5`."""

    IMAGENET1K_V1 = imagenet("efficientnet_b5_lukemelas-1a07897c.pth", crop=456, resize=456)
    DEFAULT = IMAGENET1K_V1


class EfficientNet_B6_Weights(WeightsEnum):
    """Checkpoints of :func:`efficientnet_b6`."""

    IMAGENET1K_V1 = imagenet("efficientnet_b6_lukemelas-24a108a5.pth", crop=528, resize=528)
    DEFAULT = IMAGENET1K_V1


class EfficientNet_B7_Weights(WeightsEnum):
    """Checkpoints of :func:`efficientnet_b7`."""

    IMAGENET1K_V1 = imagenet("efficientnet_b7_lukemelas-c5b4e57e.pth", crop=600, resize=600)
    DEFAULT = IMAGENET1K_V1


class EfficientNet_V2_S_Weights(WeightsEnum):
    """Checkpoints of :func:`efficientnet_v2_s`."""

    IMAGENET1K_V1 = imagenet("efficientnet_v2_s-dd5fe13b.pth", crop=384, resize=384)
    DEFAULT = IMAGENET1K_V1


class EfficientNet_V2_M_Weights(WeightsEnum):
    """Checkpoints of :func:`efficientnet_v2_m`."""

    IMAGENET1K_V1 = imagenet("efficientnet_v2_m-dc08266a.pth", crop=480, resize=480)
    DEFAULT = IMAGENET1K_V1


class EfficientNet_V2_L_Weights(WeightsEnum):
    """Checkpoints of :func:`efficientnet_v2_l`."""

    IMAGENET1K_V1 = imagenet("efficientnet_v2_l-59c71312.pth", crop=480, resize=480)
    DEFAULT = IMAGENET1K_V1


@builder(EfficientNet_B0_Weights)
def efficientnet_b0(values: Mapping[str, Any] | None, **options: Any) -> EfficientNet:
    """EfficientNet B0, for images of 224 pixels; 5 288 548 parameters."""
    return _grown(values, 1.0, 1.0, 0.2, **options)


@builder(EfficientNet_B1_Weights)
def efficientnet_b1(values: Mapping[str, Any] | None, **options: Any) -> EfficientNet:
    """EfficientNet B1, for images of 240 pixels; 7 794 184 parameters."""
    return _grown(values, 1.0, 1.1, 0.2, **options)


@builder(EfficientNet_B2_Weights)
def efficientnet_b2(values: Mapping[str, Any] | None, **options: Any) -> EfficientNet:
    """EfficientNet B2, for images of 288 pixels; 9 109 994 parameters."""
    return _grown(values, 1.1, 1.2, 0.3, **options)


@builder(EfficientNet_B3_Weights)
def efficientnet_b3(values: Mapping[str, Any] | None, **options: Any) -> EfficientNet:
    """EfficientNet B3, for images of 300 pixels; 12 233 232 parameters."""
    return _grown(values, 1.2, 1.4, 0.3, **options)


@builder(EfficientNet_B4_Weights)
def efficientnet_b4(values: Mapping[str, Any] | None, **options: Any) -> EfficientNet:
    """EfficientNet B4, for images of 380 pixels; 19 341 616 parameters."""
    return _grown(values, 1.4, 1.8, 0.4, **options)


@builder(EfficientNet_B5_Weights)
def efficientnet_b5(values: Mapping[str, Any] | None, **options: Any) -> EfficientNet:
    """EfficientNet B5, for images of 456 pixels; 30 389 784 parameters."""
    options.setdefault("norm_layer", _SLOW_STATISTICS)
    return _grown(values, 1.6, 2.2, 0.4, **options)


@builder(EfficientNet_B6_Weights)
def efficientnet_b6(values: Mapping[str, Any] | None, **options: Any) -> EfficientNet:
    """EfficientNet B6, for images of 528 pixels; 43 040 704 parameters."""
    options.setdefault("norm_layer", _SLOW_STATISTICS)
    return _grown(values, 1.8, 2.6, 0.5, **options)


@builder(EfficientNet_B7_Weights)
def efficientnet_b7(values: Mapping[str, Any] | None, **options: Any) -> EfficientNet:
    """EfficientNet B7, for images of 600 pixels; 66 347 960 parameters."""
    options.setdefault("norm_layer", _SLOW_STATISTICS)
    return _grown(values, 2.0, 3.1, 0.5, **options)


@builder(EfficientNet_V2_S_Weights)
def efficientnet_v2_s(values: Mapping[str, Any] | None, **options: Any) -> EfficientNet:
    """EfficientNetV2 S, for images of 384 pixels; 21 458 488 parameters."""
    return _second(values, _SMALL, 0.2, **options)


@builder(EfficientNet_V2_M_Weights)
def efficientnet_v2_m(values: Mapping[str, Any] | None, **options: Any) -> EfficientNet:
    """EfficientNetV2 M, for images of 480 pixels; 54 139 356 parameters."""
    return _second(values, _MEDIUM, 0.3, **options)


@builder(EfficientNet_V2_L_Weights)
def efficientnet_v2_l(values: Mapping[str, Any] | None, **options: Any) -> EfficientNet:
    """EfficientNetV2 L, for images of 480 pixels; 118 515 272 parameters."""
    return _second(values, _LARGE, 0.4, **options)
