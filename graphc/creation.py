"""Making tensors: from data, filled, and at random.

Source: https://docs.pytorch.org/docs/stable/torch.html#creation-ops
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from graphc.factory import factory, sequence_shape, shape_of
from graphc.ir.types import DType, bool_, dtype_of, int64
from graphc.layouts import MemoryFormat, contiguous_format
from graphc.notices import warn, warn_once
from graphc.ops.functions.creation import empty_like, full_like, ones_like, zeros_like
from graphc.ops.functions.random_draws import integer_range, integers
from graphc.ops.functions.random_values import drawn, require_drawable, require_generator
from graphc.ops.functions.sampling import rand_like, randn_like
from graphc.ops.operands import cast
from graphc.ops.pointwise import Copy
from graphc.ops.promotion import default_complex_dtype, get_default_dtype
from graphc.ops.random_numbers import RandomIntegers, RandomPermutation
from graphc.ops.sources import Full, RandomNormal, RandomUniform, as_number, converted
from graphc.ops.type_names import type_name
from graphc.randomness.generator import default_generator
from graphc.randomness.stream import RandomStream
from graphc.ranges import arange, linspace
from graphc.recording import refuse_in_capture, state
from graphc.tensor import Tensor

__all__ = [
    "arange",
    "as_tensor",
    "empty",
    "empty_like",
    "empty_permuted",
    "empty_strided",
    "eye",
    "from_numpy",
    "full",
    "full_like",
    "linspace",
    "manual_seed",
    "ones",
    "ones_like",
    "rand",
    "rand_like",
    "randint",
    "randn",
    "randn_like",
    "randperm",
    "scalar_tensor",
    "tensor",
    "zeros",
    "zeros_like",
]


@factory
def tensor(data: Any, *, dtype: DType | None = None) -> Tensor:
    """A tensor with memory of its own from numbers, nested sequences, an array, or a tensor.

    Python floats become the default dtype (float32), ints int64, bools bool; arrays and tensors keep theirs. Raises
    TypeError or ValueError for data that is not rectangular or of no dtype that tensors hold.
    """
    if isinstance(data, Tensor):
        warn(
            "To copy construct from a tensor, it is recommended to use sourceTensor.detach().clone() or "
            "sourceTensor.detach().clone().requires_grad_(True), rather than torch.tensor(sourceTensor).",
        )
    elif isinstance(data, (list, tuple)) and data and all(isinstance(item, np.ndarray) for item in data):
        warn_once(
            "Creating a tensor from a list of numpy.ndarrays is extremely slow. Please consider converting the list to "
            "a single numpy.ndarray with numpy.array() before converting to a tensor."
        )
    array = _array(data, dtype)
    return Tensor.from_array(array.copy("C") if dtype is None else np.array(converted(array, dtype), order="C"))


@factory
def as_tensor(data: Any, dtype: DType | None = None) -> Tensor:
    """As :func:`tensor`, but shares memory with an array or tensor of the right dtype."""
    if isinstance(data, Tensor):
        return data.to(dtype)
    if isinstance(data, np.ndarray) and (dtype is None or dtype.numpy == data.dtype):
        return from_numpy(data)
    return tensor(data, dtype=dtype)


def from_numpy(array: np.ndarray) -> Tensor:
    """A tensor that shares the array's memory; writes to either show in both."""
    if not isinstance(array, np.ndarray):
        raise TypeError(f"expected np.ndarray (got {type(array).__name__})")
    if array.dtype.kind not in "biufc" and array.dtype.name != "bfloat16":
        known = "float64, float32, float16, complex64, complex128, int64, int32, int16, int8, uint64, uint32, uint16"
        raise TypeError(
            f"can't convert np.ndarray of type {array.dtype.type.__module__}.{array.dtype.type.__name__}. The only "
            f"supported types are: {known}, uint8, and bool."
        )
    if any(step < 0 for step in array.strides):
        raise ValueError(
            "At least one stride in the given numpy array is negative, and tensors with negative strides are not "
            "currently supported. (You can probably work around this by making a copy of your array  with "
            "array.copy().) "
        )
    if not array.flags.writeable:
        warn_once(
            "The given NumPy array is not writable, and PyTorch does not support non-writable tensors. A write to this "
            "tensor is refused. You may want to copy the array, or make it writable before converting it to a tensor. "
            "This type of warning will be suppressed for the rest of this program."
        )
    shown = Tensor._wrap(array, dtype_of(array.dtype))
    if state.recorder is not None:
        state.recorder.memory_shown(shown)
    return shown


def _first(data: Any) -> Any:
    """The first element of nested sequences."""
    while isinstance(data, (list, tuple)) and data:
        data = data[0]
    return data


def _array(data: Any, dtype: DType | None) -> np.ndarray:
    if isinstance(data, Tensor):
        return data._settled
    if isinstance(data, np.ndarray | np.generic):
        return np.asarray(data)
    if isinstance(data, str):
        raise TypeError("new(): invalid data type 'str'")
    if _holds_tensors(data):
        data = _plain(data)
    try:
        array = np.array(data)
    except ValueError:
        _refuse_ragged(data)
        raise
    if array.dtype.kind not in "biufc" and array.dtype.name != "bfloat16":
        _refuse_elements(data)
    if dtype is None and isinstance(_first(data), np.ndarray | np.generic):
        return array  # numpy's numbers keep their dtype
    if dtype is None and (array.dtype.kind == "u" or (array.dtype.kind == "f" and array.size and _all_integers(data))):
        raise _overflow()  # numpy takes another dtype for integers beyond int64
    if (dtype is None and array.dtype.kind == "f") or not array.size:
        array = array.astype(get_default_dtype().numpy)
    elif dtype is None and array.dtype.kind == "c":
        array = array.astype(default_complex_dtype().numpy)
    elif dtype is not None:
        _require_fit(array, dtype)
    return array


def _refuse_ragged(data: Any, dim: int = 0) -> None:
    """Raises ValueError, with PyTorch's words, for sequences of unequal lengths."""
    if not isinstance(data, (list, tuple)) or not data or not isinstance(data[0], (list, tuple, np.ndarray)):
        return
    expected = len(data[0])
    for item in data:
        if not hasattr(item, "__len__"):
            raise TypeError(f"not a sequence at dim {dim + 1}: got a {type(item).__name__}")
        if len(item) != expected:
            raise ValueError(f"expected sequence of length {expected} at dim {dim + 1} (got {len(item)})")
    for item in data:
        _refuse_ragged(item, dim + 1)


def _refuse_elements(data: Any) -> None:
    """Raises, with PyTorch's words, for elements that are no numbers."""
    if isinstance(data, (list, tuple)):
        for item in data:
            _refuse_elements(item)
    elif isinstance(data, str):
        raise ValueError("too many dimensions 'str'")
    elif not isinstance(data, (bool, int, float, complex, np.number, np.bool_, np.ndarray)):
        raise RuntimeError(f"Could not infer dtype of {type(data).__name__}")
    elif isinstance(data, int) and not -(2**63) <= data < 2**63:
        raise _overflow()


def _overflow() -> ValueError:
    return ValueError("Overflow when unpacking long long")


def _all_integers(data: Any) -> bool:
    if isinstance(data, (list, tuple)):
        return all(_all_integers(item) for item in data)
    return isinstance(data, int)


def _require_fit(array: np.ndarray, dtype: DType) -> None:
    """Raises where Python numbers are none of a dtype: complex ones of a real dtype, integers that are too great."""
    if array.dtype.kind == "c" and not dtype.is_complex:
        raise TypeError("must be real number, not complex")
    if dtype.name == "uint64" and array.dtype.kind == "f":
        raise TypeError("an integer is required")
    if dtype.is_integer and dtype.name != "uint64" and array.dtype.name == "uint64" and array.max() >= 2**63:
        raise _overflow()
    if dtype.is_integer and array.dtype.kind in "iuf":
        limits = np.iinfo(dtype.numpy)
        # A negative integer wraps in an unsigned dtype, a negative float does not.
        least = limits.min if dtype.is_signed or array.dtype.kind == "f" else -limits.max
        if not (least <= array.min() and array.max() <= limits.max):
            raise RuntimeError(f"value cannot be converted to type {dtype.name} without overflow")


def _dtype_of(number: Any) -> DType:
    """The dtype of a tensor that is filled with a Python number."""
    if isinstance(number, bool):
        return bool_
    if isinstance(number, int):
        return int64
    return default_complex_dtype() if isinstance(number, complex) else get_default_dtype()


def _holds_tensors(data: Any) -> bool:
    return isinstance(data, list | tuple) and any(isinstance(d, Tensor | list | tuple) for d in data)


def _plain(data: Any) -> Any:
    if isinstance(data, Tensor):
        return data.tolist()
    return [_plain(item) for item in data] if isinstance(data, list | tuple) else data


def _finish(result: Tensor) -> Tensor:
    """A tensor that can be written to: a source may share one element among all places."""
    if result._array.flags.writeable:
        return result
    return Copy.bind(result) if state.recorder is not None else Tensor.from_array(result._array.copy())


def _filled(shape: tuple[int, ...], value: Any, dtype: DType) -> Tensor:
    return _finish(Tensor.source(Full, value=as_number(value, dtype), shape=shape, dtype=dtype))


@factory
def full(size: Sequence[int], fill_value: Any, *, dtype: DType | None = None) -> Tensor:
    """A tensor of the shape with one number everywhere; its dtype is the number's by default."""
    shape = sequence_shape("full", size)
    if isinstance(fill_value, Tensor) and not fill_value.ndim:
        dtype = fill_value.dtype if dtype is None else dtype
        if state.recorder is not None:
            return fill_value.detach().to(dtype).expand(shape).clone()
        fill_value = fill_value.item()
    if not isinstance(fill_value, (bool, int, float, complex, np.number, np.bool_)):
        kind = type(fill_value).__name__
        raise TypeError(f"full(): argument 'fill_value' (position 2) must be Number, not {kind}")
    return _filled(shape, fill_value, _dtype_of(fill_value) if dtype is None else dtype)


@factory
def zeros(*sizes: Any, size: Any = None, dtype: DType | None = None) -> Tensor:
    """Zeros of the shape, float32 by default."""
    return _filled(shape_of("zeros", sizes, size), 0, dtype or get_default_dtype())


@factory
def ones(*sizes: Any, size: Any = None, dtype: DType | None = None) -> Tensor:
    """Ones of the shape, float32 by default."""
    return _filled(shape_of("ones", sizes, size), 1, dtype or get_default_dtype())


@factory
def empty(
    *sizes: Any, size: Any = None, dtype: DType | None = None, memory_format: MemoryFormat = contiguous_format
) -> Tensor:
    """A tensor of the shape whose elements are not set."""
    shape, dtype = shape_of("empty", sizes, size), dtype or get_default_dtype()
    if state.recorder is not None:
        return _filled(shape, 0, dtype)
    return memory_format.lay_out(Tensor.from_array(np.empty(shape, dtype.numpy)))


@factory
def empty_strided(size: Sequence[int], stride: Sequence[int], *, dtype: DType | None = None) -> Tensor:
    """A tensor of the shape and strides (in elements) whose elements are not set."""
    shape, strides = sequence_shape("empty_strided", size), tuple(int(step) for step in stride)
    if len(shape) != len(strides):
        raise RuntimeError(
            f"dimensionality of sizes ({len(shape)}) must match dimensionality of strides ({len(strides)})"
        )
    if min(strides, default=0) < 0:
        raise RuntimeError(f"Storage size calculation overflowed with sizes={list(shape)} and strides={list(strides)}")
    count = 0 if 0 in shape else 1 + sum((extent - 1) * step for extent, step in zip(shape, strides, strict=True))
    memory = empty(count, dtype=dtype)
    return memory.as_strided(shape, strides)


@factory
def empty_permuted(size: Sequence[int], physical_layout: Sequence[int], *, dtype: DType | None = None) -> Tensor:
    """A tensor of the shape whose elements are not set, its dims in memory in the order of ``physical_layout``."""
    shape, order = sequence_shape("empty_permuted", size), tuple(physical_layout)
    if len(order) != len(shape):
        raise RuntimeError(
            "Number of dimensions in size does not match the length of the physical_layout; i.e. len(size) = "
            f"{len(shape)} is not equal to len(physical_layout) = {len(order)}"
        )
    if len(set(order)) != len(order):
        raise RuntimeError("Duplicate dim not allowed")
    if any(not 0 <= dim < len(shape) for dim in order):
        raise RuntimeError(f"Dimension out of range (expected to be between 0 and {len(shape) - 1})")
    made = empty([shape[dim] for dim in order], dtype=dtype)
    return made.permute([order.index(dim) for dim in range(len(shape))])


@factory
def eye(n: int, m: int | None = None, *, dtype: DType | None = None) -> Tensor:
    """Ones on the diagonal of an n×m matrix of zeros."""
    for name, extent in (("n", n), ("m", m)):
        if extent is not None and extent < 0:
            raise RuntimeError(f"{name} must be greater or equal to 0, got {extent}")
    return Tensor.from_array(np.eye(n, n if m is None else m).astype((dtype or get_default_dtype()).numpy))


@factory
def scalar_tensor(s: Any, *, dtype: DType | None = None) -> Tensor:
    """A number as a tensor without dimensions, of the default dtype unless another is given."""
    return _filled((), s, dtype or get_default_dtype())


# -- at random -----------------------------------------------------------------------------------------------------


def _random(
    name: str, primitive: Any, draw: str, shape: tuple[int, ...], dtype: DType | None, generator: Any
) -> Tensor:
    dtype = dtype or get_default_dtype()
    if 0 not in shape or primitive is RandomUniform:
        require_drawable(primitive, dtype)
    if generator is not None:
        require_generator(name, generator)
    if state.recorder is not None:
        return _finish(drawn(Tensor.source, primitive, shape, dtype))
    if 0 in shape:
        return empty(shape, dtype=dtype)
    return Tensor.from_array(getattr(generator or default_generator, draw)(shape, dtype.numpy))


@factory
def rand(*sizes: Any, size: Any = None, generator: RandomStream | None = None, dtype: DType | None = None) -> Tensor:
    """Uniform numbers in [0, 1), PyTorch's stream."""
    return _random("rand", RandomUniform, "uniform", shape_of("rand", sizes, size), dtype, generator)


@factory
def randn(*sizes: Any, size: Any = None, generator: RandomStream | None = None, dtype: DType | None = None) -> Tensor:
    """Normal numbers, PyTorch's stream."""
    return _random("randn", RandomNormal, "normal", shape_of("randn", sizes, size), dtype, generator)


@factory
def randint(
    *bounds: Any,
    low: int = 0,
    high: int | None = None,
    size: Any = None,
    generator: RandomStream | None = None,
    dtype: DType | None = None,
) -> Tensor:
    """Integers in [low, high), PyTorch's stream: ``randint(low, high, size)``; ``randint(high, size)`` starts at 0.

    int64 by default. Raises RuntimeError for bounds in the
    wrong order or beyond the dtype.
    """
    given = list(bounds)
    if given and size is None and len(given) + (high is not None) > 1:
        size = given.pop()
    if high is None and given:
        high = given.pop()
    if given:
        low = given.pop()
    if high is None or size is None:
        kinds = ", ".join(type(bound).__name__ for bound in bounds)
        raise TypeError(f"randint() received an invalid combination of arguments - got ({kinds}), but expected a size")
    if not hasattr(size, "__iter__"):
        raise TypeError(f"randint(): argument 'size' (position 2) must be tuple of ints, not {type(size).__name__}")
    dtype, shape = dtype or int64, shape_of("randint", (size,))
    start, span = integer_range(int(low), int(high), dtype)
    if generator is not None:
        require_generator("randint", generator)
    if state.recorder is not None:
        return cast(Tensor.source(RandomIntegers, shape=shape, dtype=int64, low=start, span=span), dtype)
    numbers = integers(generator or default_generator, math.prod(shape), start, span)
    return Tensor.from_array(converted(numbers, dtype).reshape(shape))


@factory
def randperm(n: int, *, generator: RandomStream | None = None, dtype: DType | None = None) -> Tensor:
    """The integers below n in random order, PyTorch's stream; int64 by default."""
    if n < 0:
        raise RuntimeError(f"Trying to create tensor with negative dimension {n}: [{n}]")
    dtype = dtype or int64
    if dtype is bool_ or dtype.is_complex:
        raise NotImplementedError(f"\"randperm\" not implemented for '{type_name(dtype)}'")
    if dtype.is_integer and n > int(np.iinfo(dtype.numpy).max) + 1:
        raise RuntimeError(f"value cannot be converted to type {dtype.name}_t without overflow")
    if generator is not None:
        require_generator("randperm", generator)
    if state.recorder is not None:
        return cast(Tensor.source(RandomPermutation, shape=(n,), dtype=int64), dtype)
    return Tensor.from_array(converted((generator or default_generator).permutation(n), dtype))


def manual_seed(seed: int) -> Any:
    """Seed the generator that all random operators draw from; gives the generator. Outside compiled functions."""
    refuse_in_capture("manual_seed")
    default_generator.manual_seed(int(seed))
    return default_generator
