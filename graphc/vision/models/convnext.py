"""ConvNeXt: a convolutional network in the manner of a vision transformer.

Source: Liu et al., "A ConvNet for the 2020s", 2022.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from graphc import nn
from graphc.creation import full
from graphc.tensor import Tensor
from graphc.vision.models.weights import WeightsEnum, builder, imagenet, loaded
from graphc.vision.ops.misc import Conv2dNormActivation, LayerNorm2d, Norm, Permute, StochasticDepth

__all__ = [
    "ConvNeXt",
    "ConvNeXt_Base_Weights",
    "ConvNeXt_Large_Weights",
    "ConvNeXt_Small_Weights",
    "ConvNeXt_Tiny_Weights",
    "convnext_base",
    "convnext_large",
    "convnext_small",
    "convnext_tiny",
]


class CNBlockConfig(NamedTuple):
    """A stage: its channels, those of the next one, and how many blocks."""

    input_channels: int
    out_channels: int | None
    num_layers: int


class CNBlock(nn.Module):
    """A 7×7 convolution of each channel and two linear layers, scaled, added to the input."""

    def __init__(self, dim: int, layer_scale: float, stochastic_depth_prob: float, norm_layer: Norm | None = None):
        super().__init__()
        norm = partial(nn.LayerNorm, eps=1e-6) if norm_layer is None else norm_layer
        self.block = nn.Sequential(
            nn.Conv2d(dim, dim, kernel_size=7, padding=3, groups=dim, bias=True),
            Permute([0, 2, 3, 1]),
            norm(dim),
            nn.Linear(dim, 4 * dim),
            nn.GELU(),
            nn.Linear(4 * dim, dim),
            Permute([0, 3, 1, 2]),
        )
        self.layer_scale = nn.Parameter(full((dim, 1, 1), layer_scale))
        self.stochastic_depth = StochasticDepth(stochastic_depth_prob, "row")

    def forward(self, input: Tensor) -> Tensor:
        return self.stochastic_depth(self.layer_scale * self.block(input)) + input


class ConvNeXt(nn.Module):
    """Images (N, 3, H, W) to logits (N, num_classes).

    Args:
        block_setting: the stages.
        stochastic_depth_prob: of the last block; that of the others grows up to it.
        layer_scale: what a block's result is first multiplied by.
        num_classes: the number of logits.
        block, norm_layer: what a stage is made of, and how channels are normalised.

    Raises ValueError for no stages.
    """

    def __init__(
        self,
        block_setting: Sequence[CNBlockConfig],
        stochastic_depth_prob: float = 0.0,
        layer_scale: float = 1e-6,
        num_classes: int = 1000,
        block: Callable[..., nn.Module] | None = None,
        norm_layer: Norm | None = None,
    ):
        super().__init__()
        if not block_setting:
            raise ValueError("The block_setting should not be empty")
        block = CNBlock if block is None else block
        norm = partial(LayerNorm2d, eps=1e-6) if norm_layer is None else norm_layer
        first = block_setting[0].input_channels
        patches = {"kernel_size": 4, "stride": 4, "padding": 0, "bias": True}
        layers: list[nn.Module] = [Conv2dNormActivation(3, first, norm_layer=norm, activation_layer=None, **patches)]
        total, number = sum(stage.num_layers for stage in block_setting), 0
        for stage in block_setting:
            blocks = []
            for _ in range(stage.num_layers):
                blocks.append(block(stage.input_channels, layer_scale, stochastic_depth_prob * number / (total - 1.0)))
                number += 1
            layers.append(nn.Sequential(*blocks))
            if stage.out_channels is not None:
                smaller = nn.Conv2d(stage.input_channels, stage.out_channels, kernel_size=2, stride=2)
                layers.append(nn.Sequential(norm(stage.input_channels), smaller))
        last = block_setting[-1].out_channels or block_setting[-1].input_channels
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(norm(last), nn.Flatten(1), nn.Linear(last, num_classes))
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.avgpool(self.features(x)))


def _made(values: Mapping[str, Any] | None, width: int, depth: int, drop: float, **options: Any) -> ConvNeXt:
    widths = [width, 2 * width, 4 * width, 8 * width]
    stages = [CNBlockConfig(*each) for each in zip(widths, [*widths[1:], None], (3, 3, depth, 3), strict=True)]
    return loaded(ConvNeXt(stages, options.pop("stochastic_depth_prob", drop), **options), values)


class ConvNeXt_Tiny_Weights(WeightsEnum):
    """Checkpoints of :func:`convnext_tiny`."""

    IMAGENET1K_V1 = imagenet("convnext_tiny-983f1562.pth", resize=236)
    DEFAULT = IMAGENET1K_V1


class ConvNeXt_Small_Weights(WeightsEnum):
    """Checkpoints of :func:`convnext_small`."""

    IMAGENET1K_V1 = imagenet("convnext_small-0c510722.pth", resize=230)
    DEFAULT = IMAGENET1K_V1


class ConvNeXt_Base_Weights(WeightsEnum):
    """Checkpoints of :func:`convnext_base`."""

    IMAGENET1K_V1 = imagenet("convnext_base-6075fbad.pth", resize=232)
    DEFAULT = IMAGENET1K_V1


class ConvNeXt_Large_Weights(WeightsEnum):
    """Checkpoints of :func:`convnext_large`."""

    IMAGENET1K_V1 = imagenet("convnext_large-ea097f82.pth", resize=232)
    DEFAULT = IMAGENET1K_V1


@builder(ConvNeXt_Tiny_Weights)
def convnext_tiny(values: Mapping[str, Any] | None, **options: Any) -> ConvNeXt:
    """ConvNeXt, tiny; 28 589 128 parameters."""
    return _made(values, 96, 9, 0.1, **options)


@builder(ConvNeXt_Small_Weights)
def convnext_small(values: Mapping[str, Any] | None, **options: Any) -> ConvNeXt:
    """ConvNeXt, small; 50 223 688 parameters."""
    return _made(values, 96, 27, 0.4, **options)


@builder(ConvNeXt_Base_Weights)
def convnext_base(values: Mapping[str, Any] | None, **options: Any) -> ConvNeXt:
    """ConvNeXt, base; 88 591 464 parameters."""
    return _made(values, 128, 27, 0.5, **options)


@builder(ConvNeXt_Large_Weights)
def convnext_large(values: Mapping[str, Any] | None, **options: Any) -> ConvNeXt:
    """ConvNeXt, large; 197 767 336 parameters."""
    return _made(values, 192, 27, 0.5, **options)
