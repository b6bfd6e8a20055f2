"""GoogLeNet (Inception v1), with batch normalisation.

Source: Szegedy et al., "Going deeper with convolutions", 2015.
"""

from __future__ import annotations

import warnings
from collections import namedtuple
from collections.abc import Callable, Mapping
from typing import Any

from graphc import cat, nn
from graphc.nn import functional as F
from graphc.tensor import Tensor
from graphc.vision.models.inception import BasicConv2d, initialize, normalised_as_for_inception
from graphc.vision.models.weights import WeightsEnum, builder, imagenet, loaded

__all__ = ["GoogLeNet", "GoogLeNetOutputs", "GoogLeNet_Weights", "googlenet"]

GoogLeNetOutputs = namedtuple("GoogLeNetOutputs", ["logits", "aux_logits2", "aux_logits1"])

Block = Callable[..., nn.Module]


class Inception(nn.Module):
    """Four branches beside each other: 1×1, 3×3, a second 3×3 (the paper's 5×5), and a pooling."""

    def __init__(
        self,
        in_channels: int,
        ch1x1: int,
        ch3x3red: int,
        ch3x3: int,
        ch5x5red: int,
        ch5x5: int,
        pool_proj: int,
        conv_block: Block = BasicConv2d,
    ):
        super().__init__()
        self.branch1 = conv_block(in_channels, ch1x1, kernel_size=1)
        self.branch2 = nn.Sequential(
            conv_block(in_channels, ch3x3red, kernel_size=1), conv_block(ch3x3red, ch3x3, kernel_size=3, padding=1)
        )
        self.branch3 = nn.Sequential(
            conv_block(in_channels, ch5x5red, kernel_size=1), conv_block(ch5x5red, ch5x5, kernel_size=3, padding=1)
        )
        self.branch4 = nn.Sequential(
            nn.MaxPool2d(kernel_size=3, stride=1, padding=1, ceil_mode=True),
            conv_block(in_channels, pool_proj, kernel_size=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        return cat([self.branch1(x), self.branch2(x), self.branch3(x), self.branch4(x)], 1)


class InceptionAux(nn.Module):
    """Logits from the middle of the network, for training."""

    def __init__(self, in_channels: int, num_classes: int, conv_block: Block = BasicConv2d, dropout: float = 0.7):
        super().__init__()
        self.conv = conv_block(in_channels, 128, kernel_size=1)
        self.fc1 = nn.Linear(2048, 1024)
        self.fc2 = nn.Linear(1024, num_classes)
        self.dropout = nn.Dropout(p=dropout)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(F.adaptive_avg_pool2d(x, (4, 4))).flatten(1)
        return self.fc2(self.dropout(F.relu(self.fc1(x), inplace=True)))


class GoogLeNet(nn.Module):
    """Images (N, 3, H, W) to logits (N, num_classes); while training with auxiliary heads to GoogLeNetOutputs.

    Args:
        num_classes: the number of logits.
        aux_logits: whether to have two auxiliary heads.
        transform_input: whether images are normalised as for ResNet and are to be normalised as Inception expects.
        init_weights: whether to draw first values by truncated normals; None does and warns.
        blocks: what convolutions, inception blocks, and auxiliary heads are made with.
        dropout: before the last layer.
        dropout_aux: in the auxiliary heads.
    """

    def __init__(
        self,
        num_classes: int = 1000,
        aux_logits: bool = True,
        transform_input: bool = False,
        init_weights: bool | None = None,
        blocks: list[Block] | None = None,
        dropout: float = 0.2,
        dropout_aux: float = 0.7,
    ):
        super().__init__()
        if blocks is None:
            blocks = [BasicConv2d, Inception, InceptionAux]
        if init_weights is None:
            warnings.warn(
                "The default weight initialization of GoogleNet will be changed in future releases of torchvision. If "
                "you wish to keep the old behavior (which leads to long initialization times due to "
                "scipy/scipy#11299), please set init_weights=True.",
                FutureWarning,
                stacklevel=2,
            )
            init_weights = True
        if len(blocks) != 3:
            raise ValueError(f"blocks length should be 3 instead of {len(blocks)}")
        convolution, inception, head = blocks
        self.aux_logits = aux_logits
        self.transform_input = transform_input
        self.conv1 = convolution(3, 64, kernel_size=7, stride=2, padding=3)
        self.maxpool1 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.conv2 = convolution(64, 64, kernel_size=1)
        self.conv3 = convolution(64, 192, kernel_size=3, padding=1)
        self.maxpool2 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.inception3a = inception(192, 64, 96, 128, 16, 32, 32)
        self.inception3b = inception(256, 128, 128, 192, 32, 96, 64)
        self.maxpool3 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.inception4a = inception(480, 192, 96, 208, 16, 48, 64)
        self.inception4b = inception(512, 160, 112, 224, 24, 64, 64)
        self.inception4c = inception(512, 128, 128, 256, 24, 64, 64)
        self.inception4d = inception(512, 112, 144, 288, 32, 64, 64)
        self.inception4e = inception(528, 256, 160, 320, 32, 128, 128)
        self.maxpool4 = nn.MaxPool2d(2, stride=2, ceil_mode=True)
        self.inception5a = inception(832, 256, 160, 320, 32, 128, 128)
        self.inception5b = inception(832, 384, 192, 384, 48, 128, 128)
        self.aux1 = head(512, num_classes, dropout=dropout_aux) if aux_logits else None
        self.aux2 = head(528, num_classes, dropout=dropout_aux) if aux_logits else None
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.dropout = nn.Dropout(p=dropout)
        self.fc = nn.Linear(1024, num_classes)
        if init_weights:
            initialize(self, 0.01)

    def forward(self, x: Tensor) -> Any:
        if self.transform_input:
            x = normalised_as_for_inception(x)
        x = self.maxpool1(self.conv1(x))
        x = self.maxpool2(self.conv3(self.conv2(x)))
        x = self.inception4a(self.maxpool3(self.inception3b(self.inception3a(x))))
        first = self.aux1(x) if self.training and self.aux1 is not None else None
        x = self.inception4d(self.inception4c(self.inception4b(x)))
        second = self.aux2(x) if self.training and self.aux2 is not None else None
        x = self.inception5b(self.inception5a(self.maxpool4(self.inception4e(x))))
        logits = self.fc(self.dropout(self.avgpool(x).flatten(1)))
        return GoogLeNetOutputs(logits, second, first) if self.training and self.aux_logits else logits


class GoogLeNet_Weights(WeightsEnum):
    """Checkpoints of :func:`googlenet`."""

    IMAGENET1K_V1 = imagenet("googlenet-1378be20.pth")
    DEFAULT = IMAGENET1K_V1


@builder(GoogLeNet_Weights)
def googlenet(values: Mapping[str, Any] | None, **options: Any) -> GoogLeNet:
    """GoogLeNet; 6 624 904 parameters, 13 004 888 with the auxiliary heads (which weights do not have by default)."""
    if values is None:
        return GoogLeNet(**options)
    wanted = options.pop("aux_logits", False)
    options = {"transform_input": True, **options, "init_weights": False}
    model = loaded(GoogLeNet(aux_logits=True, **options), values)
    if not wanted:
        model.aux_logits, model.aux1, model.aux2 = False, None, None
    else:
        warnings.warn(
            "auxiliary heads in the pretrained googlenet model are NOT pretrained, so make sure to train them",
            stacklevel=3,
        )
    return model
