"""Settings of PyTorch's own compiler, which change nothing here. Source: torch._dynamo"""

from __future__ import annotations

import contextlib
from types import SimpleNamespace
from typing import Any

from graphc.missing_names import lazy_names
from graphc.recording import state

__all__ = ["config", "disable", "is_compiling", "list_backends", "reset"]
__getattr__ = lazy_names(__name__, {"OptimizedModule": "graphc.compiled_module:OptimizedModule"})
# Programs write their wishes here.
config = SimpleNamespace(suppress_errors=False, verbose=False, cache_size_limit=8, capture_scalar_outputs=False)


def reset() -> None:
    """Nothing: what is compiled belongs to the compiled function."""


def disable(fn: Any = None, recursive: bool = True, **options: Any) -> Any:
    """The function itself, which runs within a capture as it does outside."""
    return (lambda decorated: decorated) if fn is None else fn


allow_in_graph = disable


def is_compiling() -> bool:
    """Whether a step is being recorded."""
    return state.recorder is not None


def is_exporting() -> bool:
    """False."""
    return False


def list_backends(exclude_tags: Any = ()) -> list[str]:
    """The one compiler that there is, by the name of PyTorch's own."""
    return ["inductor"]


def cudagraph_mark_step_begin() -> None:
    """Nothing: there is no GPU."""


def set_stance(stance: str = "default", **options: Any) -> Any:
    """A context, and a decorator, that changes nothing."""
    return _Unchanged()


class _Unchanged(contextlib.ContextDecorator):
    def __enter__(self) -> None:
        pass

    def __exit__(self, *exception: Any) -> None:
        pass
