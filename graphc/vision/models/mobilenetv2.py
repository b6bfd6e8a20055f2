"""MobileNetV2: convolutions of single channels between 1×1 convolutions.

Source: Sandler et al., "MobileNetV2: Inverted residuals and linear bottlenecks", 2018.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from graphc import nn
from graphc.tensor import Tensor
from graphc.vision.models.weights import WeightsEnum, builder, imagenet, loaded
from graphc.vision.ops.misc import Conv2dNormActivation, Norm, initialize, make_divisible

__all__ = ["MobileNetV2", "MobileNet_V2_Weights", "mobilenet_v2"]

# Expansion, output channels, how many blocks, and the stride of the first.
_SETTING = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


class InvertedResidual(nn.Module):
    """More channels, a 3×3 convolution of each, and fewer again; added to the input where the shapes are the same.

    Raises ValueError for a stride other than 1 and 2.
    """

    def __init__(self, inp: int, oup: int, stride: int, expand_ratio: int, norm_layer: Norm | None = None):
        super().__init__()
        if stride not in (1, 2):
            raise ValueError(f"stride should be 1 or 2 instead of {stride}")
        norm = nn.BatchNorm2d if norm_layer is None else norm_layer
        inner = round(inp * expand_ratio)
        common = {"norm_layer": norm, "activation_layer": nn.ReLU6}
        layers: list[nn.Module] = []
        if expand_ratio != 1:
            layers.append(Conv2dNormActivation(inp, inner, kernel_size=1, **common))
        layers += [
            Conv2dNormActivation(inner, inner, stride=stride, groups=inner, **common),
            nn.Conv2d(inner, oup, 1, 1, 0, bias=False),
            norm(oup),
        ]
        self.conv = nn.Sequential(*layers)
        self.stride = stride
        self.use_res_connect = stride == 1 and inp == oup
        self.out_channels = oup

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv(x) if self.use_res_connect else self.conv(x)


class MobileNetV2(nn.Module):
    """Images (N, 3, H, W) to logits (N, num_classes).

    Args:
        num_classes: the number of logits.
        width_mult: multiplies the channels of all layers.
        inverted_residual_setting: for each stage the expansion, the channels, the number of blocks, and the stride.
        round_nearest: the channels are multiples of this.
        block: what a stage is made of.
        norm_layer: batch normalisation by default.
        dropout: before the last layer.

    Raises ValueError for a setting that is no list of four numbers each.
    """

    def __init__(
        self,
        num_classes: int = 1000,
        width_mult: float = 1.0,
        inverted_residual_setting: Sequence[Sequence[int]] | None = None,
        round_nearest: int = 8,
        block: Callable[..., nn.Module] | None = None,
        norm_layer: Norm | None = None,
        dropout: float = 0.2,
    ):
        super().__init__()
        block = InvertedResidual if block is None else block
        norm = nn.BatchNorm2d if norm_layer is None else norm_layer
        setting = _SETTING if inverted_residual_setting is None else inverted_residual_setting
        if len(setting) == 0 or len(setting[0]) != 4:
            raise ValueError(
                f"inverted_residual_setting should be non-empty or a 4-element list, got {inverted_residual_setting}"
            )
        channels = make_divisible(32 * width_mult, round_nearest)
        self.last_channel = make_divisible(1280 * max(1.0, width_mult), round_nearest)
        common = {"norm_layer": norm, "activation_layer": nn.ReLU6}
        features: list[nn.Module] = [Conv2dNormActivation(3, channels, stride=2, **common)]
        for expansion, width, count, stride in setting:
            width = make_divisible(width * width_mult, round_nearest)
            for number in range(count):
                features.append(
                    block(channels, width, 1 if number else stride, expand_ratio=expansion, norm_layer=norm)
                )
                channels = width
        features.append(Conv2dNormActivation(channels, self.last_channel, kernel_size=1, **common))
        self.features = nn.Sequential(*features)
        self.classifier = nn.Sequential(nn.Dropout(p=dropout), nn.Linear(self.last_channel, num_classes))
        initialize(self, lambda module: nn.init.normal_(module.weight, 0, 0.01))

    def forward(self, x: Tensor) -> Tensor:
        x = nn.functional.adaptive_avg_pool2d(self.features(x), (1, 1))
        return self.classifier(x.flatten(1))


class MobileNet_V2_Weights(WeightsEnum):
    """Checkpoints of :func:`mobilenet_v2`."""

    IMAGENET1K_V1 = imagenet("mobilenet_v2-b0353104.pth")
    IMAGENET1K_V2 = imagenet("mobilenet_v2-7ebf99e0.pth", resize=232)
    DEFAULT = IMAGENET1K_V2


@builder(MobileNet_V2_Weights)
def mobilenet_v2(values: Mapping[str, Any] | None, **options: Any) -> MobileNetV2:
    """MobileNetV2; 3 504 872 parameters."""
    return loaded(MobileNetV2(**options), values)
