"""The GPUs that there are: how many, which is the current one, what they are, and how much of their memory is used.

Where there is none every function does what it does in PyTorch's builds without them; see :mod:`graphc.cuda.absent`.
Source: https://docs.pytorch.org/docs/stable/cuda.html
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from graphc.cuda import absent
from graphc.device import Device, current
from graphc.randomness.generator import default_generator
from graphc.runtime.errors import GpuOutOfMemory as OutOfMemoryError
from graphc.runtime.gpus import Gpu, gpus

__all__ = ["OutOfMemoryError"]


def _where_there_are_gpus(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function for where there are GPUs; where there is none, that of :mod:`graphc.cuda.absent` is called."""
    otherwise = getattr(absent, function.__name__)

    @functools.wraps(function)
    def call(*arguments: Any, **keywords: Any) -> Any:
        return function(*arguments, **keywords) if gpus() else otherwise(*arguments, **keywords)

    __all__.append(function.__name__)
    return call


def _number(device: Any) -> int:
    """The number of a device, given as None, a number, a name, or a device. Raises as :meth:`Device.require`."""
    if device is None:
        return current.number
    named = Device.of(device)
    if named.type != "cuda":
        raise ValueError(f"Expected a cuda device, but got: {named}")
    return named.require().number


def _gpu(device: Any) -> Gpu:
    return gpus()[_number(device)]


@_where_there_are_gpus
def is_available() -> bool:
    """Whether there is a GPU."""
    return True


@_where_there_are_gpus
def device_count() -> int:
    """How many GPUs there are, those that CUDA_VISIBLE_DEVICES hides left out."""
    return len(gpus())


@_where_there_are_gpus
def is_initialized() -> bool:
    """True: GPUs are ready once somebody has asked for them."""
    return True


@_where_there_are_gpus
def init() -> None:
    """Nothing is to be done: GPUs are ready once somebody has asked for them."""


@_where_there_are_gpus
def is_bf16_supported(including_emulation: bool = True) -> bool:
    """Whether kernels compute with bfloat16, which they do in float32 on any GPU."""
    return including_emulation or _gpu(None).capability >= (8, 0)


@_where_there_are_gpus
def get_arch_list() -> list[str]:
    """The architectures that kernels are compiled for: those of the GPUs that there are."""
    return sorted({"sm_{}{}".format(*gpu.capability) for gpu in gpus()})


@_where_there_are_gpus
def current_device() -> int:
    """The number of the GPU that "cuda" stands for in this thread."""
    return current.number


@_where_there_are_gpus
def set_device(device: Any) -> None:
    """Let "cuda" stand for a GPU in this thread; a negative number changes nothing."""
    if not (isinstance(device, int) and device < 0):
        current.number = _number(device)


@_where_there_are_gpus
def synchronize(device: Any = None) -> None:
    """Wait until a GPU has done what was asked of it."""
    _gpu(device).synchronize()


@_where_there_are_gpus
def get_device_name(device: Any = None) -> str:
    """What the maker calls a GPU."""
    return _gpu(device).name


@_where_there_are_gpus
def get_device_capability(device: Any = None) -> tuple[int, int]:
    """What a GPU can do: the major and the minor number."""
    major, minor = _gpu(device).capability
    return major, minor


@dataclass(frozen=True)
class _Properties:
    """What a GPU is."""

    name: str
    major: int
    minor: int
    total_memory: int


@_where_there_are_gpus
def get_device_properties(device: Any = None) -> _Properties:
    """What a GPU is: ``name``, ``major`` and ``minor`` number, ``total_memory`` in bytes."""
    gpu = _gpu(device)
    return _Properties(gpu.name, *gpu.capability, gpu.memory()[1])


@_where_there_are_gpus
def can_device_access_peer(device: Any, peer_device: Any) -> bool:
    """Whether kernels of one GPU reach the memory of another: all memory is managed."""
    return _number(device) != _number(peer_device)


@_where_there_are_gpus
def mem_get_info(device: Any = None) -> tuple[int, int]:
    """Bytes of a GPU's memory that are free, and all there are."""
    return _gpu(device).memory()


@_where_there_are_gpus
def memory_allocated(device: Any = None) -> int:
    """Bytes in use by tensors and programs of this process."""
    return _gpu(device).allocated()[0]


@_where_there_are_gpus
def max_memory_allocated(device: Any = None) -> int:
    """The most bytes that were in use since the beginning, or since :func:`reset_peak_memory_stats`."""
    return _gpu(device).allocated()[1]


@_where_there_are_gpus
def memory_reserved(device: Any = None) -> int:
    """As :func:`memory_allocated`."""
    return _gpu(device).allocated()[0]


@_where_there_are_gpus
def max_memory_reserved(device: Any = None) -> int:
    """As :func:`max_memory_allocated`."""
    return _gpu(device).allocated()[1]


@_where_there_are_gpus
def reset_peak_memory_stats(device: Any = None) -> None:
    """Count the most bytes in use from now on."""
    _gpu(device).reset_peak()


@_where_there_are_gpus
def memory_stats(device: Any = None) -> dict[str, int]:
    """Bytes in use now and at most, under PyTorch's names for them."""
    now, most = _gpu(device).allocated()
    return {"allocated_bytes.all.current": now, "allocated_bytes.all.peak": most}


@_where_there_are_gpus
def memory_summary(device: Any = None, abbreviated: bool = False) -> str:
    """Bytes in use now and at most, and those that are free, as a line of text."""
    gpu = _gpu(device)
    now, most = gpu.allocated()
    return f"cuda:{gpu.number} ({gpu.name}): {now:,} bytes in use, {most:,} at most, {gpu.memory()[0]:,} free"


@_where_there_are_gpus
def empty_cache() -> None:
    """Give memory that no tensor uses back to the driver."""
    for gpu in gpus():
        gpu.empty_cache()


@_where_there_are_gpus
def ipc_collect() -> None:
    """No other process has memory of this one's."""


# One stream of random numbers serves the CPU and every GPU.


@_where_there_are_gpus
def manual_seed(seed: int) -> None:
    """Start the stream of random numbers, which all devices share, from a seed."""
    default_generator.manual_seed(seed)


@_where_there_are_gpus
def manual_seed_all(seed: int) -> None:
    """As :func:`manual_seed`."""
    default_generator.manual_seed(seed)


@_where_there_are_gpus
def initial_seed() -> int:
    """The seed that the stream of random numbers started from."""
    return default_generator.initial_seed()


@_where_there_are_gpus
def get_rng_state(device: Any = "cuda") -> Any:
    """The state of the stream of random numbers, which all devices share."""
    return default_generator.get_state()


@_where_there_are_gpus
def set_rng_state(new_state: Any, device: Any = "cuda") -> None:
    """Let the stream of random numbers, which all devices share, go on from a state."""
    default_generator.set_state(new_state)


class device:
    """Context manager: "cuda" stands for a GPU within a block. Without a GPU nothing is chosen."""

    def __init__(self, device: Any):
        self.idx = getattr(device, "index", device)
        if isinstance(self.idx, str):
            self.idx = Device(self.idx).index
        self._outer = current.number

    def __enter__(self) -> None:
        self._outer = current.number
        if gpus() and self.idx is not None and self.idx >= 0:
            current.number = _number(self.idx)

    def __exit__(self, *exception: object) -> None:
        current.number = self._outer


class device_of(device):
    """Context manager: choose the GPU of a tensor, where it is on one."""

    def __init__(self, obj: Any):
        super().__init__(obj.get_device() if hasattr(obj, "get_device") else -1)


__all__ += ["device", "device_of"]
