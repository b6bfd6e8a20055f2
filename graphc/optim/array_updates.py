"""Updates of parameters that run eagerly, made on their arrays: the functions of numpy that an optimizer's ``update``
comes to, without a tensor for each of their results."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np

from graphc.device_memory import gpu_of, use
from graphc.tensor import Tensor


def runs_on_arrays(parameter: Tensor, gradient: Any, entry: dict[str, Any], scalars: Collection[str]) -> bool:
    """Whether an update is a matter of memory alone: floats of one dtype and shape that may be written to, and whose
    classes have no say. Of the state the ``scalars`` are numbers. Gradients must be off, and nothing recorded."""
    dtype, array = parameter.dtype, parameter._array
    if use.active and gpu_of(array) is not None:
        return False
    if not (dtype.is_floating_point and dtype.is_direct and _is_plain(parameter)) or not isinstance(gradient, Tensor):
        return False
    if gradient.dtype is not dtype or gradient._array.shape != array.shape or gradient.overrides_functions:
        return False
    for name, value in entry.items():
        if not isinstance(value, Tensor) or not _is_plain(value) or not value.dtype.is_floating_point:
            return False
        if name in scalars:
            if value._array.ndim or not value.dtype.is_direct:
                return False
        elif value.dtype is not dtype or value._array.shape != array.shape:
            return False
    return True


def _is_plain(tensor: Tensor) -> bool:
    return tensor._restriction is None and tensor._array.flags.writeable and not tensor.overrides_functions


class Numbers:
    """Hyper-parameters as operands of arrays of one dtype."""

    __slots__ = ("_dtype", "_made")

    def __init__(self, dtype: np.dtype):
        self._dtype = dtype
        self._made: dict[float, np.ndarray] = {}

    def __call__(self, value: float) -> np.ndarray:
        """A number as an array without dimensions, which numpy's functions take sooner than a number."""
        found = self._made.get(value)
        if found is None:
            found = self._made[value] = np.asarray(value, self._dtype)
        return found


def note_writes(*tensors: Tensor) -> None:
    """Count a write to the memory of tensors whose arrays were written to."""
    for tensor in tensors:
        if not tensor._unseen:
            tensor._storage.version += 1


def count(step: Tensor) -> float:
    """One more in a counter; gives how many there are now."""
    array = step._array
    array += 1
    note_writes(step)
    return array.item()
