"""ResNet, ResNeXt, and Wide ResNet: blocks that add to what they are given.

In bottlenecks the stride is that of the 3×3 convolution ("ResNet v1.5").
Sources: He et al., "Deep residual learning for image recognition", 2016; Xie et al., "Aggregated residual
transformations for deep neural networks", 2017; Zagoruyko, Komodakis, "Wide residual networks", 2016.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from graphc import nn
from graphc.tensor import Tensor
from graphc.vision.models.weights import WeightsEnum, builder, imagenet, loaded

__all__ = [
    "BasicBlock",
    "Bottleneck",
    "ResNeXt50_32X4D_Weights",
    "ResNeXt101_32X8D_Weights",
    "ResNet",
    "ResNet18_Weights",
    "ResNet34_Weights",
    "ResNet50_Weights",
    "ResNet101_Weights",
    "ResNet152_Weights",
    "Wide_ResNet50_2_Weights",
    "Wide_ResNet101_2_Weights",
    "resnet18",
    "resnet34",
    "resnet50",
    "resnet101",
    "resnet152",
    "resnext50_32x4d",
    "resnext101_32x8d",
    "wide_resnet50_2",
    "wide_resnet101_2",
]

Norm = Callable[[int], nn.Module]


def conv3x3(in_planes: int, out_planes: int, stride: int = 1, groups: int = 1, dilation: int = 1) -> nn.Conv2d:
    """A 3×3 convolution without bias that keeps the image's size at stride 1."""
    return nn.Conv2d(
        in_planes,
        out_planes,
        kernel_size=3,
        stride=stride,
        padding=dilation,
        groups=groups,
        bias=False,
        dilation=dilation,
    )


def conv1x1(in_planes: int, out_planes: int, stride: int = 1) -> nn.Conv2d:
    """A 1×1 convolution without bias."""
    return nn.Conv2d(in_planes, out_planes, kernel_size=1, stride=stride, bias=False)


class BasicBlock(nn.Module):
    """Two 3×3 convolutions beside a shortcut. Raises ValueError for groups or another width, NotImplementedError for
    a dilation."""

    expansion: ClassVar[int] = 1

    def __init__(
        self,
        inplanes: int,
        planes: int,
        stride: int = 1,
        downsample: nn.Module | None = None,
        groups: int = 1,
        base_width: int = 64,
        dilation: int = 1,
        norm_layer: Norm | None = None,
    ):
        super().__init__()
        if groups != 1 or base_width != 64:
            raise ValueError("BasicBlock only supports groups=1 and base_width=64")
        if dilation > 1:
            raise NotImplementedError("Dilation > 1 not supported in BasicBlock")
        norm = nn.BatchNorm2d if norm_layer is None else norm_layer
        self.conv1 = conv3x3(inplanes, planes, stride)
        self.bn1 = norm(planes)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = conv3x3(planes, planes)
        self.bn2 = norm(planes)
        self.downsample = downsample
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        out += x if self.downsample is None else self.downsample(x)
        return self.relu(out)


class Bottleneck(nn.Module):
    """A 3×3 convolution between two of 1×1, which make the channels fewer and more again, beside a shortcut."""

    expansion: ClassVar[int] = 4

    def __init__(
        self,
        inplanes: int,
        planes: int,
        stride: int = 1,
        downsample: nn.Module | None = None,
        groups: int = 1,
        base_width: int = 64,
        dilation: int = 1,
        norm_layer: Norm | None = None,
    ):
        super().__init__()
        norm = nn.BatchNorm2d if norm_layer is None else norm_layer
        width = int(planes * (base_width / 64.0)) * groups
        self.conv1 = conv1x1(inplanes, width)
        self.bn1 = norm(width)
        self.conv2 = conv3x3(width, width, stride, groups, dilation)
        self.bn2 = norm(width)
        self.conv3 = conv1x1(width, planes * self.expansion)
        self.bn3 = norm(planes * self.expansion)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = downsample
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        out += x if self.downsample is None else self.downsample(x)
        return self.relu(out)


class ResNet(nn.Module):
    """Images (N, 3, H, W) to logits (N, num_classes).

    Args:
        block: BasicBlock or Bottleneck.
        layers: how many blocks each of the four stages has.
        num_classes: the number of logits.
        zero_init_residual: start with blocks that only pass their input on.
        groups: of the 3×3 convolutions in bottlenecks.
        width_per_group: channels of a group in the first stage.
        replace_stride_with_dilation: for each of the last three stages, whether to dilate instead of to stride.
        norm_layer: batch normalisation by default.

    Raises ValueError for a ``replace_stride_with_dilation`` that has not three parts.
    """

    def __init__(
        self,
        block: type[BasicBlock | Bottleneck],
        layers: Sequence[int],
        num_classes: int = 1000,
        zero_init_residual: bool = False,
        groups: int = 1,
        width_per_group: int = 64,
        replace_stride_with_dilation: Sequence[bool] | None = None,
        norm_layer: Norm | None = None,
    ):
        super().__init__()
        dilate = [False] * 3 if replace_stride_with_dilation is None else replace_stride_with_dilation
        if len(dilate) != 3:
            raise ValueError(
                f"replace_stride_with_dilation should be None or a 3-element tuple, got {replace_stride_with_dilation}"
            )
        self._norm_layer = nn.BatchNorm2d if norm_layer is None else norm_layer
        self.inplanes = 64
        self.dilation = 1
        self.groups = groups
        self.base_width = width_per_group
        self.conv1 = nn.Conv2d(3, self.inplanes, kernel_size=7, stride=2, padding=3, bias=False)
        self.bn1 = self._norm_layer(self.inplanes)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        self.layer1 = self._make_layer(block, 64, layers[0])
        self.layer2 = self._make_layer(block, 128, layers[1], stride=2, dilate=dilate[0])
        self.layer3 = self._make_layer(block, 256, layers[2], stride=2, dilate=dilate[1])
        self.layer4 = self._make_layer(block, 512, layers[3], stride=2, dilate=dilate[2])
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(512 * block.expansion, num_classes)
        self._initialize(zero_init_residual)

    def _initialize(self, zero_init_residual: bool) -> None:
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(module, nn.BatchNorm2d | nn.GroupNorm):
                nn.init.constant_(module.weight, 1)
                nn.init.constant_(module.bias, 0)
        if zero_init_residual:
            for module in self.modules():
                last = {Bottleneck: "bn3", BasicBlock: "bn2"}.get(type(module))
                if last is not None and getattr(module, last).weight is not None:
                    nn.init.constant_(getattr(module, last).weight, 0)

    def _make_layer(
        self, block: type[BasicBlock | Bottleneck], planes: int, blocks: int, stride: int = 1, dilate: bool = False
    ) -> nn.Sequential:
        first_dilation = self.dilation
        if dilate:
            self.dilation *= stride
            stride = 1
        width = planes * block.expansion
        downsample = None
        if stride != 1 or self.inplanes != width:
            downsample = nn.Sequential(conv1x1(self.inplanes, width, stride), self._norm_layer(width))
        common = (self.groups, self.base_width)
        parts = [block(self.inplanes, planes, stride, downsample, *common, first_dilation, self._norm_layer)]
        self.inplanes = width
        for _ in range(1, blocks):
            parts.append(block(width, planes, 1, None, *common, self.dilation, self._norm_layer))
        return nn.Sequential(*parts)

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(self.avgpool(x).flatten(1))


class ResNet18_Weights(WeightsEnum):
    """Checkpoints of :func:`resnet18`."""

    IMAGENET1K_V1 = imagenet("resnet18-f37072fd.pth")
    DEFAULT = IMAGENET1K_V1


class ResNet34_Weights(WeightsEnum):
    """Checkpoints of :func:`resnet34`."""

    IMAGENET1K_V1 = imagenet("resnet34-b627a593.pth")
    DEFAULT = IMAGENET1K_V1


class ResNet50_Weights(WeightsEnum):
    """Checkpoints of :func:`resnet50`."""

    IMAGENET1K_V1 = imagenet("resnet50-0676ba61.pth")
    IMAGENET1K_V2 = imagenet("resnet50-11ad3fa6.pth", resize=232)
    DEFAULT = IMAGENET1K_V2


class ResNet101_Weights(WeightsEnum):
    """Checkpoints of :func:`resnet101`."""

    IMAGENET1K_V1 = imagenet("resnet101-63fe2227.pth")
    IMAGENET1K_V2 = imagenet("resnet101-cd907fc2.pth", resize=232)
    DEFAULT = IMAGENET1K_V2


class ResNet152_Weights(WeightsEnum):
    """Checkpoints of :func:`resnet152`."""

    IMAGENET1K_V1 = imagenet("resnet152-394f9c45.pth")
    IMAGENET1K_V2 = imagenet("resnet152-f82ba261.pth", resize=232)
    DEFAULT = IMAGENET1K_V2


class ResNeXt50_32X4D_Weights(WeightsEnum):
    """Checkpoints of :func:`resnext50_32x4d`."""

    IMAGENET1K_V1 = imagenet("resnext50_32x4d-7cdf4587.pth")
    IMAGENET1K_V2 = imagenet("resnext50_32x4d-1a0047aa.pth", resize=232)
    DEFAULT = IMAGENET1K_V2


class ResNeXt101_32X8D_Weights(WeightsEnum):
    """Checkpoints of :func:`resnext101_32x8d`."""

    IMAGENET1K_V1 = imagenet("resnext101_32x8d-8ba56ff5.pth")
    IMAGENET1K_V2 = imagenet("resnext101_32x8d-110c445d.pth", resize=232)
    DEFAULT = IMAGENET1K_V2


class Wide_ResNet50_2_Weights(WeightsEnum):
    """Checkpoints of :func:`wide_resnet50_2`."""

    IMAGENET1K_V1 = imagenet("wide_resnet50_2-95faca4d.pth")
    IMAGENET1K_V2 = imagenet("wide_resnet50_2-9ba9bcbe.pth", resize=232)
    DEFAULT = IMAGENET1K_V2


class Wide_ResNet101_2_Weights(WeightsEnum):
    """Checkpoints of :func:`wide_resnet101_2`."""

    IMAGENET1K_V1 = imagenet("wide_resnet101_2-32ee1156.pth")
    IMAGENET1K_V2 = imagenet("wide_resnet101_2-d733dc28.pth", resize=232)
    DEFAULT = IMAGENET1K_V2


@builder(ResNet18_Weights)
def resnet18(values: Mapping[str, Any] | None, **options: Any) -> ResNet:
    """ResNet with 18 layers; 11 689 512 parameters."""
    return loaded(ResNet(BasicBlock, [2, 2, 2, 2], **options), values)


@builder(ResNet34_Weights)
def resnet34(values: Mapping[str, Any] | None, **options: Any) -> ResNet:
    """ResNet with 34 layers; 21 797 672 parameters."""
    return loaded(ResNet(BasicBlock, [3, 4, 6, 3], **options), values)


@builder(ResNet50_Weights)
def resnet50(values: Mapping[str, Any] | None, **options: Any) -> ResNet:
    """ResNet with 50 layers; 25 557 032 parameters."""
    return loaded(ResNet(Bottleneck, [3, 4, 6, 3], **options), values)


@builder(ResNet101_Weights)
def resnet101(values: Mapping[str, Any] | None, **options: Any) -> ResNet:
    """ResNet with 101 layers; 44 549 160 parameters."""
    return loaded(ResNet(Bottleneck, [3, 4, 23, 3], **options), values)


@builder(ResNet152_Weights)
def resnet152(values: Mapping[str, Any] | None, **options: Any) -> ResNet:
    """ResNet with 152 layers; 60 192 808 parameters."""
    return loaded(ResNet(Bottleneck, [3, 8, 36, 3], **options), values)


@builder(ResNeXt50_32X4D_Weights)
def resnext50_32x4d(values: Mapping[str, Any] | None, **options: Any) -> ResNet:
    """ResNeXt with 50 layers, 32 groups of width 4; 25 028 904 parameters."""
    options = {"groups": 32, "width_per_group": 4, **options}
    return loaded(ResNet(Bottleneck, [3, 4, 6, 3], **options), values)


@builder(ResNeXt101_32X8D_Weights)
def resnext101_32x8d(values: Mapping[str, Any] | None, **options: Any) -> ResNet:
    """ResNeXt with 101 layers, 32 groups of width 8; 88 791 336 parameters."""
    options = {"groups": 32, "width_per_group": 8, **options}
    return loaded(ResNet(Bottleneck, [3, 4, 23, 3], **options), values)


@builder(Wide_ResNet50_2_Weights)
def wide_resnet50_2(values: Mapping[str, Any] | None, **options: Any) -> ResNet:
    """ResNet with 50 layers and twice the channels in the bottlenecks; 68 883 240 parameters."""
    return loaded(ResNet(Bottleneck, [3, 4, 6, 3], **{"width_per_group": 128, **options}), values)


@builder(Wide_ResNet101_2_Weights)
def wide_resnet101_2(values: Mapping[str, Any] | None, **options: Any) -> ResNet:
    """ResNet with 101 layers and twice the channels in the bottlenecks; 126 886 696 parameters."""
    return loaded(ResNet(Bottleneck, [3, 4, 23, 3], **{"width_per_group": 128, **options}), values)
