"""What every public function has around it: ``out=``, and errors that name the call and the user's line."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Sequence
from typing import Any

from graphc.ops.operands import cast
from graphc.ops.promotion import require_castable
from graphc.recording import state
from graphc.source_lines import note_call


def public(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function as users call it: one frame more, and nothing else for a call that succeeds."""
    name = function.__name__.strip("_")

    @functools.wraps(function)
    def operator(*arguments: Any, **keywords: Any) -> Any:
        try:
            if "out" in keywords:
                out = keywords.pop("out")
                result = function(*arguments, **keywords)
                return result if out is None else write_out(name, result, out)
            return function(*arguments, **keywords)
        except Exception as error:
            note_call(error, name, arguments, keywords)
            raise

    operator.explains_errors = True
    return operator


def write_out(name: str, result: Any, out: Any) -> Any:
    """Write a result (or several) to the tensors given as ``out=``, and give those.

    A tensor of another shape is given the result's. Raises RuntimeError, with PyTorch's words, for a tensor that
    requires a gradient or whose dtype cannot hold the result.
    """
    if isinstance(out, Sequence) and not hasattr(out, "apply"):
        written = [write_out(name, part, target) for part, target in zip(result, out, strict=True)]
        return type(result)(*written) if hasattr(result, "_fields") else tuple(written)
    if state.gradients and (out.requires_grad or result.requires_grad):
        raise RuntimeError(
            f"{name}(): functions with out=... arguments don't support automatic differentiation, but one of the "
            "arguments requires grad."
        )
    require_castable(result.dtype, out.dtype)
    if tuple(out.shape) != tuple(result.shape):
        if out.numel():
            warnings.warn(
                f"An output with one or more elements was resized since it had shape {list(out.shape)}, which does "
                f"not match the required output shape {list(result.shape)}.",
                stacklevel=4,
            )
        out.resize_(result.shape)
    return out._assign(cast(result, out.dtype))
