"""Making tensors: from data, filled, as ranges, and at random.

Source: https://docs.pytorch.org/docs/stable/torch.html#creation-ops
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from graphc.device import Device
from graphc.ir.types import DType, bool_, float64, int64
from graphc.ops.functions.random_values import drawn
from graphc.ops.pointwise import Copy
from graphc.ops.promotion import default_complex_dtype, get_default_dtype
from graphc.ops.sources import Full, Iota, RandomNormal, RandomUniform, as_number, converted
from graphc.ops.type_names import type_name
from graphc.random_stream import RandomStream
from graphc.recording import state
from graphc.tensor import Tensor

__all__ = [
    "arange",
    "as_tensor",
    "empty",
    "eye",
    "from_numpy",
    "full",
    "linspace",
    "manual_seed",
    "ones",
    "rand",
    "randint",
    "randn",
    "randperm",
    "tensor",
    "zeros",
]


def tensor(data: Any, *, dtype: DType | None = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """A tensor with memory of its own from numbers, nested sequences, an array, or a tensor.

    Python floats become the default dtype (float32), ints int64, bools bool; arrays and tensors keep theirs. Raises
    TypeError or ValueError for data that is not rectangular or of no dtype that tensors hold.
    """
    _require(device)
    array = _array(data, dtype)
    result = Tensor.from_array(array.copy("C") if dtype is None else np.array(converted(array, dtype), order="C"))
    if requires_grad and not result.dtype.is_differentiable:
        raise RuntimeError("Only Tensors of floating point and complex dtype can require gradients")
    return result.requires_grad_() if requires_grad else result


def as_tensor(data: Any, dtype: DType | None = None, device: Any = None) -> Tensor:
    """As :func:`tensor`, but shares memory with an array or tensor of the right dtype."""
    _require(device)
    if isinstance(data, Tensor):
        return data.to(dtype)
    if isinstance(data, np.ndarray) and (dtype is None or dtype.numpy == data.dtype):
        return from_numpy(data)
    return tensor(data, dtype=dtype)


def from_numpy(array: np.ndarray) -> Tensor:
    """A tensor that shares the array's memory; writes to either show in both."""
    if not isinstance(array, np.ndarray):
        raise TypeError(f"expected np.ndarray (got {type(array).__name__})")
    if array.dtype.kind not in "biufc":
        known = "float64, float32, float16, complex64, complex128, int64, int32, int16, int8, uint64, uint32, uint16"
        raise TypeError(
            f"can't convert np.ndarray of type {array.dtype.type.__module__}.{array.dtype.type.__name__}. The only "
            f"supported types are: {known}, uint8, and bool."
        )
    return Tensor.from_array(array)


def _array(data: Any, dtype: DType | None) -> np.ndarray:
    if isinstance(data, Tensor):
        return data._array
    if isinstance(data, np.ndarray | np.generic):
        return np.asarray(data)
    if _holds_tensors(data):
        data = _plain(data)
    array = np.array(data)
    if array.dtype == object:
        raise ValueError(f"cannot make a tensor from {data!r}: expected numbers in sequences of equal lengths")
    if (dtype is None and array.dtype.kind == "f") or not array.size:
        array = array.astype(get_default_dtype().numpy)
    elif dtype is None and array.dtype.kind == "c":
        array = array.astype(default_complex_dtype().numpy)
    elif dtype is not None:
        _require_fit(array, dtype)
    return array


def _require_fit(array: np.ndarray, dtype: DType) -> None:
    """Raises where Python numbers are none of a dtype: complex ones of a real dtype, integers that are too great."""
    if array.dtype.kind == "c" and not dtype.is_complex:
        raise TypeError("must be real number, not complex")
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


def _require(device: Any) -> None:
    if device is not None:
        Device.of(device).require()


def _shape(size: Sequence[Any]) -> tuple[int, ...]:
    if len(size) == 1 and not isinstance(size[0], int) and hasattr(size[0], "__iter__"):
        size = tuple(size[0])
    shape = tuple(int(extent) for extent in size)
    for extent in shape:
        if extent < 0:
            raise RuntimeError(f"Trying to create tensor with negative dimension {extent}: {list(shape)}")
    return shape


def _finish(result: Tensor, requires_grad: bool) -> Tensor:
    """A tensor that can be written to: a source may share one element among all places."""
    if not result._array.flags.writeable:
        result = Copy.bind(result) if state.recorder is not None else Tensor.from_array(result._array.copy())
    return result.requires_grad_() if requires_grad else result


def full(
    size: Sequence[int], fill_value: Any, *, dtype: DType | None = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """A tensor of the shape with one number everywhere; its dtype is the number's by default."""
    _require(device)
    if dtype is None:
        dtype = _dtype_of(fill_value)
    value = as_number(fill_value, dtype)
    return _finish(Tensor.source(Full, value=value, shape=_shape((size,)), dtype=dtype), requires_grad)


def zeros(*size: Any, dtype: DType | None = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Zeros of the shape, float32 by default."""
    return full(_shape(size), 0, dtype=dtype or get_default_dtype(), device=device, requires_grad=requires_grad)


def ones(*size: Any, dtype: DType | None = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Ones of the shape, float32 by default."""
    return full(_shape(size), 1, dtype=dtype or get_default_dtype(), device=device, requires_grad=requires_grad)


def empty(*size: Any, dtype: DType | None = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """A tensor of the shape whose elements are not set."""
    if state.recorder is not None:
        return zeros(*size, dtype=dtype, device=device, requires_grad=requires_grad)
    _require(device)
    result = Tensor.from_array(np.empty(_shape(size), (dtype or get_default_dtype()).numpy))
    return result.requires_grad_() if requires_grad else result


def _like(maker: Any, input: Tensor, dtype: DType | None, **options: Any) -> Tensor:
    return maker(tuple(input.shape), dtype=dtype or input.dtype, **options)


def zeros_like(input: Tensor, *, dtype: DType | None = None, **options: Any) -> Tensor:
    """Zeros of another tensor's shape and dtype."""
    return _like(zeros, input, dtype, **_known(options))


def ones_like(input: Tensor, *, dtype: DType | None = None, **options: Any) -> Tensor:
    """Ones of another tensor's shape and dtype."""
    return _like(ones, input, dtype, **_known(options))


def empty_like(input: Tensor, *, dtype: DType | None = None, **options: Any) -> Tensor:
    """An unset tensor of another's shape and dtype."""
    return _like(empty, input, dtype, **_known(options))


def full_like(input: Tensor, fill_value: Any, *, dtype: DType | None = None, **options: Any) -> Tensor:
    """One number everywhere in another tensor's shape and dtype."""
    return full(tuple(input.shape), fill_value, dtype=dtype or input.dtype, **_known(options))


def rand_like(input: Tensor, *, dtype: DType | None = None, **options: Any) -> Tensor:
    """Uniform numbers in [0, 1) of another tensor's shape and dtype."""
    return _like(rand, input, dtype, **_known(options))


def randn_like(input: Tensor, *, dtype: DType | None = None, **options: Any) -> Tensor:
    """Normal numbers of another tensor's shape and dtype."""
    return _like(randn, input, dtype, **_known(options))


def _known(options: dict[str, Any]) -> dict[str, Any]:
    options.pop("memory_format", None)
    options.pop("layout", None)
    return options


def arange(
    start: float, end: float | None = None, step: float = 1, *, dtype: DType | None = None, device: Any = None
) -> Tensor:
    """Numbers from ``start`` (0 if only one is given) up to but without ``end``; int64 where all are ints.

    Raises RuntimeError for a step of 0 or one that leads away from ``end``.
    """
    _require(device)
    if end is None:
        start, end = 0, start
    if step == 0:
        raise RuntimeError("step must be nonzero")
    if (end - start) * step < 0:
        raise RuntimeError("upper bound and lower bound inconsistent with step sign")
    whole = all(isinstance(value, int) for value in (start, end, step))
    dtype = dtype or (int64 if whole else get_default_dtype())
    if dtype.is_complex or dtype is bool_:
        raise NotImplementedError(f"\"arange_cpu\" not implemented for '{type_name(dtype)}'")
    count = math.ceil((end - start) / step)
    steps = Tensor.source(Iota, shape=(count,), dim=0, dtype=int64)
    if whole and dtype.category == "int":
        result = steps if step == 1 else steps * step
        result = result if start == 0 else result + start
    else:
        result = steps.to(float64) * float(step) + float(start)
    return result.to(dtype)


def linspace(start: float, end: float, steps: int, *, dtype: DType | None = None, device: Any = None) -> Tensor:
    """``steps`` numbers from ``start`` to ``end``, both included, at equal distances; as PyTorch, counted from both
    ends towards the middle."""
    _require(device)
    if dtype is None:
        dtype = default_complex_dtype() if any(isinstance(v, complex) for v in (start, end)) else get_default_dtype()
    # The step is a number of the dtype (of integers a double); the rest is computed without further rounding, as by a
    # fused multiplication and addition, which halves have not.
    wide = np.complex128 if dtype.is_complex else np.float64
    kind = wide if dtype.is_integer else dtype.numpy.type
    first, last = (wide(dtype.numpy.type(value)) for value in (start, end))
    step = wide(kind((last - first) / max(steps - 1, 1)))
    position = np.arange(steps)
    with np.errstate(all="ignore"):
        forth, back = step * position, step * (steps - 1 - position)
        if dtype.is_half:
            forth, back = converted(forth, dtype).astype(wide), converted(back, dtype).astype(wide)
        low, high = first + forth, last - back
        values = np.where((position < steps // 2) | (steps == 1), low, high)
    return Tensor.from_array(converted(values, dtype))


def eye(n: int, m: int | None = None, *, dtype: DType | None = None, device: Any = None) -> Tensor:
    """Ones on the diagonal of an n×m matrix of zeros."""
    _require(device)
    return Tensor.from_array(np.eye(n, n if m is None else m).astype((dtype or get_default_dtype()).numpy))


def rand(
    *size: Any,
    dtype: DType | None = None,
    requires_grad: bool = False,
    device: Any = None,
    generator: RandomStream | None = None,
) -> Tensor:
    """Uniform numbers in [0, 1), PyTorch's stream. A generator of one's own serves outside compiled functions."""
    _require(device)
    dtype = dtype or get_default_dtype()
    if generator is not None:
        return _drawn("rand", generator.uniform, _shape(size), dtype, requires_grad)
    return _finish(drawn(Tensor.source, RandomUniform, _shape(size), dtype), requires_grad)


def randn(
    *size: Any,
    dtype: DType | None = None,
    requires_grad: bool = False,
    device: Any = None,
    generator: RandomStream | None = None,
) -> Tensor:
    """Normal numbers, PyTorch's stream. A generator of one's own serves outside compiled functions."""
    _require(device)
    dtype = dtype or get_default_dtype()
    if generator is not None:
        return _drawn("randn", generator.normal, _shape(size), dtype, requires_grad)
    return _finish(drawn(Tensor.source, RandomNormal, _shape(size), dtype), requires_grad)


def _drawn(name: str, draw: Any, shape: tuple[int, ...], dtype: DType, requires_grad: bool) -> Tensor:
    _refuse_in_capture(f"{name}(generator=...)")
    return _finish(Tensor.from_array(draw(shape, dtype.numpy)), requires_grad)


def randint(
    low: int,
    high: Any = None,
    size: Any = None,
    *,
    dtype: DType | None = None,
    device: Any = None,
    generator: RandomStream | None = None,
) -> Tensor:
    """Integers in [low, high), PyTorch's stream; ``randint(high, size)`` starts at 0. Outside compiled functions."""
    if size is None:
        low, high, size = 0, low, high
    _require(device)
    _refuse_in_capture("randint")
    from graphc.generator import default_generator

    return from_numpy((generator or default_generator).integers(low, high, _shape((size,)))).to(dtype)


def randperm(
    n: int, *, dtype: DType | None = None, device: Any = None, generator: RandomStream | None = None
) -> Tensor:
    """The integers below n in random order, PyTorch's stream. Outside compiled functions."""
    _require(device)
    _refuse_in_capture("randperm")
    from graphc.generator import default_generator

    return from_numpy((generator or default_generator).permutation(n)).to(dtype)


def _refuse_in_capture(name: str) -> None:
    if state.recorder is not None:
        from graphc.capture.errors import CaptureError

        raise CaptureError(f"{name} can't run inside a compiled function yet", state.recorder.location())


def manual_seed(seed: int) -> Any:
    """Seed the generator that all random operators draw from; gives the generator. Outside compiled functions."""
    _refuse_in_capture("manual_seed")
    from graphc.generator import default_generator

    default_generator.manual_seed(int(seed))
    return default_generator
