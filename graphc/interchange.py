"""Sharing memory with others: any Python buffer, files, and libraries that speak DLPack.

Source: https://docs.pytorch.org/docs/stable/dlpack.html
"""

from __future__ import annotations

import mmap
import os
from typing import Any

import numpy as np

from graphc.creation import as_tensor, from_numpy, tensor
from graphc.factory import factory, known_dtype, with_gradient
from graphc.ir.types import DType
from graphc.notices import warn_once
from graphc.ops.promotion import get_default_dtype
from graphc.recording import refuse_in_capture
from graphc.tensor import Tensor

__all__ = ["asarray", "from_dlpack", "from_file", "frombuffer", "to_dlpack"]


def frombuffer(buffer: Any, *, dtype: DType, count: int = -1, offset: int = 0, requires_grad: bool = False) -> Tensor:
    """A vector that shares the memory of an object with Python's buffer protocol.

    Args:
        dtype: what the bytes are.
        count: how many elements; -1 for all that there are.
        offset: how many bytes to skip before the first.

    Raises ValueError for what is no buffer, or one that is too short.
    """
    dtype = known_dtype("frombuffer", dtype)
    try:
        size = memoryview(buffer).nbytes
    except TypeError:
        raise ValueError("object does not implement Python buffer protocol.") from None
    if size == 0 or count == 0:
        raise ValueError(f"both buffer length ({size}) and count ({count}) must not be 0")
    if not 0 <= offset < size:
        raise ValueError(
            f"offset ({offset} bytes) must be non-negative and no greater than buffer length ({size} bytes) minus 1"
        )
    if count > 0 and offset + count * dtype.itemsize > size:
        raise ValueError(
            f"requested buffer length ({count} * {dtype.itemsize} bytes) after offset ({offset} bytes) must not be "
            f"greater than actual buffer length ({size} bytes)"
        )
    if count < 0 and (size - offset) % dtype.itemsize:
        raise ValueError(
            f"buffer length ({size - offset} bytes) after offset ({offset} bytes) must be a multiple of element size "
            f"({dtype.itemsize})"
        )
    array = np.frombuffer(buffer, dtype.numpy, count, offset)
    if not array.flags.writeable:
        warn_once(
            "The given buffer is not writable, and PyTorch does not support non-writable tensors. A write to this "
            "tensor "
            "is refused. You may want to copy the buffer. This type of warning will be suppressed for the rest of this "
            "program."
        )
    found = Tensor.from_array(array)
    return with_gradient(found) if requires_grad else found


def asarray(
    obj: Any,
    *,
    dtype: DType | None = None,
    device: Any = None,
    copy: bool | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """A tensor of a tensor, an array, an object that speaks DLPack or has a buffer, a number, or sequences of numbers.

    It shares the memory where it can; with ``copy=True`` never, with ``copy=False`` it raises ValueError where it
    can't.
    """
    dtype = known_dtype("asarray", dtype)
    if isinstance(obj, Tensor):
        source = obj
    elif isinstance(obj, (np.ndarray, np.generic)):
        source = from_numpy(np.asarray(obj))
    elif hasattr(obj, "__dlpack__"):
        source = from_dlpack(obj)
    elif _is_buffer(obj):
        source = frombuffer(obj, dtype=dtype or get_default_dtype())
    else:
        if copy is False:
            raise ValueError("can't alias arbitrary sequence into a tensor.")
        return tensor(obj, dtype=dtype, device=device, requires_grad=requires_grad)
    found = as_tensor(source, dtype=dtype, device=device)
    if copy is False and found is not source:
        raise ValueError(f"can't alias tensor with dtype '{source.dtype}' into dtype '{dtype}'.")
    if copy and found is source:
        found = source.clone()
    if found.requires_grad and not requires_grad:
        return found.detach()
    return with_gradient(found) if requires_grad and not found.requires_grad else found


def _is_buffer(obj: Any) -> bool:
    if isinstance(obj, (str, list, tuple, int, float, complex)):
        return False
    try:
        memoryview(obj)
    except TypeError:
        return False
    return True


@factory
def from_file(filename: str, shared: bool | None = None, size: int = 0, *, dtype: DType | None = None) -> Tensor:
    """A vector of ``size`` elements over a file's memory. What is written to it goes to the file with ``shared``,
    which then is made as long as needed; else it stays in memory."""
    dtype = dtype or get_default_dtype()
    needed = size * dtype.itemsize
    if shared:
        with open(filename, "ab") as file:
            file.truncate(max(os.path.getsize(filename), needed))
    with open(filename, "rb+" if shared else "rb") as file:
        there = os.fstat(file.fileno()).st_size
        if there < needed:
            raise RuntimeError(f"unable to mmap {needed} bytes from file <{filename}>: file has only {there} bytes")
        access = mmap.ACCESS_WRITE if shared else mmap.ACCESS_COPY
        memory = mmap.mmap(file.fileno(), needed, access=access) if needed else bytearray()
    return from_numpy(np.frombuffer(memory, dtype.numpy, size))


# -- DLPack --------------------------------------------------------------------------------------------------------


class _Capsule:
    """A capsule as the object that numpy asks for one."""

    def __init__(self, capsule: Any):
        self._capsule = capsule

    def __dlpack__(self, **options: Any) -> Any:
        return self._capsule

    def __dlpack_device__(self) -> tuple[int, int]:
        return (1, 0)


def from_dlpack(ext_tensor: Any, *, device: Any = None, copy: bool | None = None) -> Tensor:
    """A tensor that shares the memory of an object of another library, or of a capsule.

    Raises RuntimeError for what speaks no DLPack, BufferError for memory that is not the CPU's.
    """
    if not hasattr(ext_tensor, "__dlpack__"):
        if type(ext_tensor).__name__ != "PyCapsule":
            raise RuntimeError(
                "from_dlpack received an invalid capsule. Note that DLTensor capsules can be consumed only once, so "
                "you might have already constructed a tensor from it once."
            )
        ext_tensor = _Capsule(ext_tensor)
    elif ext_tensor.__dlpack_device__()[0] != 1:
        raise BufferError(f"graphc holds no tensors on the device {ext_tensor.__dlpack_device__()}")
    try:
        array = np.from_dlpack(ext_tensor)
    except ValueError as error:
        raise RuntimeError(f"from_dlpack received an invalid capsule: {error}") from None
    found = from_numpy(_writable(array))
    return found.clone() if copy else found


def _writable(array: np.ndarray) -> np.ndarray:
    """numpy gives memory of a capsule of an older kind read-only, since those do not say; PyTorch writes to it."""
    if array.flags.writeable or not array.size:
        return array
    described = dict(array.__array_interface__, data=(array.__array_interface__["data"][0], False))
    holder = type("_Memory", (), {"__array_interface__": described, "owner": array})()
    return np.asarray(holder)


def exported(source: Tensor, stream: Any, max_version: Any, dl_device: Any, copy: bool | None) -> Any:
    """The capsule of a tensor; see ``Tensor.__dlpack__``."""
    refuse_in_capture("__dlpack__()")
    if source.requires_grad:
        raise BufferError("Can't export tensors that require gradient, use tensor.detach()")
    if stream not in (None, -1):
        raise AssertionError("stream must be None on cpu.")
    if dl_device is not None and next(iter(dl_device)) != 1:
        raise BufferError(f"graphc holds no tensors on the device {dl_device}")
    array = source._settled.copy() if copy or not source._array.flags.writeable else source._array
    return array.__dlpack__() if max_version is None else array.__dlpack__(max_version=max_version)


def to_dlpack(tensor: Tensor) -> Any:
    """A capsule by which another library shares the tensor's memory; it can be taken once."""
    return tensor.__dlpack__()
