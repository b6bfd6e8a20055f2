"""All tensors of a call are on one device, as PyTorch demands: asked once GPUs are in use, and of the user's calls
alone, since library code may make constants wherever it likes.

Source: https://docs.pytorch.org/docs/stable/notes/cuda.html
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from graphc.device import of_gpu
from graphc.device_memory import gpu_of

# What takes tensors of several devices: indices may lie on the CPU.
_FREE = frozenset(["getitem", "index_put", "setitem"])


class _Here(threading.local):
    def __init__(self) -> None:
        # Whether a call is under way whose operands were looked at.
        self.within = False


here = _Here()


def require_one_device(*operands: Any) -> None:
    """Raise RuntimeError where the tensors among the operands of a user's call are on several devices.

    A number that is a 0-d tensor may be on the CPU beside others.
    """
    if not here.within:
        _require_one_device(operands)


def on_one_device(
    function: Callable[..., Any], operator: Callable[..., Any], arguments: tuple[Any, ...], keywords: dict[str, Any]
) -> Any:
    """Call an operator, the public form of a function, once its tensors are known to be on one device; results are
    there too.

    Raises as :func:`require_one_device`.
    """
    operands = (*arguments, *keywords.values())
    if function.__name__ not in _FREE:
        _require_one_device(operands)
    here.within = True
    try:
        result = operator(*arguments, **keywords)
    finally:
        here.within = False
    gpu = next((gpu for array in _arrays(operands) if (gpu := gpu_of(array)) is not None), None)
    if gpu is not None:
        _put(result, gpu)
    return result


def _put(result: Any, gpu: Any) -> None:
    """Move new results that were made without an operand, such as places that were counted, to a GPU."""
    if isinstance(result, (list, tuple)):
        for part in result:
            _put(part, gpu)
    elif hasattr(result, "_array") and gpu_of(result._array) is None:
        result._lie_at(gpu)


def _require_one_device(operands: Iterable[Any]) -> None:
    first = None
    for array in _arrays(operands):
        gpu = gpu_of(array)
        if gpu is None and not array.ndim:
            continue
        if first is None:
            first = (gpu,)
        elif first[0] is not gpu:
            raise RuntimeError(
                "Expected all tensors to be on the same device, but found at least two devices, "
                f"{of_gpu(first[0])} and {of_gpu(gpu)}!"
            )


def _arrays(operands: Iterable[Any]) -> Iterator[Any]:
    for operand in operands:
        if isinstance(operand, (list, tuple)):
            yield from _arrays(operand)
        elif hasattr(operand, "_array"):
            yield operand._array
