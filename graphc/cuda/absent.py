"""What PyTorch's functions for GPUs do where there is none: as in its builds for the CPU.

Source: https://docs.pytorch.org/docs/stable/cuda.html
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

_NO_GPU = "Torch not compiled with CUDA enabled"


class OutOfMemoryError(RuntimeError):
    """Memory of a GPU is used up; never raised here."""


def is_available() -> bool:
    """False: there is no GPU to compute on."""
    return False


def device_count() -> int:
    """0."""
    return 0


def is_initialized() -> bool:
    """False."""
    return False


def is_bf16_supported(including_emulation: bool = True) -> bool:
    """False."""
    return False


def get_arch_list() -> list[str]:
    """No architectures."""
    return []


def _refusing(name: str, words: str) -> Callable[..., Any]:
    def refuse(*arguments: Any, **keywords: Any) -> Any:
        raise AssertionError(_NO_GPU)

    refuse.__name__ = refuse.__qualname__ = name
    refuse.__doc__ = f"{words} Raises AssertionError: there is no GPU."
    return refuse


def _without_effect(name: str, words: str) -> Callable[..., None]:
    def nothing(*arguments: Any, **keywords: Any) -> None:
        return None

    nothing.__name__ = nothing.__qualname__ = name
    nothing.__doc__ = words
    return nothing


def _zero(name: str, words: str) -> Callable[..., int]:
    def zero(device: Any = None) -> int:
        return 0

    zero.__name__ = zero.__qualname__ = name
    zero.__doc__ = words
    return zero


init = _refusing("init", "Start using the GPU.")
current_device = _refusing("current_device", "The number of the GPU in use.")
synchronize = _refusing("synchronize", "Wait for the GPU.")
current_stream = _refusing("current_stream", "The stream that kernels go to.")
default_stream = _refusing("default_stream", "The stream that kernels go to by default.")
get_device_name = _refusing("get_device_name", "What a GPU is called.")
get_device_capability = _refusing("get_device_capability", "What a GPU can do.")
get_device_properties = _refusing("get_device_properties", "What a GPU is.")
can_device_access_peer = _refusing("can_device_access_peer", "Whether one GPU reads another's memory.")
mem_get_info = _refusing("mem_get_info", "Free and total memory.")
ipc_collect = _refusing("ipc_collect", "Let go of memory that other processes had.")
get_rng_state = _refusing("get_rng_state", "The state of the GPU's generator.")
set_rng_state = _without_effect("set_rng_state", "Kept for a GPU that never comes.")
initial_seed = _refusing("initial_seed", "The seed of the GPU's generator.")

empty_cache = _without_effect("empty_cache", "No memory is cached.")
manual_seed = _without_effect("manual_seed", "No GPU has a generator.")
manual_seed_all = _without_effect("manual_seed_all", "No GPU has a generator.")
seed = _without_effect("seed", "No GPU has a generator.")
seed_all = _without_effect("seed_all", "No GPU has a generator.")
set_rng_state_all = _without_effect("set_rng_state_all", "No GPU has a generator.")
reset_peak_memory_stats = _without_effect("reset_peak_memory_stats", "No memory is counted.")
reset_max_memory_allocated = _without_effect("reset_max_memory_allocated", "No memory is counted.")

memory_allocated = _zero("memory_allocated", "Bytes in use on the GPU: 0.")
memory_reserved = _zero("memory_reserved", "Bytes kept for tensors on the GPU: 0.")
memory_cached = _zero("memory_cached", "Bytes kept for tensors on the GPU: 0.")
max_memory_allocated = _zero("max_memory_allocated", "The most bytes that were in use on the GPU: 0.")
max_memory_reserved = _zero("max_memory_reserved", "The most bytes that were kept on the GPU: 0.")
max_memory_cached = _zero("max_memory_cached", "The most bytes that were kept on the GPU: 0.")


def memory_stats(device: Any = None) -> dict[str, int]:
    """Nothing is counted."""
    return {}


def memory_summary(device: Any = None, abbreviated: bool = False) -> str:
    """Nothing is counted."""
    return ""


def get_rng_state_all() -> list[Any]:
    """No GPU has a generator."""
    return []


def set_device(device: Any) -> None:
    """Choose a GPU. Raises AssertionError for any but a negative number, which stands for none."""
    number = getattr(device, "index", device)
    if not isinstance(number, int) or number >= 0:
        raise AssertionError(_NO_GPU)


class device:
    """Context manager: choose a GPU for a block. Without one nothing is chosen."""

    def __init__(self, device: Any):
        self.idx = getattr(device, "index", device)

    def __enter__(self) -> None:
        pass

    def __exit__(self, *exception: object) -> None:
        pass


class device_of(device):
    """Context manager: choose the GPU of a tensor. Without one nothing is chosen."""

    def __init__(self, obj: Any):
        super().__init__(-1)


class Stream:
    """A stream of kernels. Raises RuntimeError: there is no GPU."""

    def __init__(self, *arguments: Any, **keywords: Any):
        raise RuntimeError("torch.cuda.Stream requires CUDA support")


class Event:
    """A point in a stream. Raises RuntimeError: there is no GPU."""

    def __init__(self, *arguments: Any, **keywords: Any):
        raise RuntimeError("Tried to instantiate dummy base class Event")


class stream(device):
    """Context manager: kernels of a block go to a stream. Without a GPU there is none."""

    def __init__(self, stream: Any):
        super().__init__(-1)
