"""MobileNetV3: blocks of MobileNetV2 with channels scaled by their means, and activations of straight pieces.

Source: Howard et al., "Searching for MobileNetV3", 2019.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from graphc import nn
from graphc.tensor import Tensor
from graphc.vision.models.weights import WeightsEnum, builder, imagenet, loaded
from graphc.vision.ops.misc import Conv2dNormActivation, Norm, SqueezeExcitation, initialize, make_divisible

__all__ = [
    "MobileNetV3",
    "MobileNet_V3_Large_Weights",
    "MobileNet_V3_Small_Weights",
    "mobilenet_v3_large",
    "mobilenet_v3_small",
]


class Bottleneck(NamedTuple):
    """A block: channels in, kernel, inner channels, channels out, whether channels are scaled, whether the activation
    is Hardswish, stride, and dilation."""

    inp: int
    kernel: int
    inner: int
    oup: int
    scaled: bool
    hard: bool
    stride: int
    dilation: int = 1


_LARGE = (
    (16, 3, 16, 16, False, False, 1),
    (16, 3, 64, 24, False, False, 2),
    (24, 3, 72, 24, False, False, 1),
    (24, 5, 72, 40, True, False, 2),
    (40, 5, 120, 40, True, False, 1),
    (40, 5, 120, 40, True, False, 1),
    (40, 3, 240, 80, False, True, 2),
    (80, 3, 200, 80, False, True, 1),
    (80, 3, 184, 80, False, True, 1),
    (80, 3, 184, 80, False, True, 1),
    (80, 3, 480, 112, True, True, 1),
    (112, 3, 672, 112, True, True, 1),
    (112, 5, 672, 160, True, True, 2),
    (160, 5, 960, 160, True, True, 1),
    (160, 5, 960, 160, True, True, 1),
)
_SMALL = (
    (16, 3, 16, 16, True, False, 2),
    (16, 3, 72, 24, False, False, 2),
    (24, 3, 88, 24, False, False, 1),
    (24, 5, 96, 40, True, True, 2),
    (40, 5, 240, 40, True, True, 1),
    (40, 5, 240, 40, True, True, 1),
    (40, 5, 120, 48, True, True, 1),
    (48, 5, 144, 48, True, True, 1),
    (48, 5, 288, 96, True, True, 2),
    (96, 5, 576, 96, True, True, 1),
    (96, 5, 576, 96, True, True, 1),
)


class InvertedResidual(nn.Module):
    """More channels, a convolution of each, their scaling, and fewer again; added to the input of the same shape."""

    def __init__(self, cnf: Bottleneck, norm_layer: Norm):
        super().__init__()
        if not 1 <= cnf.stride <= 2:
            raise ValueError("illegal stride value")
        activation = nn.Hardswish if cnf.hard else nn.ReLU
        common: dict[str, Any] = {"norm_layer": norm_layer, "activation_layer": activation}
        layers: list[nn.Module] = []
        if cnf.inner != cnf.inp:
            layers.append(Conv2dNormActivation(cnf.inp, cnf.inner, kernel_size=1, **common))
        stride = 1 if cnf.dilation > 1 else cnf.stride
        geometry = {"kernel_size": cnf.kernel, "stride": stride, "dilation": cnf.dilation, "groups": cnf.inner}
        layers.append(Conv2dNormActivation(cnf.inner, cnf.inner, **geometry, **common))
        if cnf.scaled:
            squeezed = make_divisible(cnf.inner // 4, 8)
            layers.append(SqueezeExcitation(cnf.inner, squeezed, scale_activation=nn.Hardsigmoid))
        plain = {"norm_layer": norm_layer, "activation_layer": None}
        layers.append(Conv2dNormActivation(cnf.inner, cnf.oup, kernel_size=1, **plain))
        self.use_res_connect = cnf.stride == 1 and cnf.inp == cnf.oup
        self.block = nn.Sequential(*layers)
        self.out_channels = cnf.oup

    def forward(self, input: Tensor) -> Tensor:
        result = self.block(input)
        return result + input if self.use_res_connect else result


class MobileNetV3(nn.Module):
    """Images (N, 3, H, W) to logits (N, num_classes).

    Args:
        inverted_residual_setting: the blocks.
        last_channel: the width before the logits.
        num_classes: the number of logits.
        block: what is made of each of the blocks.
        norm_layer: batch normalisation with eps 0.001 and momentum 0.01 by default.
        dropout: before the last layer.

    Raises ValueError for no blocks.
    """

    def __init__(
        self,
        inverted_residual_setting: Sequence[Bottleneck],
        last_channel: int,
        num_classes: int = 1000,
        block: Callable[..., nn.Module] | None = None,
        norm_layer: Norm | None = None,
        dropout: float = 0.2,
    ):
        super().__init__()
        if not inverted_residual_setting:
            raise ValueError("The inverted_residual_setting should not be empty")
        block = InvertedResidual if block is None else block
        norm = partial(nn.BatchNorm2d, eps=0.001, momentum=0.01) if norm_layer is None else norm_layer
        common: dict[str, Any] = {"norm_layer": norm, "activation_layer": nn.Hardswish}
        first, last = inverted_residual_setting[0].inp, inverted_residual_setting[-1].oup
        layers: list[nn.Module] = [Conv2dNormActivation(3, first, stride=2, **common)]
        layers += [block(each, norm) for each in inverted_residual_setting]
        layers.append(Conv2dNormActivation(last, 6 * last, kernel_size=1, **common))
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(
            nn.Linear(6 * last, last_channel),
            nn.Hardswish(inplace=True),
            nn.Dropout(p=dropout, inplace=True),
            nn.Linear(last_channel, num_classes),
        )
        initialize(self, lambda module: nn.init.normal_(module.weight, 0, 0.01))

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


def _made(
    rows: Sequence[Sequence[Any]],
    last_channel: int,
    values: Mapping[str, Any] | None,
    width_mult: float = 1.0,
    reduced_tail: bool = False,
    dilated: bool = False,
    **options: Any,
) -> MobileNetV3:
    tail, blocks = len(rows) - 3, []
    for number, (inp, kernel, inner, oup, scaled, hard, stride) in enumerate(rows):
        if number >= tail and reduced_tail:
            inp, inner, oup = inp // 2 if number > tail else inp, inner // 2 if number > tail else inner, oup // 2
        inp, inner, oup = (make_divisible(width * width_mult, 8) for width in (inp, inner, oup))
        dilation = 2 if number >= tail and dilated else 1
        blocks.append(Bottleneck(inp, kernel, inner, oup, scaled, hard, stride, dilation))
    last_channel = make_divisible(last_channel // (2 if reduced_tail else 1) * width_mult, 8)
    return loaded(MobileNetV3(blocks, last_channel, **options), values)


class MobileNet_V3_Large_Weights(WeightsEnum):
    """Checkpoints of :func:`mobilenet_v3_large`."""

    IMAGENET1K_V1 = imagenet("mobilenet_v3_large-8738ca79.pth")
    IMAGENET1K_V2 = imagenet("mobilenet_v3_large-5c1a4163.pth", resize=232)
    DEFAULT = IMAGENET1K_V2


class MobileNet_V3_Small_Weights(WeightsEnum):
    """Checkpoints of :func:`mobilenet_v3_small`."""

    IMAGENET1K_V1 = imagenet("mobilenet_v3_small-047dcff4.pth")
    DEFAULT = IMAGENET1K_V1


@builder(MobileNet_V3_Large_Weights)
def mobilenet_v3_large(values: Mapping[str, Any] | None, **options: Any) -> MobileNetV3:
    """MobileNetV3, the large one; 5 483 032 parameters."""
    return _made(_LARGE, 1280, values, **options)


@builder(MobileNet_V3_Small_Weights)
def mobilenet_v3_small(values: Mapping[str, Any] | None, **options: Any) -> MobileNetV3:
    """MobileNetV3, the small one; 2 542 856 parameters."""
    return _made(_SMALL, 1024, values, **options)
