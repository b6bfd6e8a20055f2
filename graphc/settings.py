"""PyTorch's switches of the whole library, and constants.

What a switch asks for either holds here anyway (results are the same from run to run), or is kept and given back. A
switch that asks for what graphc does not do raises.
Source: https://docs.pytorch.org/docs/stable/torch.html#utilities
"""

from __future__ import annotations

import math
import os
import warnings
from dataclasses import dataclass
from typing import Any

from graphc import notices
from graphc.device import Device, current
from graphc.recording import generation

__all__ = [
    "are_deterministic_algorithms_enabled",
    "compiled_with_cxx11_abi",
    "e",
    "get_default_device",
    "get_deterministic_debug_mode",
    "get_device",
    "get_file_path",
    "get_float32_matmul_precision",
    "get_num_interop_threads",
    "has_lapack",
    "has_mkl",
    "has_openmp",
    "has_spectral",
    "inf",
    "is_deterministic_algorithms_warn_only_enabled",
    "is_distributed",
    "is_same_size",
    "is_vulkan_available",
    "is_warn_always_enabled",
    "nan",
    "newaxis",
    "pi",
    "set_default_device",
    "set_deterministic_debug_mode",
    "set_float32_matmul_precision",
    "set_flush_denormal",
    "set_num_interop_threads",
    "set_warn_always",
    "typename",
    "use_deterministic_algorithms",
]

pi, e, inf, nan, newaxis = math.pi, math.e, math.inf, math.nan, None
# What the library can compute: factorisations, Fourier transforms; and what it computes with: threads, not MKL.
has_lapack, has_spectral, has_openmp, has_mkl = True, True, True, False


@dataclass
class _Switches:
    deterministic: bool = False
    warns_only: bool = False
    precision: str = "highest"
    interop_threads: int = os.cpu_count() or 1
    warns_always: bool = False


_switches = _Switches()
_MODES = {"default": (False, False), "warn": (True, True), "error": (True, False)}


def use_deterministic_algorithms(mode: bool, *, warn_only: bool = False) -> None:
    """Ask for the same results from run to run, which graphc gives whether asked or not."""
    _switches.deterministic, _switches.warns_only = bool(mode), bool(warn_only)


def are_deterministic_algorithms_enabled() -> bool:
    """Whether :func:`use_deterministic_algorithms` has been asked for."""
    return _switches.deterministic


def is_deterministic_algorithms_warn_only_enabled() -> bool:
    """Whether it was asked for with ``warn_only``."""
    return _switches.warns_only


def set_deterministic_debug_mode(debug_mode: int | str) -> None:
    """As :func:`use_deterministic_algorithms`: "default" (0), "warn" (1), or "error" (2)."""
    if not isinstance(debug_mode, (int, str)):
        raise TypeError(f"debug_mode must be str or int, but got {type(debug_mode)}")
    names = list(_MODES)
    if isinstance(debug_mode, str) and debug_mode not in names:
        raise RuntimeError(
            f"invalid value of debug_mode, expected one of `default`, `warn`, `error`, but got {debug_mode}"
        )
    if isinstance(debug_mode, int) and not 0 <= debug_mode < len(names):
        raise RuntimeError(f"invalid value of debug_mode, expected 0, 1, or 2, but got {debug_mode}")
    chosen = debug_mode if isinstance(debug_mode, str) else names[debug_mode]
    _switches.deterministic, _switches.warns_only = _MODES[chosen]


def get_deterministic_debug_mode() -> int:
    """0, 1, or 2; see :func:`set_deterministic_debug_mode`."""
    return list(_MODES.values()).index((_switches.deterministic, _switches.deterministic and _switches.warns_only))


def set_float32_matmul_precision(precision: str) -> None:
    """How exact products of float32 matrices may be at least: "highest", "high", or "medium". On a CPU they are always
    exact to float32; programs on a GPU round the factors to tf32 (11 significant bits), for other than "highest"."""
    if precision not in ("highest", "high", "medium"):
        warnings.warn(
            f"{precision} is not one of 'highest', 'high', or 'medium'; the current setFloat32MatmulPrecision call "
            "has no effect.",
            stacklevel=2,
        )
        return
    if precision != _switches.precision:
        _switches.precision = precision
        generation.advance()


def get_float32_matmul_precision() -> str:
    """What :func:`set_float32_matmul_precision` was given last."""
    return _switches.precision


def tf32_is_allowed() -> bool:
    """Whether programs on a GPU may round the factors of float32 products to tf32."""
    return _switches.precision != "highest"


def set_flush_denormal(mode: bool) -> bool:
    """Whether numbers too small for full precision shall be taken for zero: gives whether that could be set, which it
    can't; for False, that it holds."""
    return not mode


def get_num_interop_threads() -> int:
    """How many threads independent operations may take: what was set, else the number of processors. They take one."""
    return _switches.interop_threads


def set_num_interop_threads(num: int) -> None:
    """Keep a number for :func:`get_num_interop_threads`."""
    if num <= 0:
        raise RuntimeError("Expected num_threads > 0 to be true, but got false.")
    _switches.interop_threads = int(num)


def set_warn_always(b: bool) -> None:
    """Whether warnings that PyTorch gives once shall be given each time."""
    notices.switch.always = bool(b)


def is_warn_always_enabled() -> bool:
    """What :func:`set_warn_always` was given last."""
    return notices.switch.always


def set_default_device(device: Any) -> None:
    """Where new tensors are made that no device is named for. Raises as :meth:`graphc.device.Device.require`."""
    chosen = None if device is None else Device.of(device)
    if chosen is not None:
        chosen.require()
    current.defaults[:] = [] if chosen is None else [chosen]


def get_default_device() -> Device:
    """Where new tensors are made: on the CPU, unless :func:`set_default_device` or a block chose otherwise."""
    if not current.defaults:
        return Device("cpu")
    chosen = current.defaults[-1]
    return Device("cuda", current.number) if chosen == Device("cuda") else chosen


def typename(obj: Any) -> str:
    """The full name of an object's type; of a tensor that of the class of its dtype."""
    from graphc.tensor import Tensor

    if isinstance(obj, Tensor):
        return obj.type()
    kind = obj if isinstance(obj, type) else type(obj)
    module = getattr(obj, "__module__", None) or kind.__module__
    name = getattr(obj, "__qualname__", None) or kind.__qualname__
    return name if module in ("builtins", "__builtin__") else f"{module}.{name}"


def get_device(input: Any) -> int:
    """The number of a tensor's GPU; -1, which stands for the CPU."""
    return input.get_device()


def is_same_size(input: Any, other: Any) -> bool:
    """Whether two tensors have one shape."""
    return input.is_same_size(other)


def is_distributed(input: Any) -> bool:
    """False: no tensor lies on several machines."""
    return False


def is_vulkan_available() -> bool:
    """False: there is no backend of this kind."""
    return False


def compiled_with_cxx11_abi() -> bool:
    """True, as PyTorch's builds of today say."""
    return True


def get_file_path(*path_components: str) -> str:
    """The path of a file of the library, by its parts."""
    return os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), *path_components)
