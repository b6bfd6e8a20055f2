"""Convolutions and transposed convolutions over sequences, images, and volumes.

Sizes (stride, padding, dilation) are one int for all spatial dims or a sequence of one for each. An input without the
batch dim is taken as one sample.
Source: https://docs.pytorch.org/docs/stable/nn.functional.html#convolution-functions
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphc.notices import warn
from graphc.ops import contractions, gathers, views
from graphc.ops.functions.shaping import unsqueeze
from graphc.ops.half_precision import rounded_once
from graphc.ops.type_names import scalar_name, type_name

__all__ = [
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_tbc",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
]
METHODS = ()

Ints = tuple[int, ...]
Size = int | Sequence[int]
_AXES = ("depth", "height", "width")


def _per_dim(function: str, name: str, value: Size, rank: int) -> Ints:
    """One int for each of the spatial dims of a weight; one int stands for as many as the function has."""
    if isinstance(value, str):
        raise TypeError(f"{function}(): argument '{name}' must be tuple of ints, not str")
    sizes = tuple(map(int, value)) if isinstance(value, (tuple, list)) else (int(value),) * int(function[-2])
    if len(sizes) == 1:
        return sizes * rank
    if len(sizes) != rank:
        raise RuntimeError(
            f"expected {name} to be a single integer value or a list of {rank} values to match the convolution "
            f"dimensions, but got {name}={list(sizes)}"
        )
    return sizes


@rounded_once
def conv1d(
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Size = 1,
    padding: Size | str = 0,
    dilation: Size = 1,
    groups: int = 1,
) -> Any:
    """A convolution of ``[n, c, length]`` (or ``[c, length]``) with a weight ``[o, c / groups, k]``; bias ``[o]``.

    ``padding`` may be "valid" (none) or "same" (the result has the input's size; stride 1 only).

    Raises RuntimeError, with PyTorch's words, for shapes, dtypes or a geometry that do not fit.
    """
    return _convolved("conv1d", 1, input, weight, bias, stride, padding, dilation, groups)


@rounded_once
def conv2d(
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Size = 1,
    padding: Size | str = 0,
    dilation: Size = 1,
    groups: int = 1,
) -> Any:
    """As :func:`conv1d`, of ``[n, c, h, w]`` (or ``[c, h, w]``) with a weight ``[o, c / groups, kh, kw]``."""
    return _convolved("conv2d", 2, input, weight, bias, stride, padding, dilation, groups)


@rounded_once
def conv3d(
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Size = 1,
    padding: Size | str = 0,
    dilation: Size = 1,
    groups: int = 1,
) -> Any:
    """As :func:`conv1d`, of ``[n, c, d, h, w]`` (or ``[c, d, h, w]``) with a weight ``[o, c / groups, kd, kh, kw]``."""
    return _convolved("conv3d", 3, input, weight, bias, stride, padding, dilation, groups)


@rounded_once
def conv_tbc(input: Any, weight: Any, bias: Any, pad: int = 0) -> Any:
    """A convolution of a sequence ``[length, n, c]`` with a weight ``[k, c, o]`` and a bias ``[o]``."""
    if input.ndim != 3:
        raise RuntimeError("Input must have 3 dims: time, batch, in_channel")
    if weight.ndim != 3:
        raise RuntimeError("Weight tensor must have 3 dims: kernel_width, in_channels, out_channels.")
    if bias.ndim != 1:
        raise RuntimeError("Bias must be 1-D")
    if input.shape[2] != weight.shape[1]:
        raise RuntimeError("Input dim 2 (input channels) is not == dim 1 in the weight tensor")
    if weight.shape[2] != bias.shape[0]:
        raise RuntimeError("Bias size must equal dim 2 in the weight tensor (output channels).")
    result = conv1d(views.Permute.bind(input, dims=(1, 2, 0)), views.Permute.bind(weight, dims=(2, 1, 0)), bias, 1, pad)
    return views.Permute.bind(result, dims=(2, 0, 1))


@rounded_once
def conv_transpose1d(
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Size = 1,
    padding: Size = 0,
    output_padding: Size = 0,
    groups: int = 1,
    dilation: Size = 1,
) -> Any:
    """The gradient of :func:`conv1d` with respect to its input, as a layer.

    ``[n, c, length]`` (or ``[c, length]``) with a weight ``[c, o / groups, k]`` gives ``[n, o, longer]``, where longer
    is ``(length - 1) * stride - 2 * padding + dilation * (k - 1) + output_padding + 1``. Bias ``[o]``.

    Raises RuntimeError, with PyTorch's words, for shapes, dtypes or a geometry that do not fit.
    """
    return _transposed("conv_transpose1d", 1, input, weight, bias, stride, padding, output_padding, groups, dilation)


@rounded_once
def conv_transpose2d(
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Size = 1,
    padding: Size = 0,
    output_padding: Size = 0,
    groups: int = 1,
    dilation: Size = 1,
) -> Any:
    """As :func:`conv_transpose1d`, of ``[n, c, h, w]`` (or ``[c, h, w]``) with a weight ``[c, o / groups, kh, kw]``."""
    return _transposed("conv_transpose2d", 2, input, weight, bias, stride, padding, output_padding, groups, dilation)


@rounded_once
def conv_transpose3d(
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Size = 1,
    padding: Size = 0,
    output_padding: Size = 0,
    groups: int = 1,
    dilation: Size = 1,
) -> Any:
    """As :func:`conv_transpose1d`, of ``[n, c, d, h, w]`` with a weight ``[c, o / groups, kd, kh, kw]``."""
    return _transposed("conv_transpose3d", 3, input, weight, bias, stride, padding, output_padding, groups, dilation)


def _is_one_sample(name: str, input: Any, rank: int) -> bool:
    if input.ndim not in (rank + 1, rank + 2):
        raise RuntimeError(
            f"Expected {rank + 1}D (unbatched) or {rank + 2}D (batched) input to {name}, but got input of size: "
            f"{list(input.shape)}"
        )
    return input.ndim == rank + 1


def _convolved(
    name: str,
    rank: int,
    input: Any,
    weight: Any,
    bias: Any,
    stride: Size,
    padding: Size | str,
    dilation: Size,
    groups: int,
) -> Any:
    if _is_one_sample(name, input, rank):
        result = _convolved(name, rank, unsqueeze(input, 0), weight, bias, stride, padding, dilation, groups)
        return views.Reshape.bind(result, shape=tuple(result.shape[1:]))
    if weight.ndim < 3:
        raise RuntimeError("weight should have at least three dimensions")
    if isinstance(padding, str) and weight.ndim != input.ndim:
        _require_rank(input, weight)
    rank = weight.ndim - 2
    stride, dilation = _per_dim(name, "stride", stride, rank), _per_dim(name, "dilation", dilation, rank)
    if isinstance(padding, str):
        input, padding = _named_padding(input, weight, padding, stride, dilation)
    padding = _per_dim(name, "padding", padding, rank)
    _require(input, weight, bias, stride, padding, dilation, groups, None)
    padded = [extent + 2 * width for extent, width in zip(input.shape[2:], padding, strict=True)]
    spans = [gap * (extent - 1) + 1 for gap, extent in zip(dilation, weight.shape[2:], strict=True)]
    if any(isinstance(extent, int) and extent < span for extent, span in zip(padded, spans, strict=True)):
        raise RuntimeError(
            f"Calculated padded input size per channel: ({' x '.join(map(str, padded))}). Kernel size: "
            f"({' x '.join(map(str, spans))}). Kernel size can't be greater than actual input size"
        )
    out_channels, per_group, *kernel = weight.shape
    geometry = {"stride": stride, "padding": padding, "dilation": dilation}
    if groups == 1:
        result = contractions.Convolution.bind(weight, input, **geometry)
    else:
        samples, _, *size = input.shape
        grouped_input = views.Reshape.bind(input, shape=(samples, groups, per_group, *size))
        grouped = views.Reshape.bind(weight, shape=(groups, out_channels // groups, per_group, *kernel))
        result = contractions.Convolution.bind(grouped, grouped_input, **geometry)
        result = views.Reshape.bind(result, shape=(samples, out_channels, *result.shape[3:]))
    return _shifted(result, bias)


def _shifted(result: Any, bias: Any) -> Any:
    if bias is None:
        return result
    return result + views.Reshape.bind(bias, shape=(1, bias.shape[0], *(1,) * (result.ndim - 2)))


def _named_padding(input: Any, weight: Any, name: str, stride: Ints, dilation: Ints) -> tuple[Any, Ints]:
    """ "same" and "valid" as numbers; an odd number of places is padded with one more after than before."""
    if name == "valid":
        return input, (0,) * len(stride)
    if name != "same":
        raise RuntimeError(f"Invalid padding string: '{name}'")
    if any(step != 1 for step in stride):
        raise RuntimeError("padding='same' is not supported for strided convolutions")
    totals = tuple(gap * (size - 1) for gap, size in zip(dilation, weight.shape[2:], strict=True))
    odd = tuple(total % 2 for total in totals)
    if any(odd):
        warn(
            "Using padding='same' with even kernel lengths and odd dilation may require a zero-padded copy of the "
            "input be created",
        )
        input = gathers.Pad.bind(input, low=(0,) * input.ndim, high=(0, 0, *odd), value=0)
    return input, tuple(total // 2 for total in totals)


def _transposed(
    name: str,
    rank: int,
    input: Any,
    weight: Any,
    bias: Any,
    stride: Size,
    padding: Size,
    output_padding: Size,
    groups: int,
    dilation: Size,
) -> Any:
    if _is_one_sample(name, input, rank):
        result = _transposed(
            name, rank, unsqueeze(input, 0), weight, bias, stride, padding, output_padding, groups, dilation
        )
        return views.Reshape.bind(result, shape=tuple(result.shape[1:]))
    rank = weight.ndim - 2
    stride, dilation = _per_dim(name, "stride", stride, rank), _per_dim(name, "dilation", dilation, rank)
    padding, more = _per_dim(name, "padding", padding, rank), _per_dim(name, "output_padding", output_padding, rank)
    _require(input, weight, bias, stride, padding, dilation, groups, more)
    in_channels, per_group, *kernel = weight.shape
    samples, _, *places = input.shape
    size = tuple(
        (count - 1) * step - 2 * width + gap * (extent - 1) + extra + 1
        for count, step, width, gap, extent, extra in zip(places, stride, padding, dilation, kernel, more, strict=True)
    )
    if any(isinstance(extent, int) and extent < 1 for extent in size):
        raise RuntimeError(
            f"Given input size per channel: ({' x '.join(map(str, places))}). Calculated output size per channel: "
            f"({' x '.join(map(str, size))}). Output size is too small"
        )
    # Where the additional rim has room for more strides, more places of a convolution: they are zero here.
    rim = tuple(extra // step for extra, step in zip(more, stride, strict=True))
    if any(rim):
        input = gathers.Pad.bind(input, low=(0,) * input.ndim, high=(0, 0, *rim), value=0)
        places = input.shape[2:]
    geometry = {"input_size": size, "stride": stride, "padding": padding, "dilation": dilation}
    if groups == 1:
        return _shifted(contractions.ConvolutionInputGradient.bind(weight, input, **geometry), bias)
    grouped_input = views.Reshape.bind(input, shape=(samples, groups, in_channels // groups, *places))
    grouped = views.Reshape.bind(weight, shape=(groups, in_channels // groups, per_group, *kernel))
    result = contractions.ConvolutionInputGradient.bind(grouped, grouped_input, **geometry)
    return _shifted(views.Reshape.bind(result, shape=(samples, groups * per_group, *size)), bias)


def _require(
    input: Any,
    weight: Any,
    bias: Any,
    stride: Ints,
    padding: Ints,
    dilation: Ints,
    groups: int,
    output_padding: Ints | None,
) -> None:
    """Raises RuntimeError, with PyTorch's words, for what is no (transposed, with an output padding) convolution."""
    if output_padding is None:
        # Without transposition PyTorch looks at the bias first.
        _require_bias_dtype(input, bias)
    given, size = list(weight.shape), list(input.shape)
    if groups < 1:
        raise RuntimeError("non-positive groups is not supported")
    if min(padding, default=0) < 0:
        raise RuntimeError("negative padding is not supported")
    if output_padding is not None and min(output_padding, default=0) < 0:
        raise RuntimeError("negative output_padding is not supported")
    if min(stride, default=1) < 1:
        raise RuntimeError("non-positive stride is not supported")
    if min(dilation, default=1) < 1:
        raise RuntimeError(f"dilation should be greater than zero, but got {list(dilation)}")
    _require_rank(input, weight)
    if given[0] < groups:
        raise RuntimeError(
            f"Given groups={groups}, expected weight to be at least {groups} at dimension 0, but got weight of size "
            f"{given} instead"
        )
    if given[0] % groups:
        raise RuntimeError(
            f"Given groups={groups}, expected weight to be divisible by {groups} at dimension 0, but got weight of "
            f"size [{given}] instead"
        )
    transposed = output_padding is not None
    expected, outputs = (given[0], given[1] * groups) if transposed else (given[1] * groups, given[0])
    head = f"Given transposed={int(transposed)}" if transposed else f"Given groups={groups}"
    if size[1] != expected:
        raise RuntimeError(
            f"{head}, weight of size {given}, expected input{size} to have {expected} channels, but got {size[1]} "
            "channels instead"
        )
    if bias is not None and list(bias.shape) != [outputs]:
        head = "Given transposed=1," if transposed else "Given"
        raise RuntimeError(
            f"{head} weight of size {given}, expected bias to be 1-dimensional with {outputs} elements, but got bias "
            f"of size {list(bias.shape)} instead"
        )
    axes = _AXES[-len(stride) :] if len(stride) <= len(_AXES) else ()
    if min(given[2:], default=1) < 1:
        shown = " ".join(f"kernel_{axis}: {extent}" for axis, extent in zip(axes, given[2:], strict=True))
        raise RuntimeError(f"kernel size should be greater than zero, but got {shown}")
    if transposed:
        _require_output_padding(output_padding, stride, dilation)
    if input.dtype.category == "bool":
        raise NotImplementedError("\"slow_conv2d_cpu\" not implemented for 'Bool'")
    if weight.dtype != input.dtype:
        raise RuntimeError(f"expected scalar type {type_name(input.dtype)} but found {type_name(weight.dtype)}")
    _require_bias_dtype(input, bias)


def _require_bias_dtype(input: Any, bias: Any) -> None:
    if bias is not None and bias.dtype != input.dtype:
        raise RuntimeError(
            f"Input type ({scalar_name(input.dtype)}) and bias type ({scalar_name(bias.dtype)}) should be the same"
        )


def _require_rank(input: Any, weight: Any) -> None:
    if weight.ndim != input.ndim:
        raise RuntimeError(
            f"Expected {weight.ndim}-dimensional input for {weight.ndim}-dimensional weight {list(weight.shape)}, but "
            f"got {input.ndim}-dimensional input of size {list(input.shape)} instead"
        )


def _require_output_padding(output_padding: Ints, stride: Ints, dilation: Ints) -> None:
    if all(more < max(step, gap) for more, step, gap in zip(output_padding, stride, dilation, strict=True)):
        return
    if len(stride) == 1:  # PyTorch takes a sequence as an image of one row
        output_padding, stride, dilation = (0, *output_padding), (1, *stride), (1, *dilation)
    axes = _AXES[-len(stride) :]
    shown = " ".join(
        f"{name}_{axis}: {value}"
        for name, values in (("output_padding", output_padding), ("stride", stride), ("dilation", dilation))
        for axis, value in zip(axes, values, strict=True)
    )
    raise RuntimeError(f"output padding must be smaller than either stride or dilation, but got {shown}")
