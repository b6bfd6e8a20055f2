"""Inception v3.

Source: Szegedy et al., "Rethinking the Inception architecture for computer vision", 2016.
"""

from __future__ import annotations

import warnings
from collections import namedtuple
from collections.abc import Callable, Mapping
from typing import Any

from graphc import cat, nn
from graphc.nn import functional as F
from graphc.tensor import Tensor
from graphc.vision.models.weights import WeightsEnum, builder, imagenet, loaded

__all__ = ["Inception3", "InceptionOutputs", "Inception_V3_Weights", "inception_v3"]

InceptionOutputs = namedtuple("InceptionOutputs", ["logits", "aux_logits"])

Block = Callable[..., nn.Module]

# Along one direction each, and the padding that keeps the size.
_ROW3, _COLUMN3 = {"kernel_size": (1, 3), "padding": (0, 1)}, {"kernel_size": (3, 1), "padding": (1, 0)}
_ROW7, _COLUMN7 = {"kernel_size": (1, 7), "padding": (0, 3)}, {"kernel_size": (7, 1), "padding": (3, 0)}


class BasicConv2d(nn.Module):
    """A convolution without bias, batch normalisation, and ReLU."""

    def __init__(self, in_channels: int, out_channels: int, **options: Any):
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, bias=False, **options)
        self.bn = nn.BatchNorm2d(out_channels, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn(self.conv(x)), inplace=True)


def initialize(network: nn.Module, spread: float) -> None:
    """Draw first values: truncated normals of the given spread, or of a module's own ``stddev``."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            own = float(getattr(module, "stddev", spread))
            nn.init.trunc_normal_(module.weight, mean=0.0, std=own, a=-2, b=2)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.constant_(module.weight, 1)
            nn.init.constant_(module.bias, 0)


def normalised_as_for_inception(x: Tensor) -> Tensor:
    """Images normalised with ImageNet's mean and spread, as images of values in [-1, 1]."""
    spreads, means = (0.229, 0.224, 0.225), (0.485, 0.456, 0.406)
    channels = [
        x[:, place].unsqueeze(1) * (spread / 0.5) + (mean - 0.5) / 0.5
        for place, (spread, mean) in enumerate(zip(spreads, means, strict=True))
    ]
    return cat(channels, 1)


def _joined(*branches: Tensor) -> Tensor:
    return cat(branches, 1)


class InceptionA(nn.Module):
    """1×1, 5×5, two 3×3, and a pooling."""

    def __init__(self, in_channels: int, pool_features: int, conv_block: Block = BasicConv2d):
        super().__init__()
        self.branch1x1 = conv_block(in_channels, 64, kernel_size=1)
        self.branch5x5_1 = conv_block(in_channels, 48, kernel_size=1)
        self.branch5x5_2 = conv_block(48, 64, kernel_size=5, padding=2)
        self.branch3x3dbl_1 = conv_block(in_channels, 64, kernel_size=1)
        self.branch3x3dbl_2 = conv_block(64, 96, kernel_size=3, padding=1)
        self.branch3x3dbl_3 = conv_block(96, 96, kernel_size=3, padding=1)
        self.branch_pool = conv_block(in_channels, pool_features, kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:
        wide = self.branch5x5_2(self.branch5x5_1(x))
        double = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        pooled = self.branch_pool(F.avg_pool2d(x, kernel_size=3, stride=1, padding=1))
        return _joined(self.branch1x1(x), wide, double, pooled)


class InceptionB(nn.Module):
    """Half the size: 3×3, two 3×3, and a pooling, all with stride 2."""

    def __init__(self, in_channels: int, conv_block: Block = BasicConv2d):
        super().__init__()
        self.branch3x3 = conv_block(in_channels, 384, kernel_size=3, stride=2)
        self.branch3x3dbl_1 = conv_block(in_channels, 64, kernel_size=1)
        self.branch3x3dbl_2 = conv_block(64, 96, kernel_size=3, padding=1)
        self.branch3x3dbl_3 = conv_block(96, 96, kernel_size=3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        double = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return _joined(self.branch3x3(x), double, F.max_pool2d(x, kernel_size=3, stride=2))


class InceptionC(nn.Module):
    """1×1, one and two 7×7 as rows and columns, and a pooling."""

    def __init__(self, in_channels: int, channels_7x7: int, conv_block: Block = BasicConv2d):
        super().__init__()
        inner = channels_7x7
        self.branch1x1 = conv_block(in_channels, 192, kernel_size=1)
        self.branch7x7_1 = conv_block(in_channels, inner, kernel_size=1)
        self.branch7x7_2 = conv_block(inner, inner, **_ROW7)
        self.branch7x7_3 = conv_block(inner, 192, **_COLUMN7)
        self.branch7x7dbl_1 = conv_block(in_channels, inner, kernel_size=1)
        self.branch7x7dbl_2 = conv_block(inner, inner, **_COLUMN7)
        self.branch7x7dbl_3 = conv_block(inner, inner, **_ROW7)
        self.branch7x7dbl_4 = conv_block(inner, inner, **_COLUMN7)
        self.branch7x7dbl_5 = conv_block(inner, 192, **_ROW7)
        self.branch_pool = conv_block(in_channels, 192, kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:
        single = self.branch7x7_3(self.branch7x7_2(self.branch7x7_1(x)))
        double = self.branch7x7dbl_3(self.branch7x7dbl_2(self.branch7x7dbl_1(x)))
        double = self.branch7x7dbl_5(self.branch7x7dbl_4(double))
        pooled = self.branch_pool(F.avg_pool2d(x, kernel_size=3, stride=1, padding=1))
        return _joined(self.branch1x1(x), single, double, pooled)


class InceptionD(nn.Module):
    """Half the size: 3×3, 7×7 then 3×3, and a pooling, the last steps with stride 2."""

    def __init__(self, in_channels: int, conv_block: Block = BasicConv2d):
        super().__init__()
        self.branch3x3_1 = conv_block(in_channels, 192, kernel_size=1)
        self.branch3x3_2 = conv_block(192, 320, kernel_size=3, stride=2)
        self.branch7x7x3_1 = conv_block(in_channels, 192, kernel_size=1)
        self.branch7x7x3_2 = conv_block(192, 192, **_ROW7)
        self.branch7x7x3_3 = conv_block(192, 192, **_COLUMN7)
        self.branch7x7x3_4 = conv_block(192, 192, kernel_size=3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        small = self.branch3x3_2(self.branch3x3_1(x))
        large = self.branch7x7x3_2(self.branch7x7x3_1(x))
        large = self.branch7x7x3_4(self.branch7x7x3_3(large))
        return _joined(small, large, F.max_pool2d(x, kernel_size=3, stride=2))


class InceptionE(nn.Module):
    """1×1, one and two 3×3 that end in a row and a column beside each other, and a pooling."""

    def __init__(self, in_channels: int, conv_block: Block = BasicConv2d):
        super().__init__()
        self.branch1x1 = conv_block(in_channels, 320, kernel_size=1)
        self.branch3x3_1 = conv_block(in_channels, 384, kernel_size=1)
        self.branch3x3_2a = conv_block(384, 384, **_ROW3)
        self.branch3x3_2b = conv_block(384, 384, **_COLUMN3)
        self.branch3x3dbl_1 = conv_block(in_channels, 448, kernel_size=1)
        self.branch3x3dbl_2 = conv_block(448, 384, kernel_size=3, padding=1)
        self.branch3x3dbl_3a = conv_block(384, 384, **_ROW3)
        self.branch3x3dbl_3b = conv_block(384, 384, **_COLUMN3)
        self.branch_pool = conv_block(in_channels, 192, kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:
        single = self.branch3x3_1(x)
        double = self.branch3x3dbl_2(self.branch3x3dbl_1(x))
        return _joined(
            self.branch1x1(x),
            self.branch3x3_2a(single),
            self.branch3x3_2b(single),
            self.branch3x3dbl_3a(double),
            self.branch3x3dbl_3b(double),
            self.branch_pool(F.avg_pool2d(x, kernel_size=3, stride=1, padding=1)),
        )


class InceptionAux(nn.Module):
    """Logits from the middle of the network, for training."""

    def __init__(self, in_channels: int, num_classes: int, conv_block: Block = BasicConv2d):
        super().__init__()
        self.conv0 = conv_block(in_channels, 128, kernel_size=1)
        self.conv1 = conv_block(128, 768, kernel_size=5)
        self.conv1.stddev = 0.01
        self.fc = nn.Linear(768, num_classes)
        self.fc.stddev = 0.001

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv1(self.conv0(F.avg_pool2d(x, kernel_size=5, stride=3)))
        return self.fc(F.adaptive_avg_pool2d(x, (1, 1)).flatten(1))


class Inception3(nn.Module):
    """Images (N, 3, H, W), H and W at least 75, usually 299, to logits (N, num_classes); while training with the
    auxiliary head to InceptionOutputs.

    Args:
        num_classes: the number of logits.
        aux_logits: whether to have the auxiliary head.
        transform_input: whether images are normalised as for ResNet and are to be normalised as Inception expects.
        inception_blocks: what convolutions, the blocks A to E, and the auxiliary head are made with.
        init_weights: whether to draw first values by truncated normals; None does and warns.
        dropout: before the last layer.
    """

    def __init__(
        self,
        num_classes: int = 1000,
        aux_logits: bool = True,
        transform_input: bool = False,
        inception_blocks: list[Block] | None = None,
        init_weights: bool | None = None,
        dropout: float = 0.5,
    ):
        super().__init__()
        if inception_blocks is None:
            inception_blocks = [
                BasicConv2d,
                InceptionA,
                InceptionB,
                InceptionC,
                InceptionD,
                InceptionE,
                InceptionAux,
            ]
        if init_weights is None:
            warnings.warn(
                "The default weight initialization of inception_v3 will be changed in future releases of torchvision. "
                "If you wish to keep the old behavior (which leads to long initialization times due to "
                "scipy/scipy#11299), please set init_weights=True.",
                FutureWarning,
                stacklevel=2,
            )
            init_weights = True
        if len(inception_blocks) != 7:
            raise ValueError(f"length of inception_blocks should be 7 instead of {len(inception_blocks)}")
        convolution, block_a, block_b, block_c, block_d, block_e, head = inception_blocks
        self.aux_logits = aux_logits
        self.transform_input = transform_input
        self.Conv2d_1a_3x3 = convolution(3, 32, kernel_size=3, stride=2)
        self.Conv2d_2a_3x3 = convolution(32, 32, kernel_size=3)
        self.Conv2d_2b_3x3 = convolution(32, 64, kernel_size=3, padding=1)
        self.maxpool1 = nn.MaxPool2d(kernel_size=3, stride=2)
        self.Conv2d_3b_1x1 = convolution(64, 80, kernel_size=1)
        self.Conv2d_4a_3x3 = convolution(80, 192, kernel_size=3)
        self.maxpool2 = nn.MaxPool2d(kernel_size=3, stride=2)
        self.Mixed_5b = block_a(192, pool_features=32)
        self.Mixed_5c = block_a(256, pool_features=64)
        self.Mixed_5d = block_a(288, pool_features=64)
        self.Mixed_6a = block_b(288)
        self.Mixed_6b = block_c(768, channels_7x7=128)
        self.Mixed_6c = block_c(768, channels_7x7=160)
        self.Mixed_6d = block_c(768, channels_7x7=160)
        self.Mixed_6e = block_c(768, channels_7x7=192)
        self.AuxLogits = head(768, num_classes) if aux_logits else None
        self.Mixed_7a = block_d(768)
        self.Mixed_7b = block_e(1280)
        self.Mixed_7c = block_e(2048)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.dropout = nn.Dropout(p=dropout)
        self.fc = nn.Linear(2048, num_classes)
        if init_weights:
            initialize(self, 0.1)

    def forward(self, x: Tensor) -> Any:
        if self.transform_input:
            x = normalised_as_for_inception(x)
        x = self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x)))
        x = self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(self.maxpool1(x)))
        x = self.Mixed_5d(self.Mixed_5c(self.Mixed_5b(self.maxpool2(x))))
        x = self.Mixed_6c(self.Mixed_6b(self.Mixed_6a(x)))
        x = self.Mixed_6e(self.Mixed_6d(x))
        auxiliary = self.AuxLogits(x) if self.training and self.AuxLogits is not None else None
        x = self.Mixed_7c(self.Mixed_7b(self.Mixed_7a(x)))
        logits = self.fc(self.dropout(self.avgpool(x)).flatten(1))
        return InceptionOutputs(logits, auxiliary) if self.training and self.aux_logits else logits


class Inception_V3_Weights(WeightsEnum):
    """Checkpoints of :func:`inception_v3`."""

    IMAGENET1K_V1 = imagenet("inception_v3_google-0cc3c7bd.pth", crop=299, resize=342)
    DEFAULT = IMAGENET1K_V1


@builder(Inception_V3_Weights)
def inception_v3(values: Mapping[str, Any] | None, **options: Any) -> Inception3:
    """Inception v3; 27 161 264 parameters with the auxiliary head."""
    if values is None:
        return Inception3(**options)
    wanted = options.pop("aux_logits", True)
    options = {"transform_input": True, **options, "init_weights": False}
    model = loaded(Inception3(aux_logits=True, **options), values)
    if not wanted:
        model.aux_logits, model.AuxLogits = False, None
    return model
