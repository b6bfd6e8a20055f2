"""Graphs of Python code, which graphc does not make: :func:`graphc.trace` records a graph of its own.

Source: https://docs.pytorch.org/docs/stable/fx.html
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

from graphc.missing_names import lazy_names

__all__ = ["GraphModule", "Interpreter", "Tracer", "symbolic_trace", "wrap"]
__getattr__ = lazy_names(__name__)


def symbolic_trace(root: Any, concrete_args: Any = None) -> NoReturn:
    """Raises NotImplementedError."""
    _refuse("symbolic_trace")


def wrap(fn_or_name: Callable[..., Any] | str) -> Callable[..., Any] | str:
    """The function itself: nothing is traced through it."""
    return fn_or_name


class Tracer:
    """Raises NotImplementedError where one is made."""

    def __init__(self, *args: Any, **kwargs: Any):
        _refuse(type(self).__name__)


class Interpreter(Tracer):
    """Raises NotImplementedError where one is made."""


class GraphModule(Tracer):
    """Raises NotImplementedError where one is made; nothing is an instance of it."""


def _refuse(name: str) -> NoReturn:
    raise NotImplementedError(
        f"torch.fx.{name}: graphc does not trace Python code symbolically; graphc.trace(function, *tensors) records "
        "what a call computes as a graph"
    )
