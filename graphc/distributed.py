"""Several processes that train together: graphc works in one, and says so.

Source: https://docs.pytorch.org/docs/stable/distributed.html
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

from graphc.missing_names import lazy_names

_NOT_BEGUN = "Default process group has not been initialized, please make sure to call init_process_group."
_COLLECTIVES = """
    all_gather all_gather_into_tensor all_gather_object all_reduce all_to_all barrier broadcast broadcast_object_list
    destroy_process_group gather get_backend get_rank get_world_size irecv isend monitored_barrier new_group recv reduce
    reduce_scatter scatter send
"""


def is_available() -> bool:
    """False: there is no way between processes."""
    return False


def is_initialized() -> bool:
    """False."""
    return False


is_gloo_available = is_mpi_available = is_nccl_available = is_torchelastic_launched = is_ucc_available = is_available


def init_process_group(*args: Any, **kwargs: Any) -> NoReturn:
    """Raises RuntimeError: graphc works in one process."""
    raise RuntimeError(
        "torch.distributed.init_process_group: graphc works in one process (torch.distributed.is_available() is False)"
    )


def _refused(name: str) -> Callable[..., NoReturn]:
    def function(*args: Any, **kwargs: Any) -> NoReturn:
        raise ValueError(_NOT_BEGUN)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = "Raises ValueError, as PyTorch's before a group of processes was made."
    return function


globals().update({name: _refused(name) for name in _COLLECTIVES.split()})
__all__ = ["init_process_group", "is_available", "is_initialized", *_COLLECTIVES.split()]
__getattr__ = lazy_names(__name__)
