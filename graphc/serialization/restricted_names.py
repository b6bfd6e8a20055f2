"""Names of Python and numpy that checkpoints use, each as a function that makes that one kind of value and no other."""

from __future__ import annotations

import math
from collections import Counter, OrderedDict
from pickle import UnpicklingError
from typing import Any

import numpy as np

from graphc.serialization.torch_names import TorchName

# Kinds of numpy elements that are values alone; objects and records are not among them.
_PLAIN_KINDS = "biufcSU"


def _make_ordered_dict(items: Any = ()) -> OrderedDict[Any, Any]:
    return OrderedDict(_require(items, list, tuple, dict))


def _make_counter(items: Any = ()) -> Counter[Any]:
    return Counter(_require(items, list, tuple, dict))


def _make_set(items: Any = ()) -> set[Any]:
    return set(_require(items, list, tuple, set))


def _make_frozenset(items: Any = ()) -> frozenset[Any]:
    return frozenset(_require(items, list, tuple, set))


def _make_complex(real: Any, imaginary: Any = 0.0) -> complex:
    return complex(_require(real, float, int), _require(imaginary, float, int))


def _make_bytes(text: Any, encoding: Any = "latin1") -> bytes:
    if encoding not in ("latin1", "latin-1", b"latin1"):
        raise UnpicklingError(f"bytes in encoding {encoding!r:.40}, expected latin1")
    return _require(text, str).encode("latin1")


def _make_bytearray(content: Any = b"", encoding: Any = "latin1") -> bytearray:
    return bytearray(_make_bytes(content, encoding) if isinstance(content, str) else _require(content, bytes))


def _require(value: Any, *kinds: type) -> Any:
    if type(value) not in kinds:
        expected = " or ".join(kind.__name__ for kind in kinds)
        raise UnpicklingError(f"a plain value is made from {type(value).__name__}, expected {expected}")
    return value


def _make_dtype(name: Any, align: Any = False, copy: Any = False) -> np.dtype:
    dtype = np.dtype(_require(name, str)) if isinstance(name, str) and len(name) <= 8 and name.isalnum() else None
    if dtype is None or dtype.kind not in _PLAIN_KINDS:
        raise UnpicklingError(f"numpy dtype {name!r:.80} is not one that checkpoints use")
    return dtype


def _make_scalar(dtype: Any, content: Any) -> np.generic:
    if not isinstance(dtype, np.dtype) or dtype.kind not in _PLAIN_KINDS:
        raise UnpicklingError(f"a numpy scalar of dtype {dtype!r:.80} is not one that checkpoints use")
    if type(content) is not bytes or len(content) != dtype.itemsize:
        raise UnpicklingError(f"a numpy scalar of dtype {dtype} is not made of {dtype.itemsize} bytes")
    return np.frombuffer(content, dtype)[0]


def _make_empty_array(kind: Any, shape: Any = (0,), code: Any = b"b") -> np.ndarray:
    if not isinstance(kind, TorchName) or kind.value is not np.ndarray:
        raise UnpicklingError(f"an array of class {kind!r:.80}: expected numpy.ndarray")
    return np.ndarray((0,), np.int8)


def restore_array(array: np.ndarray, state: Any) -> None:
    """Fill an empty array from its pickled state. Raises UnpicklingError for any but plain elements that fit."""
    if type(state) is not tuple or len(state) != 5:
        raise UnpicklingError("the state of a numpy array is not (version, shape, dtype, order, bytes)")
    version, shape, dtype, fortran, content = state
    if version != 1 or type(shape) is not tuple or not all(type(extent) is int and extent >= 0 for extent in shape):
        raise UnpicklingError(f"a numpy array of shape {shape!r:.80} is not one that checkpoints use")
    if not isinstance(dtype, np.dtype) or dtype.kind not in _PLAIN_KINDS:
        raise UnpicklingError(f"a numpy array of dtype {dtype!r:.80} is not one that checkpoints use")
    if type(content) is not bytes or len(content) != math.prod(shape) * dtype.itemsize:
        raise UnpicklingError(f"a numpy array of shape {list(shape)} and dtype {dtype} has another number of bytes")
    array.__setstate__((version, shape, dtype, bool(fortran), content))


def _names() -> dict[tuple[str, str], TorchName]:
    names: dict[tuple[str, str], TorchName] = {}
    for module in ("builtins", "__builtin__"):
        names[module, "set"] = TorchName(module, "set", _make_set)
        names[module, "frozenset"] = TorchName(module, "frozenset", _make_frozenset)
        names[module, "complex"] = TorchName(module, "complex", _make_complex)
        names[module, "bytearray"] = TorchName(module, "bytearray", _make_bytearray)
        names[module, "bytes"] = TorchName(module, "bytes", lambda: b"")
    names["collections", "OrderedDict"] = TorchName("collections", "OrderedDict", _make_ordered_dict)
    names["collections", "Counter"] = TorchName("collections", "Counter", _make_counter)
    names["_codecs", "encode"] = TorchName("_codecs", "encode", _make_bytes)
    names["numpy", "dtype"] = TorchName("numpy", "dtype", _make_dtype, np.dtype)
    names["numpy", "ndarray"] = TorchName("numpy", "ndarray", None, np.ndarray)
    for module in ("numpy.core.multiarray", "numpy._core.multiarray"):
        names[module, "scalar"] = TorchName(module, "scalar", _make_scalar)
        names[module, "_reconstruct"] = TorchName(module, "_reconstruct", _make_empty_array)
    return names


PLAIN_NAMES = _names()
