"""VGG: deep networks of 3×3 convolutions.

Source: Simonyan, Zisserman, "Very deep convolutional networks for large-scale image recognition", 2015.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from graphc import nn
from graphc.tensor import Tensor
from graphc.vision.models.weights import WeightsEnum, builder, imagenet, loaded

__all__ = [
    "VGG",
    "VGG11_BN_Weights",
    "VGG11_Weights",
    "VGG13_BN_Weights",
    "VGG13_Weights",
    "VGG16_BN_Weights",
    "VGG16_Weights",
    "VGG19_BN_Weights",
    "VGG19_Weights",
    "vgg11",
    "vgg11_bn",
    "vgg13",
    "vgg13_bn",
    "vgg16",
    "vgg16_bn",
    "vgg19",
    "vgg19_bn",
]

# Output channels of the convolutions between two poolings, by the number of layers with weights.
_STAGES: dict[int, tuple[tuple[int, ...], ...]] = {
    11: ((64,), (128,), (256,) * 2, (512,) * 2, (512,) * 2),
    13: ((64,) * 2, (128,) * 2, (256,) * 2, (512,) * 2, (512,) * 2),
    16: ((64,) * 2, (128,) * 2, (256,) * 3, (512,) * 3, (512,) * 3),
    19: ((64,) * 2, (128,) * 2, (256,) * 4, (512,) * 4, (512,) * 4),
}


class VGG(nn.Module):
    """Images (N, 3, H, W), H and W at least 32, to logits (N, num_classes); ``features`` are the convolutions."""

    def __init__(self, features: nn.Module, num_classes: int = 1000, init_weights: bool = True, dropout: float = 0.5):
        super().__init__()
        self.features = features
        self.avgpool = nn.AdaptiveAvgPool2d((7, 7))
        self.classifier = nn.Sequential(
            nn.Linear(512 * 7 * 7, 4096),
            nn.ReLU(True),
            nn.Dropout(p=dropout),
            nn.Linear(4096, 4096),
            nn.ReLU(True),
            nn.Dropout(p=dropout),
            nn.Linear(4096, num_classes),
        )
        if init_weights:
            self._initialize()

    def _initialize(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
                if module.bias is not None:
                    nn.init.constant_(module.bias, 0)
            elif isinstance(module, nn.BatchNorm2d):
                nn.init.constant_(module.weight, 1)
                nn.init.constant_(module.bias, 0)
            elif isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, 0, 0.01)
                nn.init.constant_(module.bias, 0)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


def make_layers(stages: Sequence[Sequence[int]], batch_norm: bool) -> nn.Sequential:
    """Convolutions with ReLU, and batch normalisation between if asked for; a pooling after each stage."""
    layers: list[nn.Module] = []
    channels = 3
    for stage in stages:
        for width in stage:
            layers.append(nn.Conv2d(channels, width, kernel_size=3, padding=1))
            if batch_norm:
                layers.append(nn.BatchNorm2d(width))
            layers.append(nn.ReLU(inplace=True))
            channels = width
        layers.append(nn.MaxPool2d(kernel_size=2, stride=2))
    return nn.Sequential(*layers)


def _vgg(depth: int, batch_norm: bool, values: Mapping[str, Any] | None, options: dict[str, Any]) -> VGG:
    if values is not None:
        options["init_weights"] = False
    return loaded(VGG(make_layers(_STAGES[depth], batch_norm), **options), values)


class VGG11_Weights(WeightsEnum):
    """Checkpoints of :func:`vgg11`."""

    IMAGENET1K_V1 = imagenet("vgg11-8a719046.pth")
    DEFAULT = IMAGENET1K_V1


class VGG11_BN_Weights(WeightsEnum):
    """Checkpoints of :func:`vgg11_bn`."""

    IMAGENET1K_V1 = imagenet("vgg11_bn-6002323d.pth")
    DEFAULT = IMAGENET1K_V1


class VGG13_Weights(WeightsEnum):
    """Checkpoints of :func:`vgg13`."""

    IMAGENET1K_V1 = imagenet("vgg13-19584684.pth")
    DEFAULT = IMAGENET1K_V1


class VGG13_BN_Weights(WeightsEnum):
    """Checkpoints of :func:`vgg13_bn`."""

    IMAGENET1K_V1 = imagenet("vgg13_bn-abd245e5.pth")
    DEFAULT = IMAGENET1K_V1


class VGG16_Weights(WeightsEnum):
    """Checkpoints of :func:`vgg16`."""

    IMAGENET1K_V1 = imagenet("vgg16-397923af.pth")
    DEFAULT = IMAGENET1K_V1


class VGG16_BN_Weights(WeightsEnum):
    """Checkpoints of :func:`vgg16_bn`."""

    IMAGENET1K_V1 = imagenet("vgg16_bn-6c64b313.pth")
    DEFAULT = IMAGENET1K_V1


class VGG19_Weights(WeightsEnum):
    """Checkpoints of :func:`vgg19`."""

    IMAGENET1K_V1 = imagenet("vgg19-dcbb9e9d.pth")
    DEFAULT = IMAGENET1K_V1


class VGG19_BN_Weights(WeightsEnum):
    """Checkpoints of :func:`vgg19_bn`."""

    IMAGENET1K_V1 = imagenet("vgg19_bn-c79401a0.pth")
    DEFAULT = IMAGENET1K_V1


@builder(VGG11_Weights)
def vgg11(values: Mapping[str, Any] | None, **options: Any) -> VGG:
    """VGG with 11 layers; 132 863 336 parameters."""
    return _vgg(11, False, values, options)


@builder(VGG11_BN_Weights)
def vgg11_bn(values: Mapping[str, Any] | None, **options: Any) -> VGG:
    """VGG with 11 layers and batch normalisation; 132 868 840 parameters."""
    return _vgg(11, True, values, options)


@builder(VGG13_Weights)
def vgg13(values: Mapping[str, Any] | None, **options: Any) -> VGG:
    """VGG with 13 layers; 133 047 848 parameters."""
    return _vgg(13, False, values, options)


@builder(VGG13_BN_Weights)
def vgg13_bn(values: Mapping[str, Any] | None, **options: Any) -> VGG:
    """VGG with 13 layers and batch normalisation; 133 053 736 parameters."""
    return _vgg(13, True, values, options)


@builder(VGG16_Weights)
def vgg16(values: Mapping[str, Any] | None, **options: Any) -> VGG:
    """VGG with 16 layers; 138 357 544 parameters."""
    return _vgg(16, False, values, options)


@builder(VGG16_BN_Weights)
def vgg16_bn(values: Mapping[str, Any] | None, **options: Any) -> VGG:
    """VGG with 16 layers and batch normalisation; 138 365 992 parameters."""
    return _vgg(16, True, values, options)


@builder(VGG19_Weights)
def vgg19(values: Mapping[str, Any] | None, **options: Any) -> VGG:
    """VGG with 19 layers; 143 667 240 parameters."""
    return _vgg(19, False, values, options)


@builder(VGG19_BN_Weights)
def vgg19_bn(values: Mapping[str, Any] | None, **options: Any) -> VGG:
    """VGG with 19 layers and batch normalisation; 143 678 248 parameters."""
    return _vgg(19, True, values, options)
