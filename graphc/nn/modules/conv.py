"""Convolutions and transposed convolutions of one, two, and three dimensions.

Source: https://docs.pytorch.org/docs/stable/nn.html#convolution-layers
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from graphc import functional as F
from graphc.creation import empty
from graphc.ir.types import DType
from graphc.nn import init
from graphc.nn.module import Module
from graphc.nn.modules.lazy import Lazy
from graphc.nn.modules.utils import _ntuple, _reverse_repeat_tuple
from graphc.nn.parameter import Parameter
from graphc.tensor import Tensor

Size = int | tuple[int, ...]

_PADDINGS = {"same", "valid"}
_PADDING_MODES = {"zeros", "reflect", "replicate", "circular"}


class _ConvNd(Module):
    """The base of convolutions and transposed convolutions; sizes are tuples, one number per spatial dimension.

    Raises ValueError for channels that the groups do not divide, and for a padding that there is not.
    """

    __constants__: ClassVar[list[str]] = [
        "stride",
        "padding",
        "dilation",
        "groups",
        "padding_mode",
        "output_padding",
        "in_channels",
        "out_channels",
        "kernel_size",
    ]
    _spatial: ClassVar[int]
    _function: ClassVar[Callable[..., Any]]

    bias: Tensor | None

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: tuple[int, ...],
        stride: tuple[int, ...],
        padding: str | tuple[int, ...],
        dilation: tuple[int, ...],
        transposed: bool,
        output_padding: tuple[int, ...],
        groups: int,
        bias: bool,
        padding_mode: str,
        device: Any = None,
        dtype: DType | None = None,
    ):
        super().__init__()
        if groups <= 0:
            raise ValueError("groups must be a positive integer")
        if in_channels % groups:
            raise ValueError("in_channels must be divisible by groups")
        if out_channels % groups:
            raise ValueError("out_channels must be divisible by groups")
        if isinstance(padding, str):
            if padding not in _PADDINGS:
                raise ValueError(f"Invalid padding string {padding!r}, should be one of {_PADDINGS}")
            if padding == "same" and any(step != 1 for step in stride):
                raise ValueError("padding='same' is not supported for strided convolutions")
        if padding_mode not in _PADDING_MODES:
            raise ValueError(f"padding_mode must be one of {_PADDING_MODES}, but got padding_mode='{padding_mode}'")
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = kernel_size
        self.stride = stride
        self.padding = padding
        self.dilation = dilation
        self.transposed = transposed
        self.output_padding = output_padding
        self.groups = groups
        self.padding_mode = padding_mode
        self._reversed_padding_repeated_twice = _both_sides(padding, kernel_size, dilation)
        channels = (in_channels, out_channels // groups) if transposed else (out_channels, in_channels // groups)
        self.weight = Parameter(empty((*channels, *kernel_size), dtype=dtype, device=device))
        if bias:
            self.bias = Parameter(empty(out_channels, dtype=dtype, device=device))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new first values."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            fan_in = math.prod(self.weight.shape[1:])
            bound = 1 / math.sqrt(fan_in) if fan_in > 0 else 0
            init.uniform_(self.bias, -bound, bound)

    def extra_repr(self) -> str:
        text = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        for name, usual in (("padding", 0), ("dilation", 1), ("output_padding", 0)):
            value = getattr(self, name)
            if value != (usual,) * len(value):
                text += f", {name}={value}"
        if self.groups != 1:
            text += f", groups={self.groups}"
        if self.bias is None:
            text += ", bias=False"
        if self.padding_mode != "zeros":
            text += f", padding_mode={self.padding_mode}"
        return text

    def __setstate__(self, values: dict[str, Any]) -> None:
        super().__setstate__(values)
        self.__dict__.setdefault("padding_mode", "zeros")


def _both_sides(
    padding: str | tuple[int, ...], kernel_size: tuple[int, ...], dilation: tuple[int, ...]
) -> list[int] | tuple[int, ...]:
    """The padding as ``functional.pad`` takes it: from the last dimension to the first, low and high side."""
    if not isinstance(padding, str):
        return _reverse_repeat_tuple(padding, 2)
    pads: list[int] = []
    for step, extent in zip(reversed(dilation), reversed(kernel_size), strict=False):
        total = step * (extent - 1) if padding == "same" else 0
        pads += [total // 2, total - total // 2]
    return pads


class _Convolution(_ConvNd):
    """The arguments and the forward that the convolutions share."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Size | str = 0,
        dilation: Size = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: DType | None = None,
    ):
        spread = _ntuple(self._spatial)
        super().__init__(
            in_channels,
            out_channels,
            spread(kernel_size),
            spread(stride),
            padding if isinstance(padding, str) else spread(padding),
            spread(dilation),
            False,
            spread(0),
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        padding = self.padding
        if self.padding_mode != "zeros":
            input = F.pad(input, self._reversed_padding_repeated_twice, mode=self.padding_mode)
            padding = (0,) * self._spatial
        return type(self)._function(input, weight, bias, self.stride, padding, self.dilation, self.groups)

    def forward(self, input: Tensor) -> Tensor:
        return self._conv_forward(input, self.weight, self.bias)


class Conv1d(_Convolution):
    """1-d cross-correlation: (N, in_channels, L) or (in_channels, L) to (N, out_channels, L') or (out_channels, L').

    Weight: (out_channels, in_channels / groups, kernel_size). ``padding`` is a size, "valid", or "same";
    ``padding_mode`` is "zeros", "reflect", "replicate", or "circular".
    """

    _spatial = 1
    _function = staticmethod(F.conv1d)


class Conv2d(_Convolution):
    """2-d cross-correlation: (N, in_channels, H, W) or (in_channels, H, W) to (N, out_channels, H', W') or without N.

    Weight: (out_channels, in_channels / groups, *kernel_size). ``padding`` is a size, "valid", or "same";
    ``padding_mode`` is "zeros", "reflect", "replicate", or "circular".
    """

    _spatial = 2
    _function = staticmethod(F.conv2d)


class Conv3d(_Convolution):
    """3-d cross-correlation: (N, in_channels, D, H, W) or (in_channels, D, H, W) to (N, out_channels, D', H', W') or
    without N.

    Weight: (out_channels, in_channels / groups, *kernel_size). ``padding`` is a size, "valid", or "same";
    ``padding_mode`` is "zeros", "reflect", "replicate", or "circular".
    """

    _spatial = 3
    _function = staticmethod(F.conv3d)


class _ConvTransposeNd(_ConvNd):
    """The arguments and the forward that the transposed convolutions share."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Size = 0,
        output_padding: Size = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Size = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: DType | None = None,
    ):
        if padding_mode != "zeros":
            raise ValueError(f'Only "zeros" padding mode is supported for {type(self).__name__}')
        spread = _ntuple(self._spatial)
        super().__init__(
            in_channels,
            out_channels,
            spread(kernel_size),
            spread(stride),
            spread(padding),
            spread(dilation),
            True,
            spread(output_padding),
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )

    def forward(self, input: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        if self.padding_mode != "zeros":
            raise ValueError(f"Only `zeros` padding mode is supported for ConvTranspose{self._spatial}d")
        extra = self.output_padding if output_size is None else self._output_padding(input, output_size)
        return type(self)._function(
            input, self.weight, self.bias, self.stride, self.padding, extra, self.groups, self.dilation
        )

    def _output_padding(self, input: Tensor, output_size: Sequence[int]) -> list[int]:
        """What must be added on the high sides for a result of a size; the size may have the channels and samples
        before it. Raises ValueError for a size that no padding below the stride gives."""
        spatial = self._spatial
        before = 2 if input.dim() == spatial + 2 else 1
        wanted = list(output_size)
        if len(wanted) == before + spatial:
            wanted = wanted[before:]
        if len(wanted) != spatial:
            raise ValueError(
                f"ConvTranspose{spatial}D: for {input.dim()}D input, output_size must have {spatial} or "
                f"{before + spatial} elements (got {len(wanted)})"
            )
        smallest = [
            (extent - 1) * step - 2 * pad + spread * (window - 1) + 1
            for extent, step, pad, spread, window in zip(
                input.shape[before:], self.stride, self.padding, self.dilation, self.kernel_size, strict=True
            )
        ]
        largest = [low + step - 1 for low, step in zip(smallest, self.stride, strict=True)]
        if any(not low <= size <= high for low, size, high in zip(smallest, wanted, largest, strict=True)):
            raise ValueError(
                f"requested an output size of {type(output_size)(wanted)}, but valid sizes range from {smallest} to "
                f"{largest} (for an input of {input.size()[2:]})"
            )
        return [size - low for size, low in zip(wanted, smallest, strict=True)]


class ConvTranspose1d(_ConvTransposeNd):
    """The gradient of a 1-d convolution as a layer: (N, in_channels, L) to (N, out_channels, L'), or without N.

    ``L' = (L - 1) * stride - 2 * padding + dilation * (kernel_size - 1) + output_padding + 1``; ``output_size``, in
    the call, says L' instead of ``output_padding``. Weight: (in_channels, out_channels / groups, kernel_size).
    """

    _spatial = 1
    _function = staticmethod(F.conv_transpose1d)


class ConvTranspose2d(_ConvTransposeNd):
    """The gradient of a 2-d convolution as a layer: (N, in_channels, H, W) to (N, out_channels, H', W'), or without N.

    ``H' = (H - 1) * stride - 2 * padding + dilation * (kernel_size - 1) + output_padding + 1``; ``output_size``, in
    the call, says the sizes instead of ``output_padding``. Weight: (in_channels, out_channels / groups, *kernel_size).
    """

    _spatial = 2
    _function = staticmethod(F.conv_transpose2d)


class ConvTranspose3d(_ConvTransposeNd):
    """The gradient of a 3-d convolution as a layer: (N, in_channels, D, H, W) to (N, out_channels, D', H', W'), or
    without N.

    ``D' = (D - 1) * stride - 2 * padding + dilation * (kernel_size - 1) + output_padding + 1``; ``output_size``, in
    the call, says the sizes instead of ``output_padding``. Weight: (in_channels, out_channels / groups, *kernel_size).
    """

    _spatial = 3
    _function = staticmethod(F.conv_transpose3d)


class _LazyConvolution(Lazy):
    """A convolution whose ``in_channels`` are those of its first input."""

    def initialize_parameters(self, input: Tensor, *args: Any, **kwargs: Any) -> None:
        if not self.has_uninitialized_params():
            return
        self.in_channels = self._channels_of(input)
        if self.in_channels % self.groups:
            raise ValueError("in_channels must be divisible by groups")
        if self.transposed:
            channels = (self.in_channels, self.out_channels // self.groups)
        else:
            channels = (self.out_channels, self.in_channels // self.groups)
        self.weight.materialize((*channels, *self.kernel_size))
        if self.bias is not None:
            self.bias.materialize((self.out_channels,))
        self.reset_parameters()

    def _channels_of(self, input: Tensor) -> int:
        rank = len(self.kernel_size) + 1
        if input.dim() not in (rank, rank + 1):
            raise RuntimeError(
                f"Expected {rank}D (unbatched) or {rank + 1}D (batched) input to {type(self).__name__}, but got input "
                f"of size: {input.shape}"
            )
        return input.shape[1 if input.dim() == rank + 1 else 0]


class LazyConv1d(_LazyConvolution, Conv1d):
    """A :class:`Conv1d` whose ``in_channels`` are those of its first input."""

    cls_to_become = Conv1d


class LazyConv2d(_LazyConvolution, Conv2d):
    """A :class:`Conv2d` whose ``in_channels`` are those of its first input."""

    cls_to_become = Conv2d


class LazyConv3d(_LazyConvolution, Conv3d):
    """A :class:`Conv3d` whose ``in_channels`` are those of its first input."""

    cls_to_become = Conv3d


class LazyConvTranspose1d(_LazyConvolution, ConvTranspose1d):
    """A :class:`ConvTranspose1d` whose ``in_channels`` are those of its first input."""

    cls_to_become = ConvTranspose1d


class LazyConvTranspose2d(_LazyConvolution, ConvTranspose2d):
    """A :class:`ConvTranspose2d` whose ``in_channels`` are those of its first input."""

    cls_to_become = ConvTranspose2d


class LazyConvTranspose3d(_LazyConvolution, ConvTranspose3d):
    """A :class:`ConvTranspose3d` whose ``in_channels`` are those of its first input."""

    cls_to_become = ConvTranspose3d
