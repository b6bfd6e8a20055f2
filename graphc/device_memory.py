"""Arrays in the memory of GPUs: which GPU's an array is, how results come to lie beside their operands, and when the
CPU may touch them.

Such memory is reached by the CPU too, so an array in it is an ordinary numpy array whose last base is a
:class:`DeviceMemory`. What a GPU was asked for may not be done yet: whoever lets numpy read such an array, or write to
it, calls :func:`settle` before. Nothing here knows what a GPU is; see :mod:`graphc.runtime.gpus`.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import Any

import numpy as np

from graphc.storage import byte_range, widest_first


class _Use:
    """Whether any array of this process has ever been in a GPU's memory: until then nobody looks where arrays are.

    ``devices`` are the GPUs that have been found; ``owed`` the ranges of the CPU's memory that GPUs will write to once
    somebody waits for them: (begin, end, GPU).
    """

    active = False

    def __init__(self) -> None:
        self.devices: list[Any] = []
        self.owed: list[tuple[int, int, Any]] = []

    @cached_property
    def kernels(self) -> Any:
        """What computes eager operations there: graphc.compiled.eager_kernels.EagerKernels."""
        from graphc.compiled.eager_kernels import kernels

        return kernels


use = _Use()


class DeviceMemory:
    """The root of every array in a GPU's memory: bytes that know their GPU, and go back to it (``take_back``) once no
    array shows them."""

    __slots__ = ("__array_interface__", "address", "gpu", "nbytes", "owner")

    def __init__(self, gpu: Any, owner: Any, address: int, nbytes: int):
        self.gpu = gpu
        self.owner = owner
        self.address = address
        self.nbytes = nbytes
        self.__array_interface__ = {"shape": (nbytes,), "typestr": "|u1", "data": (address, False), "version": 3}

    def __del__(self) -> None:
        self.gpu.take_back(self.owner, self.address, self.nbytes)

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


def settle(*arrays: np.ndarray) -> None:
    """Wait until GPUs have done what they were asked for in the memory of some arrays, which the CPU may then read and
    write. Raises what a program that ran there has failed with."""
    for array in arrays:
        gpu = gpu_of(array)
        if gpu is not None:
            if gpu.pending:
                gpu.synchronize()
        elif use.owed:
            _settle_owed(array)


def _settle_owed(array: np.ndarray) -> None:
    low, high = byte_range(array)
    for gpu in {gpu for begin, end, gpu in tuple(use.owed) if low < end and begin < high}:
        gpu.synchronize()


def settle_all() -> None:
    """Wait until all GPUs have done what they were asked for. Raises what a program there has failed with."""
    for gpu in use.devices:
        if gpu.pending:
            gpu.synchronize()


def copied_to(array: np.ndarray, gpu: Any) -> np.ndarray:
    """A copy in a GPU's memory, or in the CPU's for None, with the elements in the same order."""
    settle(array)
    order = widest_first(array)
    turned = array.transpose(order)
    if gpu is None:
        copy = np.empty(turned.shape, array.dtype)
        home = gpu_of(array)
        if home is not None and turned.flags.c_contiguous:
            home.download(copy, turned)
        else:
            copy[...] = turned
    else:
        copy = gpu.empty(turned.shape, array.dtype)
        gpu.upload(copy.__array_interface__["data"][0], np.ascontiguousarray(turned))
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
