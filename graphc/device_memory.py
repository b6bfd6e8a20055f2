"""Arrays in the memory of GPUs: which GPU's an array is, and how results come to lie beside their operands.

Such memory is reached by the CPU too, so an array in it is an ordinary numpy array whose last base is a
:class:`DeviceMemory`. Nothing here knows what a GPU is; see :mod:`graphc.runtime.gpus`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from graphc.storage import widest_first


class _Use:
    """Whether any array of this process has ever been in a GPU's memory: until then nobody looks where arrays are."""

    active = False


use = _Use()


class DeviceMemory:
    """The root of every array in a GPU's memory: bytes that know their GPU."""

    __slots__ = ("__array_interface__", "__weakref__", "gpu", "owner")

    def __init__(self, gpu: Any, owner: Any, address: int, nbytes: int):
        self.gpu = gpu
        self.owner = owner
        self.__array_interface__ = {"shape": (nbytes,), "typestr": "|u1", "data": (address, False), "version": 3}

    def array(self, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        """An array at the beginning of it, which keeps it alive."""
        return np.ndarray(shape, dtype, np.asarray(self))


def gpu_of(array: np.ndarray) -> Any:
    """The GPU in whose memory an array lies (:class:`graphc.runtime.gpus.Gpu`); None for the CPU's."""
    base: Any = array
    while base is not None:
        if type(base) is DeviceMemory:
            return base.gpu
        base = getattr(base, "base", None)  # numpy's own helpers stand between arrays too
    return None


def copied_to(array: np.ndarray, gpu: Any) -> np.ndarray:
    """A copy in a GPU's memory, or in the CPU's for None, with the elements in the same order."""
    order = widest_first(array)
    turned = array.transpose(order)
    copy = np.empty(turned.shape, array.dtype) if gpu is None else gpu.empty(turned.shape, array.dtype)
    copy[...] = turned
    return copy.transpose(np.argsort(order)) if order else copy


def at(array: np.ndarray, gpu: Any) -> np.ndarray:
    """An array in a GPU's memory, or in the CPU's for None: the same one where it lies there already."""
    return array if gpu_of(array) is gpu else copied_to(array, gpu)


def beside(array: np.ndarray, operands: Iterable[np.ndarray]) -> np.ndarray:
    """A result where its operands are: on the GPU of the first of them that is on one."""
    for operand in operands:
        gpu = gpu_of(operand)
        if gpu is not None:
            return at(array, gpu)
    return array
