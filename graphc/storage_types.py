"""Storages: the memory of tensors as one vector, of bytes or of elements of a dtype.

Source: https://docs.pytorch.org/docs/stable/storage.html
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from graphc.device import Device, of_gpu
from graphc.device_memory import gpu_of, settle, use
from graphc.ir.types import (
    DType,
    bfloat16,
    bool_,
    complex64,
    complex128,
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
from graphc.ops.sources import as_number
from graphc.recording import generation, refuse_in_capture
from graphc.storage import Storage

_NAMES = {
    "BFloat16Storage": bfloat16,
    "BoolStorage": bool_,
    "ByteStorage": uint8,
    "CharStorage": int8,
    "ComplexDoubleStorage": complex128,
    "ComplexFloatStorage": complex64,
    "DoubleStorage": float64,
    "FloatStorage": float32,
    "HalfStorage": float16,
    "IntStorage": int32,
    "LongStorage": int64,
    "ShortStorage": int16,
}
__all__ = ["TypedStorage", "UntypedStorage", "is_storage", *_NAMES]
_warned = False


def warn_of_typed_storage() -> None:
    """Say once, as PyTorch, that typed storages are deprecated."""
    global _warned
    if not _warned:
        _warned = True
        warn(
            "TypedStorage is deprecated. It will be removed in the future and UntypedStorage will be the only storage "
            "class. This should only matter to you if you are using storages directly.  To access UntypedStorage "
            "directly, use tensor.untyped_storage() instead of tensor.storage()",
            UserWarning,
        )


class _Memory:
    """What both kinds of storages have: a vector of elements of ``dtype`` over shared memory."""

    __slots__ = ("_dtype", "_storage")
    _dtype: DType
    _storage: Storage

    is_sparse = False

    @property
    def _vector(self) -> np.ndarray:
        if use.active:
            settle(self._storage.array)
        return self._storage.vector().view(self._dtype.numpy)

    @property
    def device(self) -> Device:
        return of_gpu(gpu_of(self._storage.array))

    @property
    def is_cuda(self) -> bool:
        """Whether it is in a GPU's memory."""
        return self.device.type == "cuda"

    @property
    def _cdata(self) -> int:
        return id(self._storage)

    def get_device(self) -> int:
        """The number of the GPU; -1, which stands for the CPU."""
        return -1 if self.device.index is None else self.device.index

    def __len__(self) -> int:
        return self._vector.size

    size = __len__

    def nbytes(self) -> int:
        """How many bytes the memory has."""
        return self._vector.nbytes

    def element_size(self) -> int:
        """Bytes of one element."""
        return self._dtype.itemsize

    def data_ptr(self) -> int:
        """Where the memory begins; 0 where there is none."""
        return self._storage.address() if self._vector.size else 0

    def tolist(self) -> list[Any]:
        """The elements as Python numbers."""
        refuse_in_capture("tolist()")
        return self._vector.tolist()

    def __getitem__(self, place: Any) -> Any:
        if isinstance(place, slice):
            return self._part(place)
        if not hasattr(place, "__index__"):
            raise RuntimeError(f"can't index a {type(self).__module__}.{type(self).__name__} with {place!r}")
        return self._vector[self._place(place)].item()

    def __setitem__(self, place: Any, value: Any) -> None:
        refuse_in_capture("writing to a storage")
        where = place if isinstance(place, slice) else self._place(place)
        self._vector[where] = as_number(value, self._dtype)
        self._storage.version += 1

    def _place(self, place: Any) -> int:
        count, place = self._vector.size, int(place)
        if not -count <= place < count:
            raise IndexError(f"index {place} out of range for storage of size {count}")
        return place

    def _part(self, place: slice) -> Any:
        raise RuntimeError("slices are only supported in UntypedStorage.__getitem__")

    def _new(self, array: np.ndarray) -> Any:
        made = object.__new__(type(self))
        made._storage, made._dtype = Storage(array), self._dtype
        return made

    def __iter__(self) -> Iterator[Any]:
        return iter(self.tolist())

    def fill_(self, value: Any) -> Any:
        """Set all elements to a number."""
        self[:] = value
        return self

    def copy_(self, source: Any, non_blocking: bool = False) -> Any:
        """Overwrite the elements with those of a storage of the same size, converted."""
        refuse_in_capture("writing to a storage")
        self._vector[...] = source._vector.astype(self._dtype.numpy)
        self._storage.version += 1
        return self

    def clone(self) -> Any:
        """A storage with memory of its own and the same elements."""
        return self._new(self._vector.copy())

    def cpu(self) -> Any:
        """This storage: it is in the processor's memory already."""
        return self

    def resize_(self, size: int) -> Any:
        """Change the number of elements; those that stay keep their values, further ones are not set."""
        refuse_in_capture("resize_()")
        old = self._vector
        new = np.empty(size, old.dtype)
        kept = min(size, old.size)
        new[:kept] = old[:kept]
        self._storage.array = new.view(self._storage.array.dtype)
        generation.advance()
        return self

    def is_shared(self) -> bool:
        """Whether processes share the memory."""
        return self._storage.shared

    def is_pinned(self, device: Any = None) -> bool:
        """False: memory is pinned for the sake of a GPU."""
        return False

    def __eq__(self, other: object) -> Any:
        if not isinstance(other, _Memory):
            return NotImplemented
        return self._storage is other._storage or self.data_ptr() == other.data_ptr() != 0

    def __hash__(self) -> int:
        return hash(self._storage)

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        copied = memo.get(id(self._storage))
        if copied is None:
            copied = memo[id(self._storage)] = self.clone()
        return copied

    def __copy__(self) -> Any:
        return self.clone()

    def _listing(self) -> str:
        return "".join(f" {value}\n" for value in self.tolist())


class UntypedStorage(_Memory):
    """Memory as bytes. ``UntypedStorage(n)`` makes n bytes that are not set, a sequence of ints those bytes."""

    __slots__ = ()

    def __init__(self, *arguments: Any, device: Any = "cpu"):
        Device.of(device).require()
        self._dtype = uint8
        self._storage = Storage(_made(arguments, uint8))

    @staticmethod
    def of(storage: Storage) -> UntypedStorage:
        """The bytes of a tensor's memory."""
        made = object.__new__(UntypedStorage)
        made._storage, made._dtype = storage, uint8
        return made

    def untyped(self) -> UntypedStorage:
        """This storage."""
        return self

    def _part(self, place: slice) -> UntypedStorage:
        if place.step not in (None, 1):
            raise RuntimeError(f"Trying to slice with a step of {place.step}, but only a step of 1 is supported")
        return self._new(self._vector[place])

    def __repr__(self) -> str:
        return f"{self._listing()}[torch.storage.UntypedStorage(device={self.device}) of size {len(self)}]"


class _KindOfStorage(type):
    """The class of the classes of storages of one dtype: storages of the dtype are their instances."""

    dtype: DType

    def __call__(cls, *arguments: Any, device: Any = "cpu") -> TypedStorage:
        Device.of(device).require()
        return TypedStorage.of(Storage(_made(arguments, cls.dtype)), cls.dtype)

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, TypedStorage) and instance.dtype is cls.dtype

    def __repr__(cls) -> str:
        return f"<class 'torch.{cls.__name__}'>"


class TypedStorage(_Memory):
    """Memory as elements of a dtype, float32 by default. Made of a number of elements or of a sequence of them."""

    __slots__ = ()

    def __init__(self, *arguments: Any, dtype: DType = float32, device: Any = "cpu", wrap_storage: Any = None):
        Device.of(device).require()
        self._dtype = dtype
        self._storage = Storage(_made(arguments, dtype)) if wrap_storage is None else wrap_storage._storage

    @staticmethod
    def of(storage: Storage, dtype: DType) -> TypedStorage:
        """A tensor's memory as elements of its dtype."""
        made = object.__new__(TypedStorage)
        made._storage, made._dtype = storage, dtype
        return made

    @property
    def dtype(self) -> DType:
        return self._dtype

    def untyped(self) -> UntypedStorage:
        """The same memory as bytes."""
        return UntypedStorage.of(self._storage)

    def pickle_storage_type(self) -> str:
        """The name of the class of storages of this dtype."""
        return storage_class(self._dtype).__name__

    def type(self) -> str:
        """The full name of that class."""
        return f"torch.{self.pickle_storage_type()}"

    def resize_(self, size: int) -> None:
        """Change the number of elements; those that stay keep their values, further ones are not set."""
        super().resize_(size)

    def _to(self, dtype: DType) -> TypedStorage:
        return TypedStorage.of(Storage(self._vector.astype(dtype.numpy)), dtype)

    def __repr__(self) -> str:
        told = f"dtype={self._dtype}, device={self.device}"
        return f"{self._listing()}[torch.storage.TypedStorage({told}) of size {len(self)}]"


for _name, _dtype in (
    *(("bfloat16", bfloat16), ("bool", bool_), ("byte", uint8), ("char", int8), ("complex_double", complex128)),
    *(("complex_float", complex64), ("double", float64), ("float", float32), ("half", float16), ("int", int32)),
    *(("long", int64), ("short", int16)),
):
    setattr(TypedStorage, _name, lambda self, dtype=_dtype: self._to(dtype))


def _made(arguments: tuple[Any, ...], dtype: DType) -> np.ndarray:
    if not arguments:
        return np.empty(0, dtype.numpy)
    (first,) = arguments
    if isinstance(first, (int, np.integer)):
        return np.empty(int(first), dtype.numpy)
    if isinstance(first, _Memory):
        return first._vector.view(dtype.numpy)
    return np.array(list(first)).astype(dtype.numpy)


def _class(name: str) -> Any:
    text = f"Storages of {_NAMES[name].name}: calling it makes one, ``isinstance`` tells whether a storage is one."
    return _KindOfStorage(name, (), {"dtype": _NAMES[name], "__module__": "torch", "__doc__": text})


BFloat16Storage = _class("BFloat16Storage")
BoolStorage = _class("BoolStorage")
ByteStorage = _class("ByteStorage")
CharStorage = _class("CharStorage")
ComplexDoubleStorage = _class("ComplexDoubleStorage")
ComplexFloatStorage = _class("ComplexFloatStorage")
DoubleStorage = _class("DoubleStorage")
FloatStorage = _class("FloatStorage")
HalfStorage = _class("HalfStorage")
IntStorage = _class("IntStorage")
LongStorage = _class("LongStorage")
ShortStorage = _class("ShortStorage")


def storage_class(dtype: DType) -> Any:
    """The class of storages of a dtype. Raises KeyError for a dtype that has none."""
    for name, own in _NAMES.items():
        if own is dtype:
            return globals()[name]
    raise KeyError(f"PyTorch has no class of storages of {dtype.name}")


def is_storage(obj: Any) -> bool:
    """Whether an object is a storage."""
    return isinstance(obj, _Memory)
