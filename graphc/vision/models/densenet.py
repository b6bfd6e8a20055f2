"""DenseNet: every layer of a block sees the results of all layers before it.

Source: Huang et al., "Densely connected convolutional networks", 2017.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

from graphc import cat, nn
from graphc.nn import functional as F
from graphc.tensor import Tensor
from graphc.vision.models.weights import WeightsEnum, builder, imagenet, loaded

__all__ = [
    "DenseNet",
    "DenseNet121_Weights",
    "DenseNet161_Weights",
    "DenseNet169_Weights",
    "DenseNet201_Weights",
    "densenet121",
    "densenet161",
    "densenet169",
    "densenet201",
]


class _DenseLayer(nn.Module):
    """A 1×1 convolution of all that came before, and a 3×3 convolution that adds ``growth_rate`` channels."""

    def __init__(self, num_input_features: int, growth_rate: int, bn_size: int, drop_rate: float):
        super().__init__()
        inner = bn_size * growth_rate
        self.norm1 = nn.BatchNorm2d(num_input_features)
        self.relu1 = nn.ReLU(inplace=True)
        self.conv1 = nn.Conv2d(num_input_features, inner, kernel_size=1, stride=1, bias=False)
        self.norm2 = nn.BatchNorm2d(inner)
        self.relu2 = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(inner, growth_rate, kernel_size=3, stride=1, padding=1, bias=False)
        self.drop_rate = float(drop_rate)

    def forward(self, input: Tensor | Sequence[Tensor]) -> Tensor:
        joined = input if isinstance(input, Tensor) else cat(input, 1)
        inner = self.conv1(self.relu1(self.norm1(joined)))
        new = self.conv2(self.relu2(self.norm2(inner)))
        return F.dropout(new, p=self.drop_rate, training=self.training) if self.drop_rate > 0 else new


class _DenseBlock(nn.ModuleDict):
    """Layers that each get the block's input and the results of the layers before."""

    def __init__(self, num_layers: int, num_input_features: int, bn_size: int, growth_rate: int, drop_rate: float):
        super().__init__()
        for number in range(num_layers):
            channels = num_input_features + number * growth_rate
            self.add_module(f"denselayer{number + 1}", _DenseLayer(channels, growth_rate, bn_size, drop_rate))

    def forward(self, init_features: Tensor) -> Tensor:
        features = [init_features]
        for layer in self.values():
            features.append(layer(features))
        return cat(features, 1)


class _Transition(nn.Sequential):
    """Fewer channels and half the size, between two blocks."""

    def __init__(self, num_input_features: int, num_output_features: int):
        super().__init__()
        self.norm = nn.BatchNorm2d(num_input_features)
        self.relu = nn.ReLU(inplace=True)
        self.conv = nn.Conv2d(num_input_features, num_output_features, kernel_size=1, stride=1, bias=False)
        self.pool = nn.AvgPool2d(kernel_size=2, stride=2)


class DenseNet(nn.Module):
    """Images (N, 3, H, W), H and W at least 29, to logits (N, num_classes).

    Args:
        growth_rate: channels that each layer adds.
        block_config: how many layers each block has.
        num_init_features: channels of the first convolution.
        bn_size: channels inside a layer, in growth rates.
        drop_rate: dropout after each layer.
        num_classes: the number of logits.
        memory_efficient: accepted; activations are kept either way, and the results are the same.
    """

    def __init__(
        self,
        growth_rate: int = 32,
        block_config: Sequence[int] = (6, 12, 24, 16),
        num_init_features: int = 64,
        bn_size: int = 4,
        drop_rate: float = 0,
        num_classes: int = 1000,
        memory_efficient: bool = False,
    ):
        super().__init__()
        first = nn.Conv2d(3, num_init_features, kernel_size=7, stride=2, padding=3, bias=False)
        self.features = nn.Sequential(
            OrderedDict(
                [
                    ("conv0", first),
                    ("norm0", nn.BatchNorm2d(num_init_features)),
                    ("relu0", nn.ReLU(inplace=True)),
                    ("pool0", nn.MaxPool2d(kernel_size=3, stride=2, padding=1)),
                ]
            )
        )
        channels = num_init_features
        for number, layers in enumerate(block_config, 1):
            block = _DenseBlock(layers, channels, bn_size, growth_rate, drop_rate)
            self.features.add_module(f"denseblock{number}", block)
            channels += layers * growth_rate
            if number != len(block_config):
                self.features.add_module(f"transition{number}", _Transition(channels, channels // 2))
                channels //= 2
        self.features.add_module("norm5", nn.BatchNorm2d(channels))
        self.classifier = nn.Linear(channels, num_classes)
        self._initialize()

    def _initialize(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight)
            elif isinstance(module, nn.BatchNorm2d):
                nn.init.constant_(module.weight, 1)
                nn.init.constant_(module.bias, 0)
            elif isinstance(module, nn.Linear):
                nn.init.constant_(module.bias, 0)

    def forward(self, x: Tensor) -> Tensor:
        features = F.relu(self.features(x), inplace=True)
        return self.classifier(F.adaptive_avg_pool2d(features, (1, 1)).flatten(1))


# The checkpoints are older than the names: `denselayer1.norm.1.weight` is `denselayer1.norm1.weight` now.
_OLDER_NAME = re.compile(r"^(.*denselayer\d+\.(?:norm|relu|conv))\.([12]\..*)$")


def _densenet(
    growth_rate: int,
    block_config: tuple[int, ...],
    num_init_features: int,
    values: Mapping[str, Any] | None,
    options: dict[str, Any],
) -> DenseNet:
    if values is not None:
        values = OrderedDict((_OLDER_NAME.sub(r"\1\2", name), value) for name, value in values.items())
    return loaded(DenseNet(growth_rate, block_config, num_init_features, **options), values)


class DenseNet121_Weights(WeightsEnum):
    """Checkpoints of :func:`densenet121`."""

    IMAGENET1K_V1 = imagenet("densenet121-a639ec97.pth")
    DEFAULT = IMAGENET1K_V1


class DenseNet161_Weights(WeightsEnum):
    """Checkpoints of :func:`densenet161`."""

    IMAGENET1K_V1 = imagenet("densenet161-8d451a50.pth")
    DEFAULT = IMAGENET1K_V1


class DenseNet169_Weights(WeightsEnum):
    """Checkpoints of :func:`densenet169`."""

    IMAGENET1K_V1 = imagenet("densenet169-b2777c0a.pth")
    DEFAULT = IMAGENET1K_V1


class DenseNet201_Weights(WeightsEnum):
    """Checkpoints of :func:`densenet201`."""

    IMAGENET1K_V1 = imagenet("densenet201-c1103571.pth")
    DEFAULT = IMAGENET1K_V1


@builder(DenseNet121_Weights)
def densenet121(values: Mapping[str, Any] | None, **options: Any) -> DenseNet:
    """DenseNet with 121 layers; 7 978 856 parameters."""
    return _densenet(32, (6, 12, 24, 16), 64, values, options)


@builder(DenseNet161_Weights)
def densenet161(values: Mapping[str, Any] | None, **options: Any) -> DenseNet:
    """DenseNet with 161 layers; 28 681 000 parameters."""
    return _densenet(48, (6, 12, 36, 24), 96, values, options)


@builder(DenseNet169_Weights)
def densenet169(values: Mapping[str, Any] | None, **options: Any) -> DenseNet:
    """DenseNet with 169 layers; 14 149 480 parameters."""
    return _densenet(32, (6, 12, 32, 32), 64, values, options)


@builder(DenseNet201_Weights)
def densenet201(values: Mapping[str, Any] | None, **options: Any) -> DenseNet:
    """DenseNet with 201 layers; 20 013 928 parameters."""
    return _densenet(32, (6, 12, 48, 32), 64, values, options)
