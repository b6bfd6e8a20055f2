"""Filling parameters with first values, with PyTorch's numbers for the same seed.

Source: https://docs.pytorch.org/docs/stable/nn.init.html
"""

from __future__ import annotations

import contextlib
import functools
import math
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from graphc.autograd.modes import no_grad
from graphc.creation import from_numpy
from graphc.missing_names import lazy_names
from graphc.notices import warn
from graphc.randomness.generator import default_generator
from graphc.randomness.stream import RandomStream
from graphc.recording import state
from graphc.tensor import Tensor

__getattr__ = lazy_names(__name__)
__all__ = [
    "calculate_gain",
    "constant",
    "constant_",
    "dirac",
    "dirac_",
    "eye",
    "eye_",
    "kaiming_normal",
    "kaiming_normal_",
    "kaiming_uniform",
    "kaiming_uniform_",
    "normal",
    "normal_",
    "ones_",
    "orthogonal",
    "orthogonal_",
    "sparse",
    "sparse_",
    "trunc_normal_",
    "uniform",
    "uniform_",
    "xavier_normal",
    "xavier_normal_",
    "xavier_uniform",
    "xavier_uniform_",
    "zeros_",
]

_LINEAR = frozenset(
    ("linear", "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d", "sigmoid")
)
_GAINS = {"tanh": 5.0 / 3, "relu": math.sqrt(2.0), "selu": 3.0 / 4}
# Below this share of the normal distribution in the interval, drawing from it until all values fit takes too long.
_LEAST_SHARE_FOR_NORMAL_DRAWS = 0.3


class _Skipping(threading.local):
    skips = False


_skipping = _Skipping()


@contextlib.contextmanager
def skipped() -> Iterator[None]:
    """Within the block, in this thread, no function of this module changes a tensor or draws a number."""
    outer, _skipping.skips = _skipping.skips, True
    try:
        yield
    finally:
        _skipping.skips = outer


def _fills(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """A function that writes to its first argument, outside the graph."""

    @functools.wraps(function)
    def fill(tensor: Tensor, *arguments: Any, **keywords: Any) -> Tensor:
        if _skipping.skips:
            return tensor
        with no_grad():
            function(tensor, *arguments, **keywords)
        return tensor

    return fill


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """The factor by which a nonlinearity shrinks the spread of its input. Raises ValueError for an unknown one."""
    if nonlinearity in _LINEAR:
        return 1
    if nonlinearity in _GAINS:
        return _GAINS[nonlinearity]
    if nonlinearity == "leaky_relu":
        if param is not None and (isinstance(param, bool) or not isinstance(param, int | float)):
            raise ValueError(f"negative_slope {param} not a valid number")
        return math.sqrt(2.0 / (1 + (0.01 if param is None else param) ** 2))
    raise ValueError(f"Unsupported nonlinearity {nonlinearity}")


@_fills
def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: RandomStream | None = None) -> Tensor:
    """Fill with uniform numbers in [a, b)."""
    if state.recorder is not None:
        return tensor.uniform_(a, b, generator=generator)
    return tensor._assign(from_numpy((generator or default_generator).uniform(tensor.shape, tensor.dtype.numpy, a, b)))


@_fills
def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: RandomStream | None = None) -> Tensor:
    """Fill with normal numbers of the mean and standard deviation."""
    if state.recorder is not None:
        return tensor.normal_(mean, std, generator=generator)
    drawn = (generator or default_generator).normal(tensor.shape, tensor.dtype.numpy, mean, std)
    return tensor._assign(from_numpy(drawn))


@_fills
def trunc_normal_(
    tensor: Tensor,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    generator: RandomStream | None = None,
) -> Tensor:
    """Fill with normal numbers that lie in [a, b], by drawing again those that do not. Outside compiled functions."""
    if mean < a - 2 * std or mean > b + 2 * std:
        warn(
            "mean is more than 2 std from [a, b] in nn.init.trunc_normal_. The distribution of values may be "
            "incorrect.",
        )
    tensor._value("trunc_normal_()")
    stream, shape, kind = generator or default_generator, tensor.shape, tensor.dtype.numpy
    share = _normal_share((b - mean) / std) - _normal_share((a - mean) / std)
    if share > _LEAST_SHARE_FOR_NORMAL_DRAWS:
        low, high = kind.type(a), kind.type(b)
        values = stream.normal(shape, kind, mean, std)
        while (outside := (values < low) | (values > high)).any():
            values = np.where(outside, stream.normal(shape, kind, mean, std), values)
        return tensor._assign(from_numpy(values))
    # Uniform candidates, each kept with the probability that the density has there, relative to its peak.
    peak = -0.5 * ((max(a, min(mean, b)) - mean) / std) ** 2
    values = stream.uniform(shape, kind, a, b)
    pending = _is_rejected(stream, values, mean, std, peak)
    while pending.any():
        candidates = stream.uniform(shape, kind, a, b)
        values = np.where(pending, candidates, values)
        pending &= _is_rejected(stream, candidates, mean, std, peak)
    return tensor._assign(from_numpy(values))


def _normal_share(x: float) -> float:
    """The part of the standard normal distribution below x."""
    return (1.0 + math.erf(x / math.sqrt(2.0))) / 2.0


def _is_rejected(stream: RandomStream, values: np.ndarray, mean: float, std: float, peak: float) -> np.ndarray:
    kind = values.dtype.type
    density = ((values - kind(mean)) / kind(std)) ** 2 * kind(-0.5) - kind(peak)
    with np.errstate(divide="ignore"):
        return np.log(stream.uniform(values.shape, values.dtype)) > density


@_fills
def constant_(tensor: Tensor, val: float) -> Tensor:
    """Fill with a number."""
    return tensor.fill_(val)


@_fills
def zeros_(tensor: Tensor) -> Tensor:
    """Fill with zeros."""
    return tensor.fill_(0.0)


@_fills
def ones_(tensor: Tensor) -> Tensor:
    """Fill with ones."""
    return tensor.fill_(1.0)


@_fills
def eye_(tensor: Tensor) -> Tensor:
    """Fill a matrix with ones on the diagonal and zeros elsewhere."""
    _require_matrix(tensor)
    return tensor._assign(from_numpy(np.eye(*tensor.shape, dtype=tensor.dtype.numpy)))


@_fills
def dirac_(tensor: Tensor, groups: int = 1) -> Tensor:
    """Fill the weight of a 1-, 2-, or 3-d convolution so that it passes on as many channels as it can, unchanged."""
    if tensor.ndim not in (3, 4, 5):
        raise ValueError("Only tensors with 3, 4, or 5 dimensions are supported")
    if tensor.shape[0] % groups:
        raise ValueError("dim 0 must be divisible by groups")
    outputs, inputs, *kernel = tensor.shape
    middle = tuple(extent // 2 for extent in kernel)
    values = np.zeros(tensor.shape, tensor.dtype.numpy)
    for group in range(groups):
        for channel in range(min(outputs // groups, inputs)):
            values[(group * (outputs // groups) + channel, channel, *middle)] = 1
    return tensor._assign(from_numpy(values))


def _calculate_fan_in_and_fan_out(tensor: Tensor) -> tuple[int, int]:
    """How many inputs one output has, and how many outputs one input. Raises ValueError below two dimensions."""
    if tensor.ndim < 2:
        raise ValueError("Fan in and fan out can not be computed for tensor with fewer than 2 dimensions")
    receptive = math.prod(tensor.shape[2:])
    return tensor.shape[1] * receptive, tensor.shape[0] * receptive


def _calculate_correct_fan(tensor: Tensor, mode: str) -> int:
    """The fan that a mode names."""
    mode = mode.lower()
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"Mode {mode} not supported, please use one of ['fan_in', 'fan_out']")
    return _calculate_fan_in_and_fan_out(tensor)[mode == "fan_out"]


def xavier_uniform_(tensor: Tensor, gain: float = 1.0, generator: RandomStream | None = None) -> Tensor:
    """Glorot & Bengio (2010): uniform with a bound from fan in and fan out."""
    std = gain * math.sqrt(2.0 / float(sum(_calculate_fan_in_and_fan_out(tensor))))
    bound = math.sqrt(3.0) * std
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: RandomStream | None = None) -> Tensor:
    """Glorot & Bengio (2010): normal with a spread from fan in and fan out."""
    std = gain * math.sqrt(2.0 / float(sum(_calculate_fan_in_and_fan_out(tensor))))
    return normal_(tensor, 0.0, std, generator)


def kaiming_uniform_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: RandomStream | None = None,
) -> Tensor:
    """He et al. (2015): uniform with a bound from the fan and the nonlinearity."""
    if _warns_of_nothing(tensor):
        return tensor
    std = calculate_gain(nonlinearity, a) / math.sqrt(_calculate_correct_fan(tensor, mode))
    bound = math.sqrt(3.0) * std
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: RandomStream | None = None,
) -> Tensor:
    """He et al. (2015): normal with a spread from the fan and the nonlinearity."""
    if _warns_of_nothing(tensor):
        return tensor
    std = calculate_gain(nonlinearity, a) / math.sqrt(_calculate_correct_fan(tensor, mode))
    return normal_(tensor, 0.0, std, generator)


def _warns_of_nothing(tensor: Tensor) -> bool:
    if 0 not in tensor.shape:
        return False
    warn("Initializing zero-element tensors is a no-op")
    return True


@_fills
def orthogonal_(tensor: Tensor, gain: float = 1, generator: RandomStream | None = None) -> Tensor:
    """Saxe et al. (2013): a (semi-)orthogonal matrix, the tensor seen as rows by all the rest. Outside compiled
    functions."""
    if tensor.ndim < 2:
        raise ValueError("Only tensors with 2 or more dimensions are supported")
    if tensor.numel() == 0:
        return tensor
    tensor._value("orthogonal_()")
    rows = tensor.shape[0]
    columns = tensor.numel() // rows
    drawn = (generator or default_generator).normal((rows, columns), tensor.dtype.numpy)
    orthogonal, triangular = np.linalg.qr(drawn.T if rows < columns else drawn)
    # Signs that make the diagonal of the triangle positive make the distribution uniform (Mezzadri, 2006).
    orthogonal = orthogonal * np.sign(np.diagonal(triangular))
    orthogonal = orthogonal.T if rows < columns else orthogonal
    return tensor._assign(from_numpy(orthogonal.reshape(tensor.shape) * tensor.dtype.numpy.type(gain)))


@_fills
def sparse_(tensor: Tensor, sparsity: float, std: float = 0.01, generator: RandomStream | None = None) -> Tensor:
    """Martens (2010): normal numbers, and in each column a part of ``sparsity`` of zeros at random places. Outside
    compiled functions."""
    _require_matrix(tensor)
    tensor._value("sparse_()")
    rows, columns = tensor.shape
    values = (generator or default_generator).normal(tensor.shape, tensor.dtype.numpy, 0.0, std)
    for column in range(columns):
        values[default_generator.permutation(rows)[: math.ceil(sparsity * rows)], column] = 0
    return tensor._assign(from_numpy(values))


def _require_matrix(tensor: Tensor) -> None:
    if tensor.ndim != 2:
        raise ValueError("Only tensors with 2 dimensions are supported")


def _deprecated(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """The function under the name that it had before it was marked as writing in place."""
    new = function.__name__
    old = new[:-1]

    def fill(*arguments: Any, **keywords: Any) -> Tensor:
        warn(f"`nn.init.{old}` is now deprecated in favor of `nn.init.{new}`.", FutureWarning)
        return function(*arguments, **keywords)

    fill.__name__ = fill.__qualname__ = old
    fill.__doc__ = f"The old name of :func:`{new}`."
    return fill


uniform = _deprecated(uniform_)
normal = _deprecated(normal_)
constant = _deprecated(constant_)
eye = _deprecated(eye_)
dirac = _deprecated(dirac_)
xavier_uniform = _deprecated(xavier_uniform_)
xavier_normal = _deprecated(xavier_normal_)
kaiming_uniform = _deprecated(kaiming_uniform_)
kaiming_normal = _deprecated(kaiming_normal_)
orthogonal = _deprecated(orthogonal_)
sparse = _deprecated(sparse_)
