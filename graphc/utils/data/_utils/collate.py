"""Samples made into a batch, and arrays into tensors.

Source: https://docs.pytorch.org/docs/stable/data.html#torch.utils.data.default_collate
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, MutableMapping, MutableSequence, Sequence
from typing import Any

import numpy as np

from graphc.creation import as_tensor, from_numpy, tensor
from graphc.ir.types import float64
from graphc.ops.functions.shaping import stack
from graphc.recording import state
from graphc.tensor import Tensor

__all__ = ["collate", "default_collate", "default_collate_fn_map", "default_convert"]

# Kinds of numpy dtypes that no tensor holds: bytes, strings, objects.
_NO_NUMBERS = "SUO"

CollateFunctions = dict[Any, Callable[..., Any]]


def default_convert(data: Any) -> Any:
    """A sample with the numpy arrays and scalars in it as tensors; what holds them keeps its type, a tuple becomes a
    list."""
    if isinstance(data, Tensor):
        return data
    if isinstance(data, np.ndarray | np.generic):
        return data if data.dtype.kind in _NO_NUMBERS else as_tensor(data)
    if isinstance(data, Mapping):
        return _mapping_like(data, {key: default_convert(value) for key, value in data.items()})
    if isinstance(data, Sequence) and not isinstance(data, str | bytes):
        return _sequence_like(data, [default_convert(item) for item in data])
    return data


def default_collate(batch: Sequence[Any]) -> Any:
    """Samples joined into a batch, with a new first dimension.

    Tensors, arrays, and numbers become one tensor (Python floats a float64 one), strings and bytes stay a list, and
    mappings, named tuples, and sequences are joined part by part; a tuple becomes a list.

    Raises:
        TypeError: for a kind of sample that can't be joined.
        RuntimeError: for tensors of different shapes, and for sequences of different lengths.
    """
    return collate(batch, collate_fn_map=default_collate_fn_map)


def collate(batch: Sequence[Any], *, collate_fn_map: CollateFunctions | None = None) -> Any:
    """As :func:`default_collate`, with one's own functions for kinds of samples.

    Args:
        batch: the samples; the first one decides how they are joined.
        collate_fn_map: from a type (or a tuple of types) to a function that is called with the samples and, by keyword,
            this table.
    """
    first = batch[0]
    function = _function_for(first, collate_fn_map or {})
    if function is not None:
        return function(batch, collate_fn_map=collate_fn_map)
    if isinstance(first, Mapping):
        columns = {key: collate([sample[key] for sample in batch], collate_fn_map=collate_fn_map) for key in first}
        return _mapping_like(first, columns)
    if isinstance(first, Sequence):
        named = isinstance(first, tuple) and hasattr(first, "_fields")
        if not named and any(len(sample) != len(first) for sample in batch):
            raise RuntimeError("each element in list of batch should be of equal size")
        parts = [collate(column, collate_fn_map=collate_fn_map) for column in zip(*batch, strict=False)]
        return _sequence_like(first, parts)
    raise _refusal(type(first))


def _function_for(sample: Any, functions: CollateFunctions) -> Callable[..., Any] | None:
    exact = functions.get(type(sample))
    if exact is not None:
        return exact
    return next((function for kind, function in functions.items() if isinstance(sample, kind)), None)


def _refusal(found: Any) -> TypeError:
    return TypeError(
        f"default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; found {found}"
    )


def _mapping_like(model: Mapping[Any, Any], items: dict[Any, Any]) -> Any:
    """The items in a mapping of the model's type, with whatever else a mapping of that type carries."""
    try:
        if isinstance(model, MutableMapping):
            clone = copy.copy(model)
            clone.update(items)
            return clone
        return type(model)(items)
    except TypeError:
        return items


def _sequence_like(model: Sequence[Any], items: list[Any]) -> Any:
    """The items in a sequence of the model's type; for a plain tuple, and where that can't be made, in a list."""
    if isinstance(model, tuple):
        return type(model)(*items) if hasattr(model, "_fields") else items
    try:
        if isinstance(model, MutableSequence):
            clone = copy.copy(model)
            for position, item in enumerate(items):
                clone[position] = item
            return clone
        return type(model)(items)
    except TypeError:
        return items


def _join_tensors(batch: Sequence[Tensor], *, collate_fn_map: CollateFunctions | None = None) -> Tensor:
    first = batch[0]
    plain = state.recorder is None and all(
        sample.dtype == first.dtype and sample._array.shape == first._array.shape and not sample.requires_grad
        for sample in batch
    )
    if plain:
        return Tensor.from_array(np.stack([sample._settled for sample in batch]))
    return stack(list(batch))


def _join_arrays(batch: Sequence[np.ndarray], *, collate_fn_map: CollateFunctions | None = None) -> Any:
    if batch[0].dtype.kind in _NO_NUMBERS:
        raise _refusal(batch[0].dtype)
    return collate([as_tensor(sample) for sample in batch], collate_fn_map=collate_fn_map)


def _join_scalars(batch: Sequence[np.generic], *, collate_fn_map: CollateFunctions | None = None) -> Tensor:
    return from_numpy(np.array(batch))


def _join_floats(batch: Sequence[float], *, collate_fn_map: CollateFunctions | None = None) -> Tensor:
    return tensor(batch, dtype=float64)


def _join_integers(batch: Sequence[int], *, collate_fn_map: CollateFunctions | None = None) -> Tensor:
    return tensor(batch)


def _keep(batch: Sequence[Any], *, collate_fn_map: CollateFunctions | None = None) -> Sequence[Any]:
    return batch


default_collate_fn_map: CollateFunctions = {
    Tensor: _join_tensors,
    np.ndarray: _join_arrays,
    (np.bool_, np.number, np.object_): _join_scalars,
    float: _join_floats,
    int: _join_integers,
    str: _keep,
    bytes: _keep,
}
