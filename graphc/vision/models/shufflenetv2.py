"""ShuffleNetV2: half of the channels of each block pass by, and channels change places after it.

Source: Ma et al., "ShuffleNet V2: Practical guidelines for efficient CNN architecture design", 2018.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from graphc import nn
from graphc.ops.functions.shaping import cat
from graphc.tensor import Tensor
from graphc.vision.models.weights import WeightsEnum, builder, imagenet, loaded

__all__ = [
    "ShuffleNetV2",
    "ShuffleNet_V2_X0_5_Weights",
    "ShuffleNet_V2_X1_0_Weights",
    "ShuffleNet_V2_X1_5_Weights",
    "ShuffleNet_V2_X2_0_Weights",
    "shufflenet_v2_x0_5",
    "shufflenet_v2_x1_0",
    "shufflenet_v2_x1_5",
    "shufflenet_v2_x2_0",
]


def channel_shuffle(x: Tensor, groups: int) -> Tensor:
    """Channels taken in turn from each of the groups."""
    n, channels, height, width = x.size()
    x = x.view(n, groups, channels // groups, height, width)
    return x.transpose(1, 2).contiguous().view(n, channels, height, width)


def _each(channels: int, stride: int) -> list[nn.Module]:
    """A 3×3 convolution of each channel, normalised."""
    convolution = nn.Conv2d(channels, channels, 3, stride, 1, bias=False, groups=channels)
    return [convolution, nn.BatchNorm2d(channels)]


def _mixed(inp: int, oup: int) -> list[nn.Module]:
    """A 1×1 convolution, normalised, with an activation."""
    return [nn.Conv2d(inp, oup, 1, bias=False), nn.BatchNorm2d(oup), nn.ReLU(inplace=True)]


class InvertedResidual(nn.Module):
    """Two branches side by side; at stride 1 the first is half of the input as it is.

    Raises ValueError for a stride that does not fit the channels.
    """

    def __init__(self, inp: int, oup: int, stride: int):
        super().__init__()
        if not 1 <= stride <= 3:
            raise ValueError("illegal stride value")
        half = oup // 2
        if stride == 1 and inp != half << 1:
            raise ValueError(
                f"Invalid combination of stride {stride}, inp {inp} and oup {oup} values. If stride == 1 then inp "
                "should be equal to oup // 2 << 1."
            )
        self.stride = stride
        self.branch1 = nn.Sequential(*_each(inp, stride), *_mixed(inp, half)) if stride > 1 else nn.Sequential()
        self.branch2 = nn.Sequential(
            *_mixed(inp if stride > 1 else half, half), *_each(half, stride), *_mixed(half, half)
        )

    def forward(self, x: Tensor) -> Tensor:
        if self.stride == 1:
            passing, other = x.chunk(2, dim=1)
            result = cat((passing, self.branch2(other)), dim=1)
        else:
            result = cat((self.branch1(x), self.branch2(x)), dim=1)
        return channel_shuffle(result, 2)


class ShuffleNetV2(nn.Module):
    """Images (N, 3, H, W) to logits (N, num_classes).

    Args:
        stages_repeats: how many blocks each of the three stages has.
        stages_out_channels: the channels after the first convolution, the stages, and the last convolution.
        num_classes: the number of logits.

    Raises ValueError for other numbers of stages.
    """

    def __init__(self, stages_repeats: Sequence[int], stages_out_channels: Sequence[int], num_classes: int = 1000):
        super().__init__()
        if len(stages_repeats) != 3:
            raise ValueError("expected stages_repeats as list of 3 positive ints")
        if len(stages_out_channels) != 5:
            raise ValueError("expected stages_out_channels as list of 5 positive ints")
        first, *widths, last = stages_out_channels
        self.conv1 = nn.Sequential(
            nn.Conv2d(3, first, 3, 2, 1, bias=False), nn.BatchNorm2d(first), nn.ReLU(inplace=True)
        )
        self.maxpool = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        channels = first
        for number, (count, width) in enumerate(zip(stages_repeats, widths, strict=True), 2):
            blocks = [InvertedResidual(channels, width, 2)]
            blocks += [InvertedResidual(width, width, 1) for _ in range(count - 1)]
            setattr(self, f"stage{number}", nn.Sequential(*blocks))
            channels = width
        self.conv5 = nn.Sequential(*_mixed(channels, last))
        self.fc = nn.Linear(last, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(self.conv1(x))
        x = self.conv5(self.stage4(self.stage3(self.stage2(x))))
        return self.fc(x.mean([2, 3]))


def _made(values: Mapping[str, Any] | None, *widths: int, **options: Any) -> ShuffleNetV2:
    return loaded(ShuffleNetV2((4, 8, 4), widths, **options), values)


class ShuffleNet_V2_X0_5_Weights(WeightsEnum):
    """Checkpoints of :func:`shufflenet_v2_x0_5`."""

    IMAGENET1K_V1 = imagenet("shufflenetv2_x0.5-f707e7126e.pth")
    DEFAULT = IMAGENET1K_V1


class ShuffleNet_V2_X1_0_Weights(WeightsEnum):
    """Checkpoints of :func:`shufflenet_v2_x1_0`."""

    IMAGENET1K_V1 = imagenet("shufflenetv2_x1-5666bf0f80.pth")
    DEFAULT = IMAGENET1K_V1


class ShuffleNet_V2_X1_5_Weights(WeightsEnum):
    """Checkpoints of :func:`shufflenet_v2_x1_5`."""

    IMAGENET1K_V1 = imagenet("shufflenetv2_x1_5-3c479a10.pth", resize=232)
    DEFAULT = IMAGENET1K_V1


class ShuffleNet_V2_X2_0_Weights(WeightsEnum):
    """Checkpoints of :func:`shufflenet_v2_x2_0`."""

    IMAGENET1K_V1 = imagenet("shufflenetv2_x2_0-8be3c8ee.pth", resize=232)
    DEFAULT = IMAGENET1K_V1


@builder(ShuffleNet_V2_X0_5_Weights)
def shufflenet_v2_x0_5(values: Mapping[str, Any] | None, **options: Any) -> ShuffleNetV2:
    """ShuffleNetV2 of half the width; 1 366 792 parameters."""
    return _made(values, 24, 48, 96, 192, 1024, **options)


@builder(ShuffleNet_V2_X1_0_Weights)
def shufflenet_v2_x1_0(values: Mapping[str, Any] | None, **options: Any) -> ShuffleNetV2:
    """ShuffleNetV2; 2 278 604 parameters."""
    return _made(values, 24, 116, 232, 464, 1024, **options)


@builder(ShuffleNet_V2_X1_5_Weights)
def shufflenet_v2_x1_5(values: Mapping[str, Any] | None, **options: Any) -> ShuffleNetV2:
    """ShuffleNetV2, one and a half as wide; 3 503 624 parameters."""
    return _made(values, 24, 176, 352, 704, 1024, **options)


@builder(ShuffleNet_V2_X2_0_Weights)
def shufflenet_v2_x2_0(values: Mapping[str, Any] | None, **options: Any) -> ShuffleNetV2:
    """ShuffleNetV2, twice as wide; 7 393 996 parameters."""
    return _made(values, 24, 244, 488, 976, 2048, **options)
