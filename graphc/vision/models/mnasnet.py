"""MNASNet: blocks of MobileNetV2 in an order that a search found.

Source: Tan et al., "MnasNet: Platform-aware neural architecture search for mobile", 2019.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from graphc import nn
from graphc.tensor import Tensor
from graphc.vision.models.weights import WeightsEnum, builder, imagenet, loaded
from graphc.vision.ops.misc import make_divisible

__all__ = [
    "MNASNet",
    "MNASNet0_5_Weights",
    "MNASNet0_75_Weights",
    "MNASNet1_0_Weights",
    "MNASNet1_3_Weights",
    "mnasnet0_5",
    "mnasnet0_75",
    "mnasnet1_0",
    "mnasnet1_3",
]
_MOMENTUM = 1 - 0.9997
# Kernel, stride of the first block, expansion, and how many blocks.
_STAGES = ((3, 2, 3, 3), (5, 2, 3, 3), (5, 2, 6, 3), (3, 1, 6, 2), (5, 2, 6, 4), (3, 1, 6, 1))
_LAST = 1280


class InvertedResidual(nn.Module):
    """More channels, a convolution of each, and fewer again; added to the input of the same shape."""

    def __init__(self, in_ch: int, out_ch: int, kernel_size: int, stride: int, expansion_factor: int):
        super().__init__()
        inner = in_ch * expansion_factor
        self.apply_residual = in_ch == out_ch and stride == 1
        self.layers = nn.Sequential(
            *_convolved(in_ch, inner, 1),
            nn.ReLU(inplace=True),
            *_convolved(inner, inner, kernel_size, stride, inner),
            nn.ReLU(inplace=True),
            *_convolved(inner, out_ch, 1),
        )

    def forward(self, input: Tensor) -> Tensor:
        return self.layers(input) + input if self.apply_residual else self.layers(input)


def _convolved(inp: int, oup: int, kernel: int, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    geometry = {"padding": kernel // 2, "stride": stride, "groups": groups}
    return [nn.Conv2d(inp, oup, kernel, bias=False, **geometry), nn.BatchNorm2d(oup, momentum=_MOMENTUM)]


class MNASNet(nn.Module):
    """Images (N, 3, H, W) to logits (N, num_classes).

    Args:
        alpha: multiplies the channels of all layers.
        num_classes: the number of logits.
        dropout: before the last layer.

    Raises ValueError for an ``alpha`` that is not positive.
    """

    _version = 2

    def __init__(self, alpha: float, num_classes: int = 1000, dropout: float = 0.2):
        super().__init__()
        if alpha <= 0.0:
            raise ValueError(f"alpha should be greater than 0.0 instead of {alpha}")
        self.alpha, self.num_classes = alpha, num_classes
        widths = [make_divisible(width * alpha, 8) for width in (32, 16, 24, 40, 80, 96, 192, 320)]
        layers: list[nn.Module] = [
            *_convolved(3, widths[0], 3, 2),
            nn.ReLU(inplace=True),
            *_convolved(widths[0], widths[0], 3, 1, widths[0]),
            nn.ReLU(inplace=True),
            *_convolved(widths[0], widths[1], 1),
        ]
        for before, width, (kernel, stride, expansion, count) in zip(widths[1:], widths[2:], _STAGES, strict=False):
            blocks = [InvertedResidual(before, width, kernel, stride, expansion)]
            blocks += [InvertedResidual(width, width, kernel, 1, expansion) for _ in range(count - 1)]
            layers.append(nn.Sequential(*blocks))
        layers += [*_convolved(widths[-1], _LAST, 1), nn.ReLU(inplace=True)]
        self.layers = nn.Sequential(*layers)
        self.classifier = nn.Sequential(nn.Dropout(p=dropout, inplace=True), nn.Linear(_LAST, num_classes))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(module, nn.BatchNorm2d):
                nn.init.ones_(module.weight)
                nn.init.zeros_(module.bias)
            elif isinstance(module, nn.Linear):
                nn.init.kaiming_uniform_(module.weight, mode="fan_out", nonlinearity="sigmoid")
                nn.init.zeros_(module.bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.layers(x).mean([2, 3]))


class MNASNet0_5_Weights(WeightsEnum):
    """Checkpoints of :func:`mnasnet0_5`."""

    IMAGENET1K_V1 = imagenet("mnasnet0.5_top1_67.823-3ffadce67e.pth")
    DEFAULT = IMAGENET1K_V1


class MNASNet0_75_Weights(WeightsEnum):
    """Checkpoints of :func:`mnasnet0_75`."""

    IMAGENET1K_V1 = imagenet("mnasnet0_75-7090bc5f.pth", resize=232)
    DEFAULT = IMAGENET1K_V1


class MNASNet1_0_Weights(WeightsEnum):
    """Checkpoints of :func:`mnasnet1_0`."""

    IMAGENET1K_V1 = imagenet("mnasnet1.0_top1_73.512-f206786ef8.pth")
    DEFAULT = IMAGENET1K_V1


class MNASNet1_3_Weights(WeightsEnum):
    """Checkpoints of :func:`mnasnet1_3`."""

    IMAGENET1K_V1 = imagenet("mnasnet1_3-a4c69d6f.pth", resize=232)
    DEFAULT = IMAGENET1K_V1


@builder(MNASNet0_5_Weights)
def mnasnet0_5(values: Mapping[str, Any] | None, **options: Any) -> MNASNet:
    """MNASNet of half the width; 2 218 512 parameters."""
    return loaded(MNASNet(0.5, **options), values)


@builder(MNASNet0_75_Weights)
def mnasnet0_75(values: Mapping[str, Any] | None, **options: Any) -> MNASNet:
    """MNASNet of three quarters of the width; 3 170 208 parameters."""
    return loaded(MNASNet(0.75, **options), values)


@builder(MNASNet1_0_Weights)
def mnasnet1_0(values: Mapping[str, Any] | None, **options: Any) -> MNASNet:
    """MNASNet; 4 383 312 parameters."""
    return loaded(MNASNet(1.0, **options), values)


@builder(MNASNet1_3_Weights)
def mnasnet1_3(values: Mapping[str, Any] | None, **options: Any) -> MNASNet:
    """MNASNet, 1.3 as wide; 6 282 256 parameters."""
    return loaded(MNASNet(1.3, **options), values)
