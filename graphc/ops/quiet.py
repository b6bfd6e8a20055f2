"""Floating-point results that IEEE 754 defines (an overflow to inf, 0/0) are no warnings: numpy is kept quiet.

Only the evaluation of a primitive is quiet; the user's own numpy code warns as before. Entering ``numpy.errstate``
costs more than a small addition, so that the setting is exchanged as ``errstate`` itself does it where numpy allows.

    token = silence(IGNORE)
    try:
        ...
    finally:
        restore(token)
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

import numpy as np

Function = TypeVar("Function", bound=Callable[..., Any])

try:
    from numpy._core.umath import _extobj_contextvar, _make_extobj
except ImportError:  # numpy 1.26, and whatever numpy may become

    def silence(ignore: Any) -> dict[str, str]:
        """Turn floating-point warnings off; gives what ``restore`` needs."""
        return np.seterr(**ignore)

    def restore(token: dict[str, str]) -> None:
        """Set floating-point warnings as they were."""
        np.seterr(**token)

    IGNORE: Any = {"all": "ignore"}
else:
    silence = _extobj_contextvar.set
    restore = _extobj_contextvar.reset
    IGNORE = _make_extobj(all="ignore")


def quiet(function: Function) -> Function:
    """Decorator: floating-point warnings are off while the function runs."""

    @wraps(function)
    def run(*arguments: Any, **keywords: Any) -> Any:
        token = silence(IGNORE)
        try:
            return function(*arguments, **keywords)
        finally:
            restore(token)

    return run  # type: ignore[return-value]
