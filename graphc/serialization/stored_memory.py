"""Memory read from a file, and the tensors that lie in it with their own offsets, shapes, and strides.

A tensor of graphc that shares memory knows the chain of view primitives that leads to it from the whole. A file gives
offset, shape, and strides alone, so the chain is found again here; where none exists (windows that overlap), the tensor
shares the bytes but not the ``Storage``, as two tensors over one numpy array do.
"""

from __future__ import annotations

from itertools import pairwise
from pickle import UnpicklingError
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from graphc.device_memory import settle, use
from graphc.ir.types import DType, contiguous_strides
from graphc.ops.views import Expand, Permute, Reshape, Slice
from graphc.serialization.element_types import ElementType
from graphc.tensor import Storage, Tensor, View

_HIGHEST_RANK = 64 if np.lib.NumpyVersion(np.__version__) >= "2.0.0b1" else 32


# For a storage that holds a window which no chain of views leads to: all the memory that the window lies in.
_whole_memory: WeakKeyDictionary[Storage, np.ndarray] = WeakKeyDictionary()


class UnsupportedTensor:
    """Stands for a tensor of a dtype that graphc does not hold until the whole file is read and it can be named."""

    __slots__ = ("element", "shape")

    def __init__(self, element: ElementType, shape: tuple[int, ...]):
        self.element, self.shape = element, shape

    def __str__(self) -> str:
        return f"a tensor of dtype torch.{self.element.name} and shape {list(self.shape)}"


class StoredMemory:
    """The bytes of one storage in a file, and what its elements are.

    Args:
        raw: a 1-d uint8 array; None where graphc holds no such elements, so that nothing was read.
        element: what the file says that the elements are.
        count: how many elements there are.
        record: what the storage is called in the file, for messages.
    """

    __slots__ = ("_storages", "count", "element", "raw", "record")

    def __init__(self, raw: np.ndarray | None, element: ElementType, count: int, record: str):
        self.raw, self.element, self.count, self.record = raw, element, count, record
        self._storages: dict[str, Storage] = {}

    def tensor(self, element: ElementType, offset: Any, size: Any, stride: Any) -> Tensor | UnsupportedTensor:
        """The tensor at an offset, with a shape and strides, all in elements.

        Raises UnpicklingError where these are no numbers that fit the memory.
        """
        _require_layout(self.record, offset, size, stride)
        shape, strides = tuple(size), tuple(stride)
        if element.dtype is None or self.raw is None:
            return UnsupportedTensor(element, shape)
        count = self.raw.size // element.itemsize
        last = offset + sum((extent - 1) * step for extent, step in zip(shape, strides, strict=True))
        if 0 not in shape and last >= count:
            raise UnpicklingError(
                f"a tensor of shape {list(shape)}, strides {list(strides)}, and offset {offset} reaches beyond the "
                f"{count} elements of {self.record}"
            )
        flat = self.raw[: count * element.itemsize].view(element.dtype.numpy)
        return self._place(flat, element.dtype, offset, shape, strides)

    def _place(
        self, flat: np.ndarray, dtype: DType, offset: int, shape: tuple[int, ...], strides: tuple[int, ...]
    ) -> Tensor:
        array = _strided(flat, offset, shape, strides)
        known = self._storages.get(dtype.name)
        whole = array.size == flat.size and offset == 0 and array.flags.c_contiguous
        if known is None:
            known = self._storages[dtype.name] = Storage(array if whole else flat)
            if whole:
                return Tensor._wrap(array, dtype, known)
        elif whole and known.array.shape == shape:
            return Tensor._wrap(array, dtype, known)
        chain = chain_to(known.array, offset, array)
        if chain is not None:
            return Tensor._wrap(array, dtype, known, chain)
        apart = Storage(array)
        _whole_memory[apart] = flat
        return Tensor._wrap(array, dtype, apart)


def _require_layout(record: str, offset: Any, size: Any, stride: Any) -> None:
    given = f"a tensor in {record} with shape {size!r:.200}, strides {stride!r:.200}, and offset {offset!r:.80}"
    if not (isinstance(size, tuple) and isinstance(stride, tuple) and len(size) == len(stride)):
        raise UnpicklingError(f"{given}: expected two tuples of one length")
    if not all(type(number) is int and number >= 0 for number in (offset, *size, *stride)):
        raise UnpicklingError(f"{given}: expected whole numbers of at least 0")
    if len(size) > _HIGHEST_RANK:
        raise UnpicklingError(f"a tensor in {record} of {len(size)} dimensions: expected at most {_HIGHEST_RANK}")


def _strided(flat: np.ndarray, offset: int, shape: tuple[int, ...], strides: tuple[int, ...]) -> np.ndarray:
    itemsize = flat.dtype.itemsize
    start = offset * itemsize if 0 not in shape else 0
    try:
        # numpy checks the bounds once more; it would refuse strides that no element uses.
        used = tuple(step * itemsize if extent > 1 else itemsize for extent, step in zip(shape, strides, strict=True))
        np.ndarray(shape, flat.dtype, flat, start, used)
        array = np.lib.stride_tricks.as_strided(
            flat[offset:] if 0 not in shape else flat[:0],
            shape,
            tuple(step * itemsize for step in strides),
        )
    except (ValueError, TypeError, OverflowError) as error:
        raise UnpicklingError(f"a tensor of shape {list(shape)} and strides {list(strides)}: {error}") from None
    if any(step == 0 and extent > 1 for extent, step in zip(shape, strides, strict=True)):
        array.flags.writeable = False  # one place shows at many indices
    return array


def chain_to(whole: np.ndarray, offset: int, target: np.ndarray) -> tuple[View, ...] | None:
    """The view primitives that lead from a contiguous array to a strided window on it; None where there are none.

    Args:
        whole: all the memory, in row-major order.
        offset: where the window begins, in elements.
        target: the window.
    """
    for chain in _candidates(whole, offset, target):
        array = whole
        try:
            for primitive, attrs in chain:
                array = primitive.evaluate(array, **attrs)
        except (ValueError, TypeError):
            continue
        if _same_places(array, target):
            return chain
    return None


def _same_places(array: np.ndarray, target: np.ndarray) -> bool:
    if array.shape != target.shape or not target.size:
        return False
    steps = zip(array.shape, array.strides, target.strides, strict=True)
    return (
        array.__array_interface__["data"][0] == target.__array_interface__["data"][0]
        and all(mine == theirs for extent, mine, theirs in steps if extent > 1)
    )  # fmt: skip


def _slice(starts: tuple[int, ...], stops: tuple[int, ...], steps: tuple[int, ...] | None = None) -> View:
    return Slice.instance, {"starts": starts, "stops": stops, "steps": steps or (1,) * len(starts)}


def _reshape(*shape: int) -> View:
    return Reshape.instance, {"shape": shape}


def _candidates(whole: np.ndarray, offset: int, target: np.ndarray) -> list[tuple[View, ...]]:
    """Chains that may lead there: the memory cut into blocks, by the strides, from the window's start or from 0."""
    strides = [step // target.itemsize for step in target.strides]
    dims = sorted(
        (dim for dim, extent in enumerate(target.shape) if extent > 1 and strides[dim] > 0),
        key=lambda dim: -strides[dim],
    )
    steps = [strides[dim] for dim in dims]
    extents = tuple(target.shape[dim] for dim in dims)
    flatten = () if whole.ndim == 1 else (_reshape(whole.size),)
    order = sorted(range(len(dims)), key=dims.__getitem__)
    dense = tuple(1 if strides[dim] == 0 else extent for dim, extent in enumerate(target.shape))
    arrange: tuple[View, ...] = (_reshape(*extents),)
    if order != list(range(len(order))):
        arrange += ((Permute.instance, {"dims": tuple(order)}),)
    arrange += (_reshape(*dense),)
    if dense != target.shape:
        arrange += ((Expand.instance, {"shape": target.shape}),)

    if not steps:
        return [(*flatten, _slice((offset,), (offset + 1,)), *arrange)]
    chains: list[tuple[View, ...]] = []
    if len(steps) == 1:
        stop = offset + (extents[0] - 1) * steps[0] + 1
        chains.append((*flatten, _slice((offset,), (stop,), (steps[0],)), *arrange))
    if any(outer % inner for outer, inner in pairwise(steps)):
        return chains
    inner = tuple(outer // step for outer, step in zip(steps, [*steps[1:], 1], strict=True))
    tail = (1,) * len(inner[-1:])
    for start, blocks, digits in (
        (offset, extents[0], (0,) * (len(steps) + 1)),
        (0, whole.size // steps[0], _digits(offset, steps)),
    ):
        if blocks:
            stops = tuple(digit + extent for digit, extent in zip(digits, extents + tail, strict=True))
            cut = _slice((start,), (start + blocks * steps[0],))
            chains.append((*flatten, cut, _reshape(blocks, *inner), _slice(digits, stops), *arrange))
    return chains


def _digits(offset: int, steps: list[int]) -> tuple[int, ...]:
    digits = []
    for step in steps:
        digits.append(offset // step)
        offset %= step
    return (*digits, offset)


def memory_window(storage: Storage) -> np.ndarray | None:
    """The memory of a storage from its first element to its last as a 1-d array that shares it.

    None where the storage's array runs backwards or its strides are no whole numbers of elements.
    """
    array = _whole_memory.get(storage, storage.array)
    if use.active:
        settle(array)
    if any(step < 0 or step % array.itemsize for step in array.strides):
        return None
    if array.flags.c_contiguous:
        return array.reshape(-1)
    reach = 0 if not array.size else 1 + sum(
        (extent - 1) * (step // array.itemsize) for extent, step in zip(array.shape, array.strides, strict=True)
    )  # fmt: skip
    return np.lib.stride_tricks.as_strided(array, (reach,), (array.itemsize,), writeable=False)


def window_offset(window: np.ndarray, array: np.ndarray) -> int | None:
    """Where an array lies in a window of memory, in elements; None where it does not lie in it, element by element."""
    if any(step < 0 or step % array.itemsize for step in array.strides) or array.dtype != window.dtype:
        return None
    if not array.size:
        return 0
    distance = array.__array_interface__["data"][0] - window.__array_interface__["data"][0]
    if distance < 0 or distance % array.itemsize:
        return None
    offset = distance // array.itemsize
    reach = sum(
        (extent - 1) * (step // array.itemsize) for extent, step in zip(array.shape, array.strides, strict=True)
    )
    return offset if offset + reach < window.size else None


def element_strides(array: np.ndarray) -> tuple[int, ...]:
    """Strides in elements; of an empty array those that it would have with extents of at least 1, as PyTorch's."""
    if not array.size:
        return tuple(contiguous_strides(tuple(max(extent, 1) for extent in array.shape)))
    return tuple(step // array.itemsize for step in array.strides)


def swapped_bytes(raw: np.ndarray, element: ElementType) -> np.ndarray:
    """The bytes of elements in the other byte order, in memory of their own. Complex elements are two numbers."""
    width = element.itemsize // 2 if element.name.startswith("complex") else element.itemsize
    return raw.reshape(-1, width)[:, ::-1].copy().reshape(-1)
