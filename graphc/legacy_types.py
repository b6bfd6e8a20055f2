"""PyTorch's older way to make tensors, by calling classes: ``Tensor(2, 3)``, ``LongTensor([1, 2])``.

Source: https://docs.pytorch.org/docs/stable/tensors.html
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphc.creation import empty, tensor
from graphc.ir.types import (
    DType,
    bfloat16,
    bool_,
    float16,
    float32,
    float64,
    int8,
    int16,
    int32,
    int64,
    uint8,
)
from graphc.notices import warn
from graphc.ops.functions.conversion import dtype_named
from graphc.ops.promotion import get_default_dtype, set_default_dtype
from graphc.ops.type_names import scalar_name, type_name
from graphc.tensor import Size, Tensor

__all__ = [
    "BFloat16Tensor",
    "BoolTensor",
    "ByteTensor",
    "CharTensor",
    "DoubleTensor",
    "FloatTensor",
    "HalfTensor",
    "IntTensor",
    "LongTensor",
    "ShortTensor",
    "set_default_tensor_type",
]


def construct(dtype: DType | None, values: Sequence[Any]) -> Tensor:
    """What a class of tensors makes of the arguments of its call.

    Sizes make a tensor whose elements are not set, a sequence or an array one of its values in ``dtype`` (the default
    one for None), a tensor one that shares its memory. Raises TypeError, with PyTorch's words, for anything else.
    """
    wanted = get_default_dtype() if dtype is None else dtype
    if not values:
        return empty(0, dtype=wanted)
    first = values[0]
    if len(values) == 1 and not _is_size(first):
        return _of_data(first, dtype, wanted)
    for position, extent in enumerate(values, 1):
        if not _is_size(extent):
            raise TypeError(
                f"new(): argument 'size' failed to unpack the object at pos {position} with error \"type must be tuple "
                f'of ints,but got {type(extent).__name__}"'
            )
    return empty(*(int(extent) for extent in values), dtype=wanted)


def _is_size(value: Any) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def _of_data(data: Any, dtype: DType | None, wanted: DType) -> Tensor:
    if isinstance(data, Size):
        return empty(data, dtype=wanted)
    if isinstance(data, Tensor):
        if dtype is not None and data.dtype is not dtype:
            raise TypeError(f"expected {_options(dtype)} (got {_options(data.dtype)})")
        return data.detach()
    if isinstance(data, str):
        raise TypeError("new(): invalid data type 'str'")
    if isinstance(data, np.ndarray):
        return tensor(data, dtype=wanted)
    if not isinstance(data, Sequence):
        raise TypeError(f"new(): data must be a sequence (got {type(data).__name__})")
    return tensor(list(data), dtype=wanted)


def _options(dtype: DType) -> str:
    return (
        f"TensorOptions(dtype={scalar_name(dtype)}, device=cpu, layout=Strided, requires_grad=false (default), "
        "pinned_memory=false (default), memory_format=(nullopt))"
    )


class tensortype(type):
    """The class of the classes of tensors of one dtype: tensors of the dtype are their instances."""

    dtype: DType
    is_cuda = False

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, Tensor) and instance.dtype is cls.dtype

    def __call__(cls, *values: Any, device: Any = None) -> Tensor:
        return construct(cls.dtype, values)

    def __repr__(cls) -> str:
        return f"<class 'torch.{cls.__name__}'>"


def _class_of(dtype: DType) -> tensortype:
    name = f"{type_name(dtype)}Tensor"
    text = f"Tensors of {dtype.name}: calling it makes one, and ``isinstance`` tells whether a tensor is one."
    return tensortype(name, (), {"dtype": dtype, "__module__": "torch", "__doc__": text})


HalfTensor = _class_of(float16)
BFloat16Tensor = _class_of(bfloat16)
FloatTensor = _class_of(float32)
DoubleTensor = _class_of(float64)
ByteTensor = _class_of(uint8)
CharTensor = _class_of(int8)
ShortTensor = _class_of(int16)
IntTensor = _class_of(int32)
LongTensor = _class_of(int64)
BoolTensor = _class_of(bool_)


def set_default_tensor_type(t: Any) -> None:
    """Sets the default floating dtype to that of a class of tensors, given itself or by its name.

    Raises TypeError for one that is not floating.
    """
    warn(
        "torch.set_default_tensor_type() is deprecated as of PyTorch 2.1, please use torch.set_default_dtype() and "
        "torch.set_default_device() as alternatives.",
        UserWarning,
    )
    if isinstance(t, DType) or not isinstance(t, (str, type)):
        raise TypeError("invalid type object: only floating-point types are supported as the default type")
    set_default_dtype(dtype_named(t))
