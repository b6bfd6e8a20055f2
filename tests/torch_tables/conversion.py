"""PyTorch's values as graphc's, and comparison of what both compute."""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
import torch

import graphc
from graphc.ir.types import DType

# What two computations in the same format may differ by: relative, and absolute in units of the largest element.
TOLERANCES = {
    "float64": 1e-7,
    "complex128": 1e-7,
    "float32": 2e-4,
    "complex64": 2e-4,
    "float16": 1e-2,
    "bfloat16": 4e-2,
}


def array_of(tensor: torch.Tensor) -> np.ndarray:
    """A PyTorch tensor's elements as an array of its own."""
    tensor = tensor.detach().resolve_conj().resolve_neg()
    if tensor.dtype == torch.bfloat16:
        return tensor.view(torch.int16).numpy().view(ml_dtypes.bfloat16).copy(order="K")
    return tensor.numpy(force=True).copy(order="K")


def own(value: Any, seen: dict[int, Any] | None = None) -> Any:
    """PyTorch's argument as graphc's: tensors, dtypes, layouts, and containers of them. One tensor stays one tensor."""
    seen = {} if seen is None else seen
    if isinstance(value, torch.Tensor):
        if id(value) not in seen:
            tensor = graphc.as_tensor(array_of(value))
            seen[id(value)] = tensor.requires_grad_() if value.requires_grad else tensor
        return seen[id(value)]
    if isinstance(value, (torch.dtype, torch.layout, torch.memory_format)):
        return getattr(graphc, str(value).removeprefix("torch."))
    if isinstance(value, torch.device):
        return graphc.device(str(value))
    if isinstance(value, torch.Size):
        return graphc.Size(value)
    if isinstance(value, torch.nn.PairwiseDistance):
        return graphc.nn.PairwiseDistance(value.norm, value.eps, value.keepdim)
    if isinstance(value, slice):
        return slice(own(value.start, seen), own(value.stop, seen), own(value.step, seen))
    if type(value) in (list, tuple):
        return type(value)(own(item, seen) for item in value)
    if isinstance(value, dict):
        return {key: own(item, seen) for key, item in value.items()}
    return value


def leaves(value: Any) -> list[Any]:
    """The tensors and plain values of a result, in order."""
    if isinstance(value, dict):
        return [leaf for key in value for leaf in leaves(value[key])]
    if isinstance(value, (tuple, list)):
        return [leaf for item in value for leaf in leaves(item)]
    return [value]


def is_tensor(value: Any) -> bool:
    return isinstance(value, (torch.Tensor, graphc.Tensor))


def difference(found: Any, expected: Any, exact_strides: bool = False) -> str | None:
    """What distinguishes graphc's result from PyTorch's, or None where nothing does."""
    found, expected = leaves(found), leaves(expected)
    if len(found) != len(expected):
        return f"{len(found)} results, PyTorch's are {len(expected)}"
    for one, other in zip(found, expected, strict=True):
        what = _leaf_difference(one, other, exact_strides)
        if what is not None:
            return what
    return None


def _leaf_difference(found: Any, expected: Any, exact_strides: bool) -> str | None:
    if not isinstance(expected, torch.Tensor):
        return _plain_difference(found, expected)
    if not isinstance(found, graphc.Tensor):
        return f"a {type(found).__name__} where PyTorch gives a tensor"
    if str(found.dtype) != str(expected.dtype):
        return f"dtype {found.dtype}, PyTorch's is {expected.dtype}"
    if tuple(found.shape) != tuple(expected.shape):
        return f"shape {tuple(found.shape)}, PyTorch's is {tuple(expected.shape)}"
    if exact_strides and tuple(found.stride()) != tuple(expected.stride()):
        return f"strides {found.stride()}, PyTorch's are {expected.stride()}"
    if found.requires_grad != expected.requires_grad:
        return f"requires_grad {found.requires_grad}, PyTorch's is {expected.requires_grad}"
    return array_difference(found.detach().resolve_conj()._value("comparison"), array_of(expected))


def array_difference(found: np.ndarray, expected: np.ndarray) -> str | None:
    tolerance = TOLERANCES.get(expected.dtype.name)
    if tolerance is None:
        same = np.array_equal(found, expected)
        return None if same else _shown(found, expected)
    wide = np.complex128 if expected.dtype.kind == "c" else np.float64
    found, expected = found.astype(wide), expected.astype(wide)
    finite = np.abs(expected[np.isfinite(expected)])
    scale = min(float(finite.max()), 1e3) if finite.size else 0.0
    with np.errstate(all="ignore"):
        same = np.allclose(found, expected, rtol=tolerance, atol=tolerance * max(scale, 1e-3), equal_nan=True)
    return None if same else _shown(found, expected)


def _shown(found: np.ndarray, expected: np.ndarray) -> str:
    with np.errstate(all="ignore"):
        apart = ~((found == expected) | ((found != found) & (expected != expected)))
    pairs = list(zip(found[apart].tolist(), expected[apart].tolist(), strict=True))[:3]
    return f"{int(apart.sum())} of {expected.size} elements differ, as (found, PyTorch's): {pairs}"


def _plain_difference(found: Any, expected: Any) -> str | None:
    if isinstance(expected, (torch.dtype, torch.Size, torch.device, enum.Enum, DType)):
        return None if str(found) == str(expected) else f"{found}, PyTorch's is {expected}"
    if type(found) is not type(expected):
        return f"a {type(found).__name__} where PyTorch gives a {type(expected).__name__}"
    if isinstance(expected, (float, complex)):
        return array_difference(np.asarray(found), np.asarray(expected))
    return None if found == expected else f"{found!r}, PyTorch's is {expected!r}"


def random_like(tensors: list[torch.Tensor], seed: int = 0) -> list[torch.Tensor]:
    """Fixed cotangents of the shapes and dtypes of some results."""
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(tensor.shape, generator=generator, dtype=tensor.dtype) for tensor in tensors]


def resolve(root: Any, path: str) -> Callable[..., Any] | None:
    """What a dotted name means in a namespace, or None."""
    for part in path.split("."):
        root = getattr(root, part, None)
    return root
