"""The random stream in compiled C, for arrays so large that numpy's many passes over them cost noticeable time.

:mod:`graphc.randomness.stream` asks for :func:`library` when a draw is large and goes on with numpy where it is None,
so a machine without a compiler draws the same numbers, only slower. What is compiled is the code of compiled programs
(templates/c/random.h.j2) behind the exported functions of templates/c/random_library.c.j2; it is built once, kept in
the cache of compiled programs, and works on `RandomStream.buffer` in place.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["fill", "library"]

_TEMPLATE = "c/random_library.c.j2"
_FUNCTIONS = frozenset(
    {
        "gc_random_uniform_f32",
        "gc_random_uniform_f64",
        "gc_random_normal_f32",
        "gc_random_normal_f64",
        "gc_random_exponential_f32",
        "gc_random_exponential_f64",
        "gc_random_bernoulli",
        "gc_random_integers",
        "gc_random_permutation",
    }
)
_POINTERS = {"float32": "float *", "float64": "double *", "bool": "_Bool *", "int64": "int64_t *"}
_SUFFIXES = {"float32": "_f32", "float64": "_f64"}


@dataclass(frozen=True)
class _Context:
    """What the template is filled in with."""

    functions: frozenset[str]


# Fewer numbers are drawn by numpy: below the first bound always, since a call of the library has its price too, and
# below the second unless the library is there already, since loading it takes some milliseconds.
_WORTH_A_CALL = 256
_WORTH_LOADING = 1 << 16


def library(count: int) -> Any:
    """The library that is to draw so many numbers, or None where numpy is to: few of them, or no compiler."""
    if count < _WORTH_A_CALL or (count < _WORTH_LOADING and not _loaded.cache_info().currsize):
        return None
    return _loaded()


@functools.cache
def _loaded() -> Any:
    """The library, built or found in the cache; None where there is no compiler. Decided once in a process."""
    # Only here, so that importing graphc loads neither the templates nor cffi.
    from graphc.codegen.library import load_library

    return load_library(_TEMPLATE, _Context(_FUNCTIONS), "random_stream")


def fill(library: Any, name: str, state: np.ndarray, out: np.ndarray, *arguments: float) -> None:
    """Fills an array, C-contiguous, from a stream's buffer, which moves on.

    ``name`` is that of an exported function without its prefix and without the suffix of a floating dtype; the
    arguments are those behind the count. Other threads run meanwhile.
    """
    from graphc.runtime.abi import ffi

    kind = out.dtype.name
    function = getattr(library, f"graphc_random_{name}{_SUFFIXES.get(kind, '')}")
    function(ffi.cast("void *", state.ctypes.data), ffi.cast(_POINTERS[kind], out.ctypes.data), out.size, *arguments)
